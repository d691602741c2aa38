"""What libraries do whose work is done by scripts: locks and scripts of redis-py, RQ, walrus, and the scripts of locks and limits
that libraries of Java and PHP send. Exits with 0 only if all held.

usage: scripts.py PORT JOBS      LEADER_CHANGE=yes: says `transfer` while threads take a lock by turns

resp-tests/tests/clients/scripts.rs runs it.
"""

import os
import sys
import threading
import time

import redis
import rq
import walrus

PORT = int(sys.argv[1])
JOBS = int(sys.argv[2])

# Of Spring Integration's RedisLockRegistry: KEYS lock; ARGV owner, milliseconds (to obtain) or channel (to release).
SPRING_OBTAIN = """
local lockClientId = redis.call('GET', KEYS[1])
if lockClientId == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return true
elseif not lockClientId then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return true
end
return false
"""
SPRING_RELEASE = """
local lockClientId = redis.call('GET', KEYS[1])
if (lockClientId == ARGV[1] and redis.call('PUBLISH', ARGV[2], KEYS[1]) >= 0) then
  redis.call('UNLINK', KEYS[1])
  return true
end
return false
"""
# Of Redisson's reentrant lock: KEYS lock, channel; ARGV milliseconds, owner (to obtain), or message, milliseconds, owner.
REDISSON_OBTAIN = """
if ((redis.call('exists', KEYS[1]) == 0) or (redis.call('hexists', KEYS[1], ARGV[2]) == 1)) then
  redis.call('hincrby', KEYS[1], ARGV[2], 1);
  redis.call('pexpire', KEYS[1], ARGV[1]);
  return nil;
end;
return redis.call('pttl', KEYS[1]);
"""
REDISSON_RELEASE = """
if (redis.call('hexists', KEYS[1], ARGV[3]) == 0) then return nil; end;
local counter = redis.call('hincrby', KEYS[1], ARGV[3], -1);
if (counter > 0) then
  redis.call('pexpire', KEYS[1], ARGV[2]);
  return 0;
else
  redis.call('del', KEYS[1]);
  redis.call('publish', KEYS[2], ARGV[1]);
  return 1;
end;
"""
# Of Spring Cloud Gateway's rate limiter: KEYS tokens, time of the last call; ARGV rate, capacity, now or nothing, wanted.
SPRING_LIMIT = """
redis.replicate_commands()
local rate, capacity, requested = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
local now = tonumber(ARGV[3])
if now == nil then now = redis.call('TIME')[1] end
local ttl = math.floor(capacity / rate * 2)
local last_tokens = tonumber(redis.call("get", KEYS[1]))
if last_tokens == nil then last_tokens = capacity end
local last_refreshed = tonumber(redis.call("get", KEYS[2]))
if last_refreshed == nil then last_refreshed = 0 end
local delta = math.max(0, now - last_refreshed)
local filled_tokens = math.min(capacity, last_tokens + (delta * rate))
local allowed = filled_tokens >= requested
local new_tokens, allowed_num = filled_tokens, 0
if allowed then
  new_tokens = filled_tokens - requested
  allowed_num = 1
end
if ttl > 0 then
  redis.call("setex", KEYS[1], ttl, new_tokens)
  redis.call("setex", KEYS[2], ttl, now)
end
return { allowed_num, new_tokens }
"""
# Of Laravel's locks.
LARAVEL_RELEASE = """
if redis.call("get",KEYS[1]) == ARGV[1] then
    return redis.call("del",KEYS[1])
else
    return 0
end
"""


def connect(**options):
    return redis.Redis(port=PORT, **options)


def scripts():
    client = connect(decode_responses=True)
    add = client.register_script("return redis.call('incrby', KEYS[1], ARGV[1])")
    assert [add(keys=["n"], args=[n]) for n in (1, 2, 3)] == [1, 3, 6]
    client.script_flush()
    assert add(keys=["n"], args=[4]) == 10, "NOSCRIPT, SCRIPT LOAD, EVALSHA"
    client.script_flush()
    pipeline = client.pipeline(transaction=True)
    pipeline.set("n", 5)
    add(keys=["n"], args=[5], client=pipeline)
    pipeline.get("n")
    assert pipeline.execute() == [True, 10, "10"]
    assert client.eval_ro("return redis.call('get', KEYS[1])", 1, "n") == "10"
    try:
        client.eval_ro("return redis.call('del', KEYS[1])", 1, "n")
        raise AssertionError("it must not write")
    except redis.ResponseError as error:
        assert "Write commands are not allowed" in str(error), error
    code = "#!lua name=lib\nredis.register_function('twice', function(keys, args) return args[1] * 2 end)"
    assert client.function_load(code, replace=True) == "lib"
    assert client.fcall("twice", 0, 21) == 42
    # One connection: at an edge another may see it a moment later.
    binary = connect()
    payload = binary.function_dump()
    binary.function_flush()
    assert binary.function_restore(payload) in (True, b"OK")
    assert binary.fcall("twice", 0, 4) == 8


