#!/usr/bin/env python3
"""Hit rates of a cache that evicts, beside redis-server with the same limit.

A client reads keys of a Zipf distribution and writes each one that it misses (cache-aside), 64 at a time. Whatever fits is what
the policy kept. Redis counts what its allocator gave out, Flotilla what keys and values take at rest, so Flotilla keeps more keys at
the same limit; `keys` says how many, and the last column compares hit rates at equal numbers of keys as well: the limit of the
second Flotilla run is set so that it keeps as many keys as redis-server did.

    bench/eviction.py --flotilla target/release/flotilla [--redis redis-server] [--policy allkeys-lru ...]
"""

import argparse, bisect, itertools, random, shutil, socket, subprocess, tempfile, time

KEYS, VALUE, LIMIT = 200_000, 200, 12 * 1024 * 1024
PIPELINE = 64


class Client:
    def __init__(self, port):
        deadline = time.time() + 30
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port))
                self.file = self.socket.makefile("rb")
                if self.call("PING") == b"PONG" and self.info("loading") == "0":
                    return
            except (OSError, EOFError):
                pass
            if time.time() > deadline:
                raise SystemExit(f"nobody answers on port {port}")
            time.sleep(0.05)

    def send(self, calls):
        out = []
        for words in calls:
            out.append(b"*%d\r\n" % len(words))
            for word in words:
                word = word if isinstance(word, bytes) else str(word).encode()
                out.append(b"$%d\r\n%s\r\n" % (len(word), word))
        self.socket.sendall(b"".join(out))
        return [self.reply() for _ in calls]

    def reply(self):
        line = self.file.readline()
        if not line:
            raise EOFError
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self.file.read(length + 2)[:-2]
        if kind == b"-":
            raise SystemExit(f"refused: {rest.decode()}")
        return rest

    def call(self, *words):
        return self.send([words])[0]

    def info(self, name):
        for line in self.call("INFO", "everything").decode().split("\r\n"):
            if line.startswith(name + ":"):
                return line.split(":", 1)[1]
        return "0"


def zipf(seed, exponent):
    """Numbers of keys, drawn again and again; which key is popular has nothing to do with its name."""
    dice = random.Random(seed)
    weights = list(itertools.accumulate(1 / (rank**exponent) for rank in range(1, KEYS + 1)))
    names = list(range(KEYS))
    dice.shuffle(names)
    while True:
        yield names[bisect.bisect_left(weights, dice.random() * weights[-1])]


def run(command, port, policy, limit, reads, exponent, shift):
    directory = tempfile.mkdtemp(prefix="eviction-")
    process = subprocess.Popen(command(directory), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        client = Client(port)
        client.call("CONFIG", "SET", "maxmemory-policy", policy)
        # What the process takes without data, for Redis.
        empty = int(client.info("used_memory")) if client.info("flotilla_version") == "0" else 0
        client.call("CONFIG", "SET", "maxmemory", limit + empty)
        numbers, value = zipf(1, exponent), b"v" * VALUE
        hits = asked = 0
        began = time.time()
        for at in range(0, reads, PIPELINE):
            # What is popular changes now and then: a quarter of the names change places.
            offset = (at * shift // reads) * (KEYS // 4)
            keys = [f"key:{(next(numbers) + offset) % KEYS}" for _ in range(PIPELINE)]
            found = client.send([("GET", key) for key in keys])
            missed = [("SET", key, value, "EX", "100000") for key, got in zip(keys, found) if got is None]
            if missed:
                client.send(missed)
            # The first half fills it.
            if at >= reads // 2:
                asked += len(keys)
                hits += len(keys) - len(missed)
        took = time.time() - began
        return {
            "hits": hits / asked,
            "keys": int(client.call("DBSIZE")),
            "evicted": client.info("evicted_keys"),
            "bytes": client.info("flotilla_dataset_bytes"),
            "seconds": took,
        }
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--flotilla", required=True)
    parser.add_argument("--redis", default="redis-server")
    parser.add_argument("--policy", action="append")
    parser.add_argument("--reads", type=int, default=1_500_000)
    parser.add_argument("--exponent", type=float, default=0.9)
    parser.add_argument("--shift", type=int, default=1, help="how often what is popular changes; 1: never")
    parser.add_argument("--port", type=int, default=17380)
    options = parser.parse_args()
    port = options.port

    def redis(directory):
        return [options.redis, "--port", str(port), "--save", "", "--dir", directory]

    def flotilla(directory):
        ports = ["--http-port", str(port + 1), "--peer-port", str(port + 2)]
        return [options.flotilla, "--port", str(port), *ports, "--data-dir", directory]

    print("| policy | redis-server: keys, hits | Flotilla, same limit: keys, hits, ratio | Flotilla, same keys: keys, hits, ratio |")
    print("|---|---|---|---|")
    for policy in options.policy or ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-ttl"]:
        rules = (options.reads, options.exponent, options.shift)
        one = run(redis, port, policy, LIMIT, *rules)
        same_limit = run(flotilla, port, policy, LIMIT, *rules)
        each = int(same_limit["bytes"]) / max(same_limit["keys"], 1)
        same_keys = run(flotilla, port, policy, int(each * one["keys"]), *rules)
        cells = [
            f"{ran['keys']:,}, {ran['hits']:.4f}, **{ran['hits'] / one['hits']:.3f}**" for ran in (same_limit, same_keys)
        ]
        print(f"| {policy} | {one['keys']:,}, {one['hits']:.4f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
