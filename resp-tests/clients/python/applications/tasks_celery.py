"""Celery with this server as broker and as result backend, and one worker process. usage: tasks_celery.py PORT POOL [PASSWORD]

Without scripts in the server one thing of the library cannot go: a worker takes a lock as it starts and now and then
(to look for messages that others left unacknowledged too long) and gives it back by a script. Then somebody else has it.
"""

import os
import sys
import time

POOL = sys.argv.pop(2)

from celery import chain, chord, group  # noqa: E402
from celery.exceptions import ChordError, TaskRevokedError  # noqa: E402
from common import Worker, connect, has_scripts, refused, restart, same, until  # noqa: E402
from tasks import (  # noqa: E402
    DB, add_task, celery, clock_task, echo_task, fail_task, ignored_task, progress_task, stubborn_task, total_task,
)

GET = {"timeout": 60, "interval": 0.05}
MANY = 60
TRANSIENT = (OSError, *celery.connection().recoverable_connection_errors)


def results():
    result = add_task.delay(2, 3)
    same("delay", result.get(**GET), 5)
    same("its state", (result.state, result.successful()), ("SUCCESS", True))
    for value in ("Grüße 🚢", {"k": [1, None, 2.5]}, "x" * 300_000):
        assert echo_task.apply_async((value,)).get(**GET) == value, "echo: another value"
    with connect(DB) as client:
        left = client.ttl(f"celery-task-meta-{result.id}")
        assert 900 < left <= 1000, f"a result expires: {left}"
    same("again from the backend", celery.AsyncResult(result.id).get(**GET), 5)
    result.forget()
    same("forgotten", celery.AsyncResult(result.id).state, "PENDING")
    failed = fail_task.delay("broken words")
    refused("an exception", ValueError, "broken words", lambda: failed.get(**GET))
    same("its state", (failed.state, "ValueError" in failed.traceback), ("FAILURE", True))
    same("no result is kept", (ignored_task.delay(1).get(**GET), add_task.delay(1, 1).get(**GET)), (None, 2))
    progress = progress_task.delay("heard")
    until("progress", lambda: progress.state == "PROGRESS" and progress.info == {"done": 50})
    with connect(DB) as client:
        client.set("heard", 1)
    same("after progress", progress.get(**GET), "heard")


def later():
    same("retry", stubborn_task.delay(2).get(**GET), 2)
    refused("retried too often", ValueError, "not yet", lambda: stubborn_task.delay(9).get(**GET))
    before = time.time()
    then = clock_task.apply_async(countdown=1).get(**GET)
    assert then >= before + 1, f"countdown: after {then - before} s"
    expired = add_task.apply_async((1, 1), expires=-1)
    refused("expired", TaskRevokedError, "expired", lambda: expired.get(**GET))


def together():
    same("chain", chain(add_task.s(1, 2), add_task.s(10), add_task.s(100))().get(**GET), 113)
    numbers = group(add_task.s(number, number) for number in range(MANY))().get(**GET)
    same("group", numbers, [2 * number for number in range(MANY)])
    same("chord", chord((add_task.s(number, 1) for number in range(5)), total_task.s())().get(**GET), 15)
    same("a group in a chain", (group(add_task.s(1, 1), add_task.s(2, 2)) | total_task.s())().get(**GET), 6)
    broken = chord([add_task.s(1, 1), fail_task.s("in a chord")], total_task.s())()
    refused("a chord with a failure", (ValueError, ChordError), "in a chord", lambda: broken.get(**GET))
    same("map", add_task.starmap([(1, 2), (3, 4)]).delay().get(**GET), [3, 7])


def asked(command, *args, **options):
    """The worker's reply to a command of remote control."""
    replies = command(*args, timeout=10, limit=1, reply=True, **options)
    assert replies and len(replies) == 1, f"{command.__name__} {args}: {replies!r}"
    return next(iter(replies[0].values()))


def seen(what):
    """The worker's answer to a question, empty if it gave none in time."""
    return str(getattr(celery.control.inspect(timeout=10, limit=1), what)())


def controlled():
    control = celery.control
    same("ping", celery.control.ping(timeout=10, limit=1)[0].popitem()[1], {"ok": "pong"})
    assert "stubborn" in seen("registered"), "registered tasks lack one"
    revoked = add_task.apply_async((1, 1), countdown=500)
    until("it waits in the worker", lambda: revoked.id in seen("scheduled"))
    asked(control.revoke, revoked.id)
    assert revoked.id in seen("revoked"), "revoked tasks lack one"
    same("rate limit", asked(control.rate_limit, "add", "1000/s"), {"ok": "new rate limit set successfully"})
    # Revoked before a worker gets it.
    at_once = add_task.apply_async((1, 1), queue="apart")
    asked(control.revoke, at_once.id)
    asked(control.add_consumer, "apart")
    refused("get of a revoked one", TaskRevokedError, "revoked", lambda: at_once.get(**GET))
    same("purge", (add_task.apply_async((1, 1), queue="unread"), purged("unread"))[1], 1)


def purged(queue):
    with celery.connection() as connection:
        return connection.default_channel.queue_purge(queue)


def restarted(how, worker):
    """What was sent while nobody took it is done afterwards.

    The worker comes back by itself, mostly: kombu before 5.7 may stumble over the descriptor of a connection that is gone
    (its issue 2582) and end the worker, which is then started again.
    """
    queue = f"after-{how}"
    waiting = [add_task.apply_async((number, 1), queue=queue) for number in range(10)]
    before = add_task.delay(20, 1)
    same(f"a result before {how}", before.get(**GET), 21)
    restart(how)
    same(f"its result after {how}", until("a result", lambda: celery.AsyncResult(before.id).result, TRANSIENT), 21)
    until(f"the worker after {how}", lambda: worker.runs_again() and celery.control.ping(timeout=5, limit=1), TRANSIENT)
    until(
        f"the worker takes from another queue after {how}",
        lambda: worker.runs_again() and asked(celery.control.add_consumer, queue),
        TRANSIENT,
    )
    for number, result in enumerate(waiting):
        got = until(f"a task sent before {how}", lambda one=result: one.state == "SUCCESS" and one.result, TRANSIENT)
        same(f"a task sent before {how}", got, number + 1)
    same(f"a new one after {how}", until("a new one", lambda: add_task.delay(1, 2).get(**GET), TRANSIENT), 3)


def main():
    with connect(DB) as client:
        client.flushdb()
        if not has_scripts():
            client.set("unacked_mutex", "held")
    options = ["--pool", POOL, "--concurrency", "1", "--loglevel", "INFO", "--hostname", f"worker-{os.getpid()}@here"]
    with Worker("celery", "-A", "tasks", "worker", *options) as worker:
        until("the worker", lambda: worker.runs() and celery.control.ping(timeout=5, limit=1))
        for check in (results, later, together, controlled):
            check()
        for how in ("kill", "terminate"):
            restarted(how, worker)
    print("held", flush=True)


main()
