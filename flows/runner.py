"""Which Prefect task runner does the work of a recipe."""

from typing import Any

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from pipeline.mappers import worker_count
from pipeline.recipe import Runner


def task_runner(runner: Runner) -> TaskRunner[Any]:
    """Return the task runner for threads or processes of this machine."""
    workers = worker_count(runner)
    if runner.kind == "processes":
        return ProcessPoolTaskRunner(max_workers=workers)
    return ThreadPoolTaskRunner(max_workers=workers)
