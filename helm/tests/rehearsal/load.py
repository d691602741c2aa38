"""Clients that write and read all the time and count what fails, as an application with a connection pool and retries would see it.

An operation that fails is tried again over a new connection, to whatever node the service gives. What is written can be written twice.
"""

import random
import socket
import threading
import time

TIMEOUT_SECONDS = 2.0
# An operation that has not been done by then is lost.
GIVE_UP_SECONDS = 15.0
PAUSE_SECONDS = 0.01
# As client libraries do: at once, then after a little, then a little more.
BACKOFF_SECONDS = (0.0, 0.05, 0.1, 0.2, 0.4)


class Refused(Exception):
    """An error reply."""


class Connection:
    def __init__(self, address, port, login):
        self.socket = socket.create_connection((address, port), TIMEOUT_SECONDS)
        self.socket.settimeout(TIMEOUT_SECONDS)
        self.file = self.socket.makefile("rb")
        if login:
            self.ask("AUTH", *login)

    def ask(self, *words):
        data = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in data))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Refused(rest.decode())
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def close(self):
        self.file.close()
        self.socket.close()


class Client(threading.Thread):
    """One thread of an application. `writes` or reads what was written."""

    def __init__(self, load, number, writes):
        super().__init__(daemon=True)
        self.load, self.key, self.writes = load, f"rehearsal:{number}", writes
        self.connection, self.value, self.acknowledged = None, 0, 0

    def run(self):
        while not self.load.stopped:
            self.value += 1
            began, attempts, first = time.time(), 0, None
            while True:
                try:
                    self.attempt()
                    break
                except (OSError, Refused, IndexError) as error:
                    first = first or f"{type(error).__name__}: {error}"
                    if self.connection:
                        self.connection.close()
                        self.connection = None
                    attempts += 1
                    if time.time() - began > GIVE_UP_SECONDS or self.load.stopped:
                        self.load.note(began, attempts, first, False)
                        break
                    time.sleep(BACKOFF_SECONDS[min(attempts - 1, len(BACKOFF_SECONDS) - 1)])
            if not self.load.stopped and self.connection:
                self.load.note(began, attempts, first, True)
            time.sleep(PAUSE_SECONDS)

    def attempt(self):
        if not self.connection:
            addresses = self.load.addresses()
            self.connection = Connection(random.choice(addresses), self.load.port, self.load.login)
        if self.writes:
            self.connection.ask("SET", self.key, self.value)
            self.acknowledged = self.value
        else:
            self.connection.ask("GET", self.key)


class Load:
    """`addresses()` are the nodes that the service has at the moment."""

    def __init__(self, addresses, port, login, writers, readers):
        self.addresses, self.port, self.login = addresses, port, login
        self.stopped, self.lock = False, threading.Lock()
        self.clients = [Client(self, number % max(writers, 1), number < writers) for number in range(writers + readers)]
        self.begin()
        for client in self.clients:
            client.start()

    def begin(self):
        """A new step."""
        with self.lock:
            self.count = self.failed = self.retried = self.again = 0
            self.last, self.gap, self.longest, self.why = time.time(), 0.0, 0.0, {}
            self.since = time.time()

    def note(self, began, attempts, why, done):
        with self.lock:
            now = time.time()
            self.count += 1
            self.failed += not done
            self.retried += attempts > 0
            self.again += attempts > 1
            if done:
                self.gap, self.last = max(self.gap, now - self.last), now
                self.longest = max(self.longest, now - max(began, self.since))
            if why:
                self.why[why] = self.why.get(why, 0) + 1

    def told(self):
        """What came of the step so far."""
        with self.lock:
            self.gap = max(self.gap, time.time() - self.last)
            why = ", ".join(f"{count} × {text}" for text, count in sorted(self.why.items(), key=lambda pair: -pair[1])[:4])
            return {"operations": self.count, "lost": self.failed, "retried": self.retried, "more than once": self.again,
                    "gap_ms": round(self.gap * 1000), "longest_ms": round(self.longest * 1000), "why": why}

    def stop(self):
        self.stopped = True
        for client in self.clients:
            client.join(GIVE_UP_SECONDS)
        return {client.key: client.acknowledged for client in self.clients if client.writes}
