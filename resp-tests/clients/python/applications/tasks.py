"""The tasks that the workers of tasks_celery.py and jobs_rq.py carry out. As a Celery application it is `-A tasks`."""

import time

from celery import Celery
from common import url

DB = 6

celery = Celery("tasks", broker=url(DB), backend=url(DB))
celery.conf.update(
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
    task_track_started=True,
    result_expires=1000,
    task_publish_retry_policy={"max_retries": 50, "interval_step": 0.1, "interval_max": 0.5},
)


def add(a, b):
    return a + b


def total(numbers):
    return sum(numbers)


def echo(value):
    return value


def fail(words):
    raise ValueError(words)


def clock():
    return time.time()


add_task = celery.task(add, name="add")
total_task = celery.task(total, name="total")
echo_task = celery.task(echo, name="echo")
fail_task = celery.task(fail, name="fail")
clock_task = celery.task(clock, name="clock")
ignored_task = celery.task(echo, name="ignored", ignore_result=True)


@celery.task(bind=True, name="stubborn", max_retries=5)
def stubborn_task(self, failures):
    """Fails some times, then tells how often it was tried again."""
    if self.request.retries < failures:
        raise self.retry(countdown=0.1, exc=ValueError("not yet"))
    return self.request.retries


@celery.task(bind=True, name="progress")
def progress_task(self, key):
    """Tells how far it is, until the key says that it was heard."""
    from common import connect

    self.update_state(state="PROGRESS", meta={"done": 50})
    with connect(DB) as client:
        while not client.exists(key):
            time.sleep(0.05)
    return "heard"
