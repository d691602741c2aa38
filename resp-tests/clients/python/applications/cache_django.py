"""django-redis: Django's cache and its sessions."""

import datetime

import django
from common import has_scripts, restart, same, until, url
from django.conf import settings

DB = 5
SCRIPTS = has_scripts()
KEYS = 300


def configure():
    def cache(**options):
        return {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": url(DB),
            "TIMEOUT": 300,
            "KEY_PREFIX": "site",
            "OPTIONS": {"CLIENT_CLASS": "django_redis.client.DefaultClient", **options},
        }

    settings.configure(
        CACHES={
            "default": cache(),
            "zlib": cache(COMPRESSOR="django_redis.compressors.zlib.ZlibCompressor"),
            "json": cache(SERIALIZER="django_redis.serializers.json.JSONSerializer"),
            "herd": cache(CLIENT_CLASS="django_redis.client.HerdClient"),
        },
        SESSION_ENGINE="django.contrib.sessions.backends.cache",
        SECRET_KEY="not secret",
        USE_TZ=True,
    )
    django.setup()


def values(cache):
    same("set", cache.set("text", "Grüße 🚢"), True)
    same("get", cache.get("text"), "Grüße 🚢")
    same("get of nothing", cache.get("nothing"), None)
    same("get with a default", cache.get("nothing", "default"), "default")
    for value in (0, -1, 2**62, 1.5, True, None, b"\x00\xff", [1, "a"], {"k": (1, 2)}, datetime.date(2024, 1, 1)):
        cache.set("value", value)
        same("a value", cache.get("value", "missing"), value)
    same("add to nothing", cache.add("added", 1), True)
    same("add to something", cache.add("added", 2), False)
    same("the first stays", cache.get("added"), 1)
    same("set nx", cache.set("added", 3, nx=True), False)
    same("set xx", cache.set("added", 3, xx=True), True)
    same("has_key", (cache.has_key("added"), "nothing" in cache), (True, False))
    same("get_or_set", cache.get_or_set("made", lambda: 7, 100), 7)
    same("delete", (cache.delete("added"), cache.delete("added")), (True, False))
    large = "x" * (1 << 20)
    cache.set("large", large)
    assert cache.get("large") == large, "large: another value"
    cache.set("version", "one", version=1)
    cache.set("version", "two", version=2)
    same("versions", (cache.get("version", version=1), cache.get("version", version=2)), ("one", "two"))
    same("incr_version", cache.incr_version("version", version=2), 3)
    same("after incr_version", (cache.get("version", version=2), cache.get("version", version=3)), (None, "two"))


def counters(cache):
    # A script does it if the server has scripts, else the library reads and writes.
    cache.set("count", 40, timeout=100)
    same("incr", cache.incr("count"), 41)
    same("incr by", cache.incr("count", 10), 51)
    same("decr", cache.decr("count", 9), 42)
    same("count", cache.get("count"), 42)
    assert 0 < cache.ttl("count") <= 100, f"incr keeps the ttl: {cache.ttl('count')}"
    cache.set("lasting", 1, timeout=None)
    same("incr of a lasting one", (cache.incr("lasting"), cache.ttl("lasting")), (2, None))
    cache.set("big", 2**63)
    same("beyond 64 bits", cache.incr("big"), 2**63 + 1)
    if SCRIPTS:
        try:
            cache.incr("nothing")
            raise AssertionError("incr of nothing is refused")
        except ValueError:
            pass


def many(cache):
    data = {f"many:{number}": {"number": number} for number in range(KEYS)}
    cache.set_many(data, timeout=200)
    same("get_many", cache.get_many([*data, "nothing"]), data)
    same("keys", sorted(cache.keys("many:*")), sorted(data))
    same("iter_keys", sorted(cache.iter_keys("many:*", itersize=50)), sorted(data))
    same("keys of nothing", cache.keys("none:*"), [])
    same("delete_many", cache.delete_many([f"many:{number}" for number in range(10)]), 10)
    same("delete_pattern", cache.delete_pattern("many:?"), 0)
    same("delete_pattern, two digits", cache.delete_pattern("many:??"), 90)
    same("delete_pattern, the rest", cache.delete_pattern("many:*", itersize=7), KEYS - 100)
    same("after all", cache.keys("many:*"), [])


def lifetimes(cache):
    cache.set("brief", 1, timeout=0.4)
    until("brief is gone", lambda: cache.get("brief") is None)
    cache.set("long", 1, timeout=100)
    assert 90 < cache.ttl("long") <= 100, f"ttl {cache.ttl('long')}"
    assert 90_000 < cache.pttl("long") <= 100_000, f"pttl {cache.pttl('long')}"
    same("persist", (cache.persist("long"), cache.ttl("long")), (True, None))
    same("expire", cache.expire("long", timeout=50), True)
    assert 40 < cache.ttl("long") <= 50, f"ttl {cache.ttl('long')}"
    same("pexpire", cache.pexpire("long", timeout=70_000), True)
    assert 60 < cache.ttl("long") <= 70, f"ttl {cache.ttl('long')}"
    soon = datetime.datetime.now() + datetime.timedelta(hours=1)
    same("expire_at", (cache.expire_at("long", soon), cache.pexpire_at("long", soon)), (True, True))
    assert 3500 < cache.ttl("long") <= 3600, f"ttl {cache.ttl('long')}"
    same("touch", (cache.touch("long", 20), cache.touch("nothing", 20)), (True, False))
    assert 10 < cache.ttl("long") <= 20, f"ttl {cache.ttl('long')}"
    same("ttl of nothing", (cache.ttl("nothing"), cache.expire("nothing", timeout=5)), (0, False))
    same("a past expire_at", cache.expire_at("long", soon - datetime.timedelta(hours=2)), True)
    same("after it", cache.get("long"), None)


