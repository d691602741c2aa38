"""Celery with this server as broker and result backend and many tasks: groups, chords, revokes. Exits with 0 only if all held.

usage: many_celery.py PORT TASKS      LEADER_CHANGE=yes: says `transfer` while tasks are done

resp-tests/tests/clients/scripts.rs runs it. Celery 5.7 counts chords, and releases its locks, by scripts.
"""

import os
import sys
import time

TASKS = int(sys.argv.pop(2))

import celery as library  # noqa: E402
from celery import chord, group  # noqa: E402
from celery.exceptions import TaskRevokedError  # noqa: E402
from common import Worker, connect, refused, same, until  # noqa: E402
from tasks import DB, add_task, celery, echo_task, total_task  # noqa: E402

WAIT_SECONDS = 120 + TASKS // 20
GET = {"timeout": WAIT_SECONDS, "interval": 0.05}
CHORDS = max(3, TASKS // 100)
PARTS = 5


def many():
    began = time.monotonic()
    tasks = group(add_task.s(number, 1) for number in range(TASKS)).apply_async()
    if os.environ.get("LEADER_CHANGE") == "yes":
        until("some are done", lambda: tasks.completed_count() >= TASKS // 10)
        print("transfer", flush=True)
    same("results", tasks.get(**GET), [number + 1 for number in range(TASKS)])
    took = round((time.monotonic() - began) * 1000)
    print(f"{TASKS} tasks of Celery {library.__version__} took {took} ms", flush=True)


def chords():
    all_chords = [
        chord((add_task.s(number, part) for part in range(PARTS)), total_task.s())() for number in range(CHORDS)
    ]
    expected = [sum(number + part for part in range(PARTS)) for number in range(CHORDS)]
    same("chords", [one.get(**GET) for one in all_chords], expected)


def revoked():
    """Revoked before a worker takes them, they are refused when it does."""
    tasks = [add_task.apply_async((number, 1), queue="apart") for number in range(20)]
    celery.control.revoke([task.id for task in tasks[::2]], reply=True, timeout=10, limit=1)
    celery.control.add_consumer("apart", reply=True, timeout=10, limit=1)
    same("the others", [task.get(**GET) for task in tasks[1::2]], list(range(2, 21, 2)))
    for task in tasks[::2]:
        refused("a revoked one", TaskRevokedError, "revoked", lambda one=task: one.get(**GET))


def main():
    with connect(DB) as client:
        client.flushdb()
    options = ["--pool", "threads", "--concurrency", "8", "--loglevel", "WARNING", "--prefetch-multiplier", "16"]
    with Worker("celery", "-A", "tasks", "worker", *options, "--hostname", f"many-{os.getpid()}@here") as worker:
        until("the worker", lambda: worker.runs() and celery.control.ping(timeout=5, limit=1))
        for check in (many, chords, revoked):
            check()
        same("echo", echo_task.delay("Grüße 🚢").get(**GET), "Grüße 🚢")
    print("held", flush=True)


main()
