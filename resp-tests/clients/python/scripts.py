"""What libraries do whose work is done by scripts: locks and scripts of redis-py, RQ, walrus. Exits with 0 only if all held.

usage: scripts.py PORT

resp-tests/tests/clients/scripts.rs runs it.
"""

import sys
import threading
import time

import redis
import rq
import walrus

PORT = int(sys.argv[1])


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
    payload = connect().function_dump()
    client.function_flush()
    assert connect().function_restore(payload) in (True, b"OK")
    assert client.fcall("twice", 0, 4) == 8


def locks():
    client, inside, entered = connect(), [], []

    def enter():
        own = connect()
        for _ in range(5):
            with own.lock("lock", timeout=10, blocking_timeout=60):
                inside.append(1)
                assert len(inside) == 1, "one at a time"
                entered.append(1)
                time.sleep(0.002)
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(entered) == 40
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


def double(n):
    return n * 2


def jobs():
    client = connect()
    queue = rq.Queue(connection=client)
    all_jobs = [queue.enqueue("operator.mul", n, 2) for n in range(100)]
    last = queue.enqueue("operator.add", 1, 2, depends_on=all_jobs[-1])
    worker = rq.SimpleWorker([queue], connection=client)
    worker.work(burst=True, logging_level="ERROR")
    assert [job.return_value() for job in all_jobs] == [n * 2 for n in range(100)]
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
    jobs()
    wrapped()
    print("held")


if __name__ == "__main__":
    main()