def collections(cache):
    same("sadd", cache.sadd("set", "a", "b", 3), 3)
    same("smembers", cache.smembers("set"), {"a", "b", 3})
    same("scard, sismember", (cache.scard("set"), bool(cache.sismember("set", "a"))), (3, True))
    cache.sadd("other", "b", "c")
    same("sinter, sdiff", (cache.sinter("set", "other"), cache.sdiff("set", "other")), ({"b"}, {"a", 3}))
    same("sunionstore", cache.sunionstore("all", "set", "other"), 4)
    same("sscan_iter", set(cache.sscan_iter("all")), {"a", "b", "c", 3})
    same("smove", (cache.smove("set", "other", "a"), cache.srem("set", "b")), (True, 1))
    same("spop", (cache.spop("set"), cache.scard("set")), (3, 0))
    same("hset", (cache.hset("hash", "f", 1), cache.hset("hash", "g", "x")), (1, 1))
    same("hlen, hkeys", (cache.hlen("hash"), sorted(cache.hkeys("hash"))), (2, ["f", "g"]))
    same("hexists, hdel", (cache.hexists("hash", "f"), cache.hdel("hash", "f")), (True, 1))
    same("zadd", cache.zadd("zset", {"a": 1, "b": 2.5, "c": -1}), 3)
    same("zrange", cache.zrange("zset", 0, -1, withscores=True), [("c", -1.0), ("a", 1.0), ("b", 2.5)])
    same("zrangebyscore", cache.zrangebyscore("zset", 0, "+inf"), ["a", "b"])
    same("zincrby, zscore", (cache.zincrby("zset", 2, "c"), cache.zscore("zset", "c")), (1.0, 1.0))
    same("zrank, zcount", (cache.zrank("zset", "b"), cache.zcount("zset", 1, 2)), (2, 2))
    same("zpopmax", cache.zpopmax("zset"), ("b", 2.5))
    same("zrem, zcard", (cache.zrem("zset", "a"), cache.zcard("zset")), (1, 1))


def locks(cache):
    lock = cache.lock("lock", timeout=30)
    same("acquire", lock.acquire(blocking=False), True)
    same("another's", cache.lock("lock", timeout=30).acquire(blocking=False), False)
    same("locked, owned", (lock.locked(), lock.owned()), (True, True))
    if SCRIPTS:
        same("extend, reacquire", (lock.extend(5), lock.reacquire()), (True, True))
        lock.release()
        with cache.lock("lock", timeout=30, blocking_timeout=5):
            same("locked again", lock.locked(), True)
        same("given back", lock.locked(), False)
    else:
        # Giving it back takes a script; it ends with its time.
        same("its time is cut", cache.pexpire("lock", timeout=200), True)
        same("a waiting one gets it", cache.lock("lock", timeout=30).acquire(blocking_timeout=20), True)


def sessions():
    from django.contrib.sessions.backends.cache import SessionStore

    session = SessionStore()
    session["user"] = {"id": 7, "name": "Zoë"}
    session.set_expiry(1000)
    session.save(must_create=True)
    key = session.session_key
    same("exists", (session.exists(key), session.exists("x" * 32)), (True, False))
    again = SessionStore(session_key=key)
    same("load", again["user"], {"id": 7, "name": "Zoë"})
    again["cart"] = [1, 2]
    again.save()
    again.cycle_key()
    assert again.session_key != key, "cycle_key: the same key"
    again.save()
    same("the old key", SessionStore(session_key=key).get("user"), None)
    same("the new key", SessionStore(session_key=again.session_key)["cart"], [1, 2])
    again.flush()
    same("after flush", SessionStore(session_key=again.session_key or "x" * 32).get("cart"), None)


def lasting(cache, how):
    from django.contrib.sessions.backends.cache import SessionStore
    from django_redis.exceptions import ConnectionInterrupted

    session = SessionStore()
    session["how"] = how
    session.save(must_create=True)
    cache.set(how, "before", timeout=None)
    restart(how)
    got = until(f"the cache after {how}", lambda: cache.get(how), (ConnectionInterrupted, OSError))
    same(f"a value after {how}", got, "before")
    same(f"a session after {how}", SessionStore(session_key=session.session_key)["how"], how)


def main():
    configure()
    from django.core.cache import caches
    from django_redis import get_redis_connection

    get_redis_connection("default").flushdb()
    for name in ("default", "zlib", "herd"):
        values(caches[name])
        many(caches[name])
        caches[name].clear()
        same(f"{name} after clear", caches[name].get("text"), None)
    caches["json"].set("json", {"a": [1, None, "ü"]})
    same("json", caches["json"].get("json"), {"a": [1, None, "ü"]})
    cache = caches["default"]
    for check in (counters, lifetimes, collections, locks):
        check(cache)
    sessions()
    for how in ("kill", "terminate"):
        lasting(cache, how)
    print("held", flush=True)


main()