def locks():
    client, inside, entered = connect(), [], []

    def enter(is_first):
        own = connect()
        for turn in range(max(5, JOBS // 50)):
            if turn == 2 and is_first and os.environ.get("LEADER_CHANGE") == "yes":
                print("transfer", flush=True)
            with own.lock("lock", timeout=10, blocking_timeout=60):
                inside.append(1)
                assert len(inside) == 1, "one at a time"
                entered.append(1)
                time.sleep(0.002)
                inside.pop()

    threads = [threading.Thread(target=enter, args=(number == 0,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(entered) == 8 * max(5, JOBS // 50)
    lock = client.lock("held", timeout=5)
    assert lock.acquire()
    assert lock.extend(10) and client.pttl("held") > 10_000
    assert lock.reacquire() and lock.owned()
    client.set("held", "another's")
    try:
        lock.release()
        raise AssertionError("it is another's")
    except redis.exceptions.LockNotOwnedError:
        pass


def locks_of_others():
    client = connect(decode_responses=True)
    listener = client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("freed")
    obtain, release = client.register_script(SPRING_OBTAIN), client.register_script(SPRING_RELEASE)
    took = [obtain(keys=["spring"], args=[owner, 60_000]) for owner in ("a", "b", "a")]
    assert took == [1, None, 1], took
    assert 50_000 < client.pttl("spring") <= 60_000
    freed = [release(keys=["spring"], args=[owner, "freed"]) for owner in ("b", "a", "a")]
    assert freed == [None, 1, None], freed
    obtain, release = client.register_script(REDISSON_OBTAIN), client.register_script(REDISSON_RELEASE)
    took = [obtain(keys=["redisson"], args=[60_000, owner]) for owner in ("a:1", "a:1", "b:1")]
    assert took[:2] == [None, None] and 50_000 < took[2] <= 60_000, took
    freed = [release(keys=["redisson", "freed"], args=["0", 60_000, owner]) for owner in ("b:1", "a:1", "a:1", "a:1")]
    assert freed == [None, 0, 1, None], freed
    messages, deadline = [], time.monotonic() + 30
    while len(messages) < 2 and time.monotonic() < deadline:
        message = listener.get_message(timeout=1)
        messages += [message["data"]] if message else []
    assert messages == ["spring", "0"], messages
    client.set("laravel", "mine", ex=60)
    release = client.register_script(LARAVEL_RELEASE)
    assert [release(keys=["laravel"], args=[owner]) for owner in ("another's", "mine", "mine")] == [0, 1, 0]
    limit = client.register_script(SPRING_LIMIT)
    fixed = [limit(keys=["limit", "limit.at"], args=[1, 3, 1_000_000, 1]) for _ in range(4)]
    assert fixed == [[1, 2], [1, 1], [1, 0], [0, 0]], fixed
    assert limit(keys=["limit", "limit.at"], args=[1, 3, 1_000_002, 1]) == [1, 1]
    allowed = [limit(keys=["limit now", "limit now.at"], args=[1, 1000, "", 1])[0] for _ in range(5)]
    assert allowed == [1] * 5, allowed


def jobs():
    client = connect()
    queue = rq.Queue(connection=client)
    many = min(JOBS, 1000) // 3
    all_jobs = [queue.enqueue("operator.mul", n, 2) for n in range(many)]
    last = queue.enqueue("operator.add", 1, 2, depends_on=all_jobs[-1])
    worker = rq.SimpleWorker([queue], connection=client)
    worker.work(burst=True, logging_level="ERROR")
    assert [job.return_value() for job in all_jobs] == [n * 2 for n in range(many)]
    assert last.return_value() == 3


def wrapped():
    database = walrus.Database(port=PORT)
    lock = database.lock("walrus lock", ttl=5000)
    assert lock.acquire(block=False) and not database.lock("walrus lock").acquire(block=False)
    assert lock.release()
    limit = database.rate_limit("walrus limit", limit=3, per=60)
    assert [limit.limit("client") for _ in range(4)] == [False, False, False, True]
    array = database.Array("walrus array")
    array.extend([b"a", b"b", b"c"])
    assert array[1] == b"b" and array.pop(0) == b"a" and len(array) == 2 and b"c" in array
    complete = database.autocomplete()
    for number, title in enumerate(["alpha one", "alpha two", "beta one"]):
        complete.store(str(number), title, title)
    found = [title if isinstance(title, str) else title.decode() for title in complete.search("alpha")]
    assert sorted(found) == ["alpha one", "alpha two"], found


def main():
    connect().flushall()
    scripts()
    locks()
    locks_of_others()
    jobs()
    wrapped()
    print("held")


if __name__ == "__main__":
    main()
