"""rq: jobs, results, failures, workers in this process and in others, schedules."""

import datetime
import time

import tasks
from common import Worker as Process, connect, has_scripts, restart, same, until, url
from rq import Queue, Retry, SimpleWorker, Worker
from rq.command import send_shutdown_command
from rq.exceptions import NoSuchJobError
from rq.job import Dependency, Job, JobStatus
from rq.registry import DeferredJobRegistry, FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry
from rq.results import Result
from rq.scheduler import RQScheduler

DB = 7
SCRIPTS = has_scripts()
MANY = 40


def work(client, *queues, kind=SimpleWorker, **options):
    kind([Queue(name, connection=client) for name in queues], connection=client).work(
        burst=True, logging_level="ERROR", **options)


def finished(job):
    return job.get_status() == JobStatus.FINISHED


def results(client):
    queue = Queue("default", connection=client)
    job = queue.enqueue(tasks.add, 2, 3, result_ttl=500, meta={"who": "Zoë"}, description="sum")
    same("queued", (job.get_status(), queue.count, queue.job_ids), (JobStatus.QUEUED, 1, [job.id]))
    text = queue.enqueue(tasks.echo, {"text": "Grüße 🚢", "bytes": b"\x00\xff"})
    large = queue.enqueue(tasks.echo, "x" * 300_000)
    work(client, "default")
    same("a result", (job.return_value(), finished(job)), (5, True))
    same("another", text.return_value(), {"text": "Grüße 🚢", "bytes": b"\x00\xff"})
    assert large.return_value() == "x" * 300_000, "a large result: another value"
    same("a fetched job", Job.fetch(job.id, connection=client).meta, {"who": "Zoë"})
    same("its latest result", job.latest_result().type, Result.Type.SUCCESSFUL)
    assert 0 < client.ttl(job.key) <= 500, f"a job expires: {client.ttl(job.key)}"
    same("registry", set(FinishedJobRegistry(queue=queue).get_job_ids()), {job.id, text.id, large.id})
    job.meta["more"] = 1
    job.save_meta()
    job.refresh()
    same("meta", job.get_meta(), {"who": "Zoë", "more": 1})
    gone = queue.enqueue(tasks.add, 1, 1, result_ttl=0)
    work(client, "default")
    same("no result kept", Job.exists(gone.id, connection=client), False)
    job.delete()
    same("deleted", Job.exists(job.id, connection=client), False)
    many = queue.enqueue_many([Queue.prepare_data(tasks.add, (number, 1)) for number in range(MANY)])
    same("many", queue.count, MANY)
    work(client, "default")
    same("their results", [one.return_value() for one in many], [number + 1 for number in range(MANY)])
    try:
        Job.fetch("nobody", connection=client)
        raise AssertionError("a job that is not there is found")
    except NoSuchJobError:
        pass


def failures(client):
    queue = Queue("failing", connection=client)
    job = queue.enqueue(tasks.fail, "broken words")
    work(client, "failing")
    same("failed", job.get_status(), JobStatus.FAILED)
    assert "broken words" in job.latest_result().exc_string, "no traceback"
    registry = FailedJobRegistry(queue=queue)
    same("registry", (registry.count, registry.get_job_ids()), (1, [job.id]))
    registry.requeue(job)
    same("requeued", (job.get_status(refresh=True), registry.count), (JobStatus.QUEUED, 0))
    work(client, "failing")
    same("failed again", (registry.count, len(job.results())), (1, 2))
    retried = queue.enqueue(tasks.fail, "again", retry=Retry(max=2))
    work(client, "failing")
    retried.refresh()
    same("retries", (retried.get_status(), retried.retries_left, registry.count), (JobStatus.FAILED, 0, 2))


