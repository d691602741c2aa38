"""What a program with redis-py does with a server. Exits with 0 only if everything held.

usage: basic.py PORT PROTOCOL [PASSWORD]      PROTOCOL: 2, 3, or `default` for the library's own choice

The conversation with the test that runs it is described in resp-tests/tests/clients/main.rs.
"""

import sys
import time

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

PORT = int(sys.argv[1])
PROTOCOL = sys.argv[2]
PASSWORD = sys.argv[3] if len(sys.argv) > 3 else None

DB = 3
WAIT_SECONDS = 40
PIPELINED = 500
USERS = 3000
OTHERS = 1000
BEFORE_RESTART = 20
BINARY = bytes(range(256)) + b"\r\n$-1\r\n\0"
UNICODE = "Grüße, 世界 🚢"


def connect(**changes):
    options = {"host": "127.0.0.1", "port": PORT, "db": DB, "password": PASSWORD}
    if PROTOCOL != "default":
        options["protocol"] = int(PROTOCOL)
    return redis.Redis(**{**options, **changes})


def same(what, got, expected):
    assert got == expected, f"{what}: got {got!r}, expected {expected!r}"


def until(what, holds):
    """Waits for a condition, not for a time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_SECONDS} s"
        time.sleep(0.01)


def refused(what, kind, words, call):
    """The server's error surfaces as the library's exception."""
    try:
        got = call()
    except kind as error:
        assert words in str(error), f"{what}: {str(error)!r} does not say {words!r}"
        return
    raise AssertionError(f"{what}: got {got!r}, expected {kind.__name__} with {words!r}")


def authentication():
    if PASSWORD is None:
        return
    refused("no password", redis.AuthenticationError, "uthenticat", connect(password=None).ping)
    refused("wrong password", redis.AuthenticationError, "invalid username-password pair", connect(password="x").ping)
    same("user and password", connect(username="default").ping(), True)


def connection(client):
    same("PING", client.ping(), True)
    same("ECHO", client.echo("hello"), b"hello")
    me = client.client_info()
    same("CLIENT INFO db", int(me["db"]), DB)
    same("CLIENT INFO lib-name", me["lib-name"].split("(")[0], "redis-py")
    same("CLIENT INFO lib-ver", me["lib-ver"], redis.__version__)
    if PROTOCOL != "default":
        same("CLIENT INFO resp", me["resp"], PROTOCOL)
    client.client_setname("basic")
    # Text or bytes, as the library's release decides.
    assert client.client_getname() in ("basic", b"basic"), f"CLIENT GETNAME: got {client.client_getname()!r}"
    assert any(one["name"] == "basic" for one in client.client_list()), "CLIENT LIST lacks this client"
    same("INFO", client.info("server")["tcp_port"], PORT)
    same("CONFIG GET", client.config_get("port"), {"port": str(PORT)})
    same("COMMAND", client.command()["get"]["first_key_pos"], 1)
    same("TIME", len(client.time()), 2)
    with connect(db=DB + 1) as other, connect(single_connection_client=True) as mover:
        other.set("db", "other")
        same("another database", client.get("db"), None)
        mover.select(DB + 1)
        same("SELECT", mover.get("db"), b"other")


def values(client):
    client.flushdb()
    same("SET", client.set("text", "value"), True)
    same("GET", client.get("text"), b"value")
    same("GET of nothing", client.get("nothing"), None)
    same("SET binary", client.set(BINARY, BINARY), True)
    same("GET binary", client.get(BINARY), BINARY)
    same("SET unicode", client.set(UNICODE, UNICODE), True)
    with connect(decode_responses=True) as decoding:
        same("GET unicode", decoding.get(UNICODE), UNICODE)
    same("SET empty", client.set("empty", ""), True)
    same("GET empty", client.get("empty"), b"")
    large = b"x" * (1 << 20)
    client.set("large", large)
    assert client.get("large") == large, "GET large: another value"
    same("SET NX", client.set("text", "new", nx=True), None)
    same("SET XX GET", client.set("text", "new", xx=True, get=True), b"value")
    same("INCRBY", client.incr("count", 41), 41)
    same("INCR", client.incr("count"), 42)
    same("INCRBYFLOAT", client.incrbyfloat("float", 1.5), 1.5)
    same("MSET", client.mset({"a": 1, "b": 2}), True)
    same("MGET", client.mget("a", "nothing", "b"), [b"1", None, b"2"])
    same("EXISTS", client.exists("a", "a", "nothing"), 2)
    same("TYPE", client.type("a"), b"string")
    same("GETDEL", client.getdel("a"), b"1")
    same("DEL", client.delete("b", "nothing"), 1)
    same("APPEND", client.append("text", "er"), 5)
    same("GETRANGE", client.getrange("text", 1, -2), b"ewe")


def pipelines(client):
    with client.pipeline(transaction=False) as pipeline:
        for index in range(PIPELINED):
            pipeline.set(f"pipe:{index}", index).get(f"pipe:{index}")
        got = pipeline.execute()
    expected = [one for index in range(PIPELINED) for one in (True, str(index).encode())]
    same("pipeline", got, expected)
    with client.pipeline(transaction=False) as pipeline:
        got = pipeline.set("text", "word").incr("text").get("text").execute(raise_on_error=False)
    same("an error in a pipeline", [got[0], type(got[1]).__name__, got[2]], [True, "ResponseError", b"word"])


def transactions(client):
    with client.pipeline() as transaction, connect() as other:
        client.set("balance", 10)
        transaction.watch("balance")
        balance = int(transaction.get("balance"))
        transaction.multi()
        same("EXEC", transaction.set("balance", balance - 1).incr("moves").execute(), [True, 1])
        transaction.watch("balance")
        transaction.multi()
        transaction.set("balance", 0)
        other.set("balance", 5)
        refused("EXEC after a change", redis.WatchError, "", transaction.execute)
        same("after the conflict", client.get("balance"), b"5")
        transaction.set("balance", 1).execute_command("INCR")
        refused("EXEC of a bad command", redis.ResponseError, "wrong number of arguments", transaction.execute)
        same("after the refusal", client.get("balance"), b"5")
    got = client.transaction(lambda pipe: pipe.multi() or pipe.incrby("balance", 2), "balance")
    same("transaction()", got, [7])


def expiry(client):
    same("SET PX", client.set("brief", "v", px=400), True)
    same("SET EX", client.set("long", "v", ex=100), True)
    assert 90 < client.ttl("long") <= 100, f"TTL {client.ttl('long')}"
    assert 90_000 < client.pttl("long") <= 100_000, f"PTTL {client.pttl('long')}"
    until("the key expires", lambda: client.get("brief") is None)
    same("TTL of a key gone", client.ttl("brief"), -2)
    same("EXISTS of a key gone", client.exists("brief"), 0)
    same("PERSIST", client.persist("long"), True)
    same("TTL of a lasting key", client.ttl("long"), -1)
    same("EXPIRE", client.expire("long", 100), True)
    same("EXPIRE in the past", client.pexpire("long", -1), True)
    same("after EXPIRE in the past", client.get("long"), None)


def scans(client):
    client.flushdb()
    users = [f"user:{index}".encode() for index in range(USERS)]
    others = [f"other:{index}".encode() for index in range(OTHERS)]
    with client.pipeline(transaction=False) as pipeline:
        for key in users + others:
            pipeline.set(key, "v")
        pipeline.execute()
    same("DBSIZE", client.dbsize(), USERS + OTHERS)
    same("SCAN MATCH", sorted(client.scan_iter(match="user:*", count=100)), sorted(users))
    same("SCAN", sorted(client.scan_iter()), sorted(users + others))
    same("SCAN of nothing", list(client.scan_iter(match="none:*")), [])


def errors(client):
    refused("arity", redis.ResponseError, "wrong number of arguments for 'get'", lambda: client.execute_command("GET"))
    refused("unknown command", redis.ResponseError, "unknown command 'NOSUCH'", lambda: client.execute_command("NOSUCH"))
    client.set("word", "word")
    refused("INCR of a word", redis.ResponseError, "value is not an integer or out of range", lambda: client.incr("word"))
    refused("syntax", redis.ResponseError, "syntax error", lambda: client.execute_command("SET", "k", "v", "WHAT"))
    refused("database", redis.ResponseError, "DB index is out of range", connect(db=16).ping)
    same("the connection after errors", client.get("word"), b"word")


def restart(client, how):
    """Writes on while the test restarts the server: what was acknowledged is there afterwards."""
    before = client.info("server")["process_id"]
    acknowledged = []

    def write():
        number = len(acknowledged)
        try:
            client.set(f"{how}:{number}", f"{how} {number}")
            acknowledged.append(number)
            if len(acknowledged) == BEFORE_RESTART:
                print(f"restart {how}", flush=True)
            return client.info("server")["process_id"] != before
        except redis.ConnectionError:
            return False

    until(f"a new process after {how}", write)
    same(f"keys before {how}", client.get("user:0"), b"v")
    got = client.mget([f"{how}:{number}" for number in acknowledged])
    same(f"values acknowledged around {how}", got, [f"{how} {number}".encode() for number in acknowledged])
    same(f"database after {how}", int(client.client_info()["db"]), DB)


def main():
    authentication()
    with connect(retry=Retry(ConstantBackoff(0.05), 20)) as client:
        for check in (connection, values, pipelines, transactions, expiry, errors, scans):
            check(client)
        for how in ("kill", "terminate"):
            restart(client, how)
    print("held", flush=True)


main()
