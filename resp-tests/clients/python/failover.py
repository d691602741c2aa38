"""redis-py as a client of a cluster, of sentinels, or of any node, while the leader dies.

usage: failover.py cluster|sentinel|plain PORT...

Writes, says `kill`, and goes on with the same client object; says `held` when every acknowledged value is there.
"""

import sys
import time

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.sentinel import Sentinel

KIND, PORTS = sys.argv[1], [int(word) for word in sys.argv[2:]]
WAIT_SECONDS = 30
TRANSIENT = (redis.exceptions.RedisError, OSError)


def connect():
    if KIND == "cluster":
        return RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port) for port in PORTS])
    if KIND == "sentinel":
        sentinel = Sentinel([("127.0.0.1", port) for port in PORTS], socket_timeout=2)
        return sentinel.master_for("flotilla", socket_timeout=8)
    return redis.Redis(host="127.0.0.1", port=PORTS[0], socket_timeout=8)


def main():
    client = connect()
    acknowledged = {}
    for number in range(200):
        key = f"before:{number}"
        client.set(key, str(number))
        acknowledged[key] = number
    pipe = client.pipeline(transaction=False)
    for number in range(100):
        pipe.set(f"piped:{number}", number)
        acknowledged[f"piped:{number}"] = number
    pipe.execute()
    # Another node leads, the old leader lives: what a client asks of it must bring the client to the new one.
    client.xadd("stream", {"field": "value"})
    client.xgroup_create("stream", "group", id="0")
    print("transfer", flush=True)
    sys.stdin.readline()
    assert len(client.xreadgroup("group", "consumer", {"stream": ">"}, block=1000)[0][1]) == 1
    assert len(client.xread({"stream": "0"}, block=1000)[0][1]) == 1
    if KIND != "cluster":
        with client.pipeline() as watching:
            watching.watch("before:0")
            watching.multi()
            watching.get("before:0")
            assert watching.execute() == [b"0"]
    print("kill", flush=True)
    deadline, number, errors = time.monotonic() + WAIT_SECONDS, 0, 0
    sys.stdin.readline()
    began = time.monotonic()
    first = None
    while number < 200:
        key = f"after:{number}"
        try:
            client.set(key, str(number))
        except TRANSIENT as error:
            errors += 1
            assert time.monotonic() < deadline, f"no write after {WAIT_SECONDS} s: {error!r}"
            time.sleep(0.05)
            continue
        first = first or time.monotonic() - began
        acknowledged[key] = number
        number += 1
    for key, value in acknowledged.items():
        while True:
            try:
                found = client.get(key)
                break
            except TRANSIENT as error:
                assert time.monotonic() < deadline + 30, f"no read: {error!r}"
                time.sleep(0.05)
        assert found == str(value).encode(), f"{key}: {found!r}, not {value}"
    print(f"first write after {first:.2f} s, {errors} errors", flush=True)
    print("held", flush=True)


main()