def orders(client):
    low, high = Queue("low", connection=client), Queue("high", connection=client)
    jobs = [low.enqueue(tasks.clock), high.enqueue(tasks.clock), low.enqueue(tasks.clock, at_front=True)]
    work(client, "high", "low")
    times = [job.return_value() for job in jobs]
    assert times[1] < times[2] < times[0], f"order of queues and at_front: {times}"
    first = low.enqueue(tasks.add, 1, 1)
    after = low.enqueue(tasks.add, 2, 2, depends_on=first)
    broken = low.enqueue(tasks.fail, "words")
    anyway = low.enqueue(tasks.add, 3, 3, depends_on=Dependency([broken], allow_failure=True))
    same("deferred", after.get_status(), JobStatus.DEFERRED)
    same("registry", set(DeferredJobRegistry(queue=low).get_job_ids()), {after.id, anyway.id})
    work(client, "low")
    same("after another", (after.return_value(), anyway.return_value()), (4, 6))
    cancelled = low.enqueue(tasks.add, 1, 1)
    cancelled.cancel()
    same("cancelled", (cancelled.get_status(), low.count), (JobStatus.CANCELED, 0))
    same("all queues", {queue.name for queue in Queue.all(connection=client)}, {"default", "failing", "low", "high"})


def schedules(client):
    queue = Queue("timed", connection=client)
    registry = ScheduledJobRegistry(queue=queue)
    soon = queue.enqueue_in(datetime.timedelta(seconds=0.1), tasks.add, 4, 5)
    never = queue.enqueue_at(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1), tasks.add, 1, 1)
    same("scheduled", (soon.get_status(), set(registry.get_job_ids())), (JobStatus.SCHEDULED, {soon.id, never.id}))
    until("it is due", lambda: registry.get_jobs_to_schedule(int(time.time())) == [soon.id])
    if SCRIPTS:
        with Process("rq.cli", "worker", "--url", url(DB), "--with-scheduler", "timed") as worker:
            until("the scheduler", lambda: worker.runs() and finished(soon))
    else:
        # The scheduler of a worker takes its lock by a script; this is what it does when it has it.
        scheduler = RQScheduler(["timed"], connection=client, logging_level="ERROR")
        scheduler.prepare_registries(["timed"])
        scheduler.enqueue_scheduled_jobs()
        work(client, "timed")
    same("on time", (soon.return_value(), registry.get_job_ids()), (9, [never.id]))


def scripted(client):
    """What takes scripts whatever one does."""
    from rq.exceptions import DuplicateJobError

    queue = Queue("scripted", connection=client)
    queue.enqueue(tasks.add, 1, 1, job_id="only", unique=True)
    try:
        queue.enqueue(tasks.add, 1, 1, job_id="only", unique=True)
        raise AssertionError("a second job of one name is taken")
    except DuplicateJobError:
        pass
    queue.empty()
    same("emptied", queue.count, 0)


def processes(client):
    """A worker that waits for jobs and forks for each."""
    queue = Queue("forked", connection=client)
    burst = queue.enqueue(tasks.add, 1, 2)
    work(client, "forked", kind=Worker)
    same("a worker that forks", burst.return_value(), 3)
    with Process("rq.cli", "worker", "--url", url(DB), "--name", "waiting", "forked") as worker:
        until("it waits", lambda: worker.runs() and Worker.count(connection=client) == 1)
        jobs = [queue.enqueue(tasks.add, number, 1) for number in range(5)]
        until("it does the jobs", lambda: worker.runs() and all(finished(job) for job in jobs))
        same("their results", [job.return_value() for job in jobs], [1, 2, 3, 4, 5])
        stats = Worker.find_by_key("rq:worker:waiting", connection=client)
        same("it is known", (stats.queue_names(), stats.successful_job_count), (["forked"], 5))
        send_shutdown_command(client, "waiting")
        until("it went as told", lambda: worker.process.poll() is not None)
        same("its exit code", worker.process.returncode, 0)
    same("no worker is left", Worker.count(connection=client), 0)


def restarted(client, how):
    queue = Queue("lasting", connection=client)
    with Process("rq.cli", "worker", "--url", url(DB), "--name", f"over-{how}", "other") as worker:
        until("it waits", lambda: worker.runs() and Worker.count(connection=client) == 1)
        jobs = [queue.enqueue(tasks.add, number, 1) for number in range(10)]
        restart(how)
        work(client, "lasting")
        same(f"jobs over {how}", [job.return_value() for job in jobs], [number + 1 for number in range(10)])
        job = Queue("other", connection=client).enqueue(tasks.add, 5, 5)
        until(f"the worker after {how}", lambda: worker.runs() and finished(job))


def main():
    with connect(DB) as client:
        client.flushdb()
        for check in (results, failures, orders, schedules, processes):
            check(client)
        if SCRIPTS:
            scripted(client)
        for how in ("kill", "terminate"):
            restarted(client, how)
    print("held", flush=True)


main()
