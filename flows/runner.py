"""Which Prefect task runner does the work of a recipe: this machine's, or a cluster's.

Dask and Ray are extras; they are imported in `engine` alone, when a recipe asks for them.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from flows.local import starts_its_own_server
from pipeline.errors import ModelError
from pipeline.mappers import worker_count
from pipeline.recipe import Runner

logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 30
_FIRST_WORKER_SECONDS = 120  # a queue may be slow to start the first one


@dataclass(frozen=True)
class Engine:
    """A started task runner.

    `slots` asks it how many batches it can run at this moment. `lost` is what it raises for a batch
    whose workers died; Dask and Ray have then given it to four workers, processes to one.
    """

    runner: TaskRunner[Any]
    slots: Callable[[], int]
    lost: tuple[type[BaseException], ...] = (BrokenExecutor,)


@contextmanager
def engine(runner: Runner) -> Iterator[Engine]:
    """Start the recipe's runner, or connect to its cluster, for as long as the context.

    Raises ModelError if the package or the cluster is not there.
    """
    if runner.address and starts_its_own_server():
        logger.warning(
            "The workers at %s stay with the first Prefect server they meet, and this run has one "
            "of its own: set PREFECT_API_URL, or the UI may miss their tasks (docs/scale.md).",
            runner.address,
        )
    with ExitStack() as stack:
        if runner.kind == "dask":
            yield _dask(runner, stack)
        elif runner.kind == "ray":
            yield _ray(runner, stack)
        else:
            workers = worker_count(runner)
            kind = ProcessPoolTaskRunner if runner.kind == "processes" else ThreadPoolTaskRunner
            yield Engine(stack.enter_context(kind(max_workers=workers)), lambda: workers)


def _dask(runner: Runner, stack: ExitStack) -> Engine:
    try:
        from distributed import KilledWorker
        from prefect_dask import DaskTaskRunner
    except ImportError as error:
        raise _missing("dask") from error
    if runner.address:
        started = DaskTaskRunner(
            address=runner.address, client_kwargs={"timeout": _CONNECT_SECONDS}
        )
    else:
        started = DaskTaskRunner(
            cluster_kwargs={
                "n_workers": worker_count(runner),
                "threads_per_worker": 1,
                "dashboard_address": None,
                "memory_limit": 0,  # the recipe bounds memory; a limit would kill what one core may use
            }
        )
    stack.enter_context(started)
    try:
        client = started.client  # connects
        client.wait_for_workers(1, timeout=_FIRST_WORKER_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise _unreachable(runner, error) from error
    return Engine(started, lambda: max(1, sum(client.nthreads().values())), (KilledWorker,))


def _ray(runner: Runner, stack: ExitStack) -> Engine:
    try:
        import ray
        from prefect_ray import RayTaskRunner
    except ImportError as error:
        raise _missing("ray") from error
    # Ray would print the workers' lines to standard output, which belongs to the answer.
    words: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not runner.address:
        words |= {"num_cpus": worker_count(runner), "include_dashboard": False}
    started = RayTaskRunner(address=runner.address, init_kwargs=words)
    try:
        stack.enter_context(started)
    except (ConnectionError, TimeoutError, ValueError, RuntimeError) as error:
        raise _unreachable(runner, error) from error
    return Engine(
        started,
        lambda: max(1, int(ray.cluster_resources().get("CPU", 1))),
        (ray.exceptions.RayError,),
    )


def _missing(extra: str) -> ModelError:
    return ModelError(
        f"The runner {extra} is not installed: run "
        f"`pip install -c constraints.txt -e '.[{extra}]'`, also where its workers run."
    )


def _unreachable(runner: Runner, error: Exception) -> ModelError:
    where = f"at {runner.address}" if runner.address else "on this machine"
    said = " ".join(str(error).split())[:300]
    return ModelError(
        f"No {runner.kind.capitalize()} cluster with a worker answers {where} ({said}); start one "
        "as docs/scale.md says, or leave out --address."
    )
