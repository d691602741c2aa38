"""The cache of redis-py (client-side caching) with a server. Exits with 0 only if everything held.

usage: caching.py PORT [PASSWORD]

The conversation with the test that runs it is described in resp-tests/tests/clients/main.rs.
"""

import sys
import time

import redis
from redis.backoff import ConstantBackoff
from redis.cache import CacheConfig
from redis.connection import CacheProxyConnection
from redis.retry import Retry

PORT = int(sys.argv[1])
PASSWORD = sys.argv[2] if len(sys.argv) > 2 else None
WAIT_SECONDS = 40
KEYS = 200

# The library asks for Redis 7.4, "to maximize compatibility with all Redis products"; servers say 7.2 here.
CacheProxyConnection.MIN_ALLOWED_VERSION = "7.0.0"


def connect(**changes):
    options = {"host": "127.0.0.1", "port": PORT, "password": PASSWORD, "protocol": 3}
    return redis.Redis(retry=Retry(ConstantBackoff(0.05), 20), **{**options, **changes})


def same(what, got, expected):
    assert got == expected, f"{what}: got {got!r}, expected {expected!r}"


def until(what, holds):
    """Waits for a condition, not for a time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_SECONDS} s"
        time.sleep(0.01)


def calls_of_get(other):
    return other.info("commandstats").get("cmdstat_get", {}).get("calls", 0)


def caches(client, other, round):
    """Reads come from the cache until somebody changes the key."""
    for number in range(KEYS):
        other.set(f"k{number}", f"{round}")
    for number in range(KEYS):
        until(f"k{number} is seen", lambda: client.get(f"k{number}") == round.encode())
    before = calls_of_get(other)
    for _ in range(10):
        for number in range(KEYS):
            same(f"k{number}", client.get(f"k{number}"), round.encode())
    same("GETs that the server has seen", calls_of_get(other), before)
    other.set("k7", "changed")
    until("the change", lambda: client.get("k7") == b"changed")
    other.flushall()
    until("the flush", lambda: client.get("k8") is None)
    other.set("brief", "v", px=300)
    until("the key", lambda: client.get("brief") == b"v")
    until("its end", lambda: client.get("brief") is None)
    client.hset("h", "f", "1")
    same("HGET", client.hget("h", "f"), b"1")
    other.hset("h", "f", "2")
    until("the field's change", lambda: client.hget("h", "f") == b"2")


def main():
    with connect(cache_config=CacheConfig(max_size=10_000)) as client, connect() as other:
        for round, how in enumerate(("kill", "terminate")):
            caches(client, other, f"round {round}")
            before = other.info("server")["process_id"]
            print(f"restart {how}", flush=True)

            def is_back():
                try:
                    return other.info("server")["process_id"] != before
                except redis.ConnectionError:
                    return False

            until(f"a new process after {how}", is_back)
            other.set("k8", "after")
            until("what was cached before is gone", lambda: client.get("k8") == b"after")
        caches(client, other, "last")
    print("held", flush=True)


main()
