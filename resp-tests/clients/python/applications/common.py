"""What the programs of this directory share. Each runs as `PROGRAM PORT [PASSWORD]` and exits with 0 only if all held.

The conversation with the test that runs them is described in resp-tests/tests/clients/main.rs. Flows that need scripts
run as soon as the server has EVALSHA; what the others do without it stands where they do it.
"""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

WAIT_SECONDS = 60
# A worker process gets them from the program that starts it.
PORT = int(os.environ.get("APPLICATION_PORT") or sys.argv[1])
PASSWORD = os.environ.get("APPLICATION_PASSWORD", sys.argv[2] if len(sys.argv) > 2 else "")
DIRECTORY = os.path.dirname(os.path.abspath(__file__))
PR_SET_PDEATHSIG = 1


def url(db):
    word = f":{PASSWORD.replace(' ', '%20')}@" if PASSWORD else ""
    return f"redis://{word}127.0.0.1:{PORT}/{db}"


def connect(db, **changes):
    """A client that outlives a restart of the server."""
    return redis.Redis.from_url(url(db), retry=Retry(ConstantBackoff(0.1), 200), **changes)


def same(what, got, expected):
    assert got == expected, f"{what}: got {got!r}, expected {expected!r}"


def until(what, holds, transient=()):
    """Waits for a condition, not for a time. Errors of the kinds named count as not yet."""
    deadline, last = time.monotonic() + WAIT_SECONDS, None
    while True:
        try:
            last = holds()
            if last:
                return last
        except transient as error:
            last = error
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_SECONDS} s, last {last!r}"
        time.sleep(0.05)


def refused(what, kind, words, call):
    try:
        got = call()
    except kind as error:
        assert words in str(error), f"{what}: {str(error)!r} does not say {words!r}"
        return
    raise AssertionError(f"{what}: got {got!r}, expected {kind} with {words!r}")


def has_scripts():
    with connect(0) as client:
        return bool(client.execute_command("COMMAND INFO", "EVALSHA")) and scripts_run(client)


def scripts_run(client):
    try:
        return client.eval("return 1", 0) == 1
    except redis.ResponseError:
        return False


def restart(how):
    """Has the test end the server and start it again with the same data. `how`: kill or terminate."""
    with connect(0) as client:
        before = client.info("server")["process_id"]
        print(f"restart {how}", flush=True)
        until(f"a new process after {how}", lambda: client.info("server")["process_id"] != before, redis.RedisError)


class Worker:
    """A worker process of a library. It ends with this program, however this ends."""

    def __init__(self, *command):
        self.command = [sys.executable, "-m", *command]
        self.log = tempfile.TemporaryFile()
        self.process = self.start()

    def start(self):
        libc = ctypes.CDLL(None)
        return subprocess.Popen(
            self.command,
            cwd=DIRECTORY,
            env={**os.environ, "APPLICATION_PORT": str(PORT), "APPLICATION_PASSWORD": PASSWORD},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        )

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.terminate()
        try:
            self.process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if kind is not None:
            print(f"worker ended with {self.process.returncode}:\n{self.said()}", flush=True)

    def runs(self):
        code = self.process.poll()
        assert code is None, f"the worker ended with {code}:\n{self.said()}"
        return True

    def runs_again(self):
        """As what supervises workers does: one that ended is started again."""
        if self.process.poll() is not None:
            self.process = self.start()
        return True

    def said(self):
        self.log.seek(0)
        return self.log.read()[-20_000:].decode(errors="replace")
