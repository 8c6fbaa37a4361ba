"""Spread the shards of a stage over threads or processes of this machine, without Prefect.

Results come in the order of the items, so nothing depends on which one ends first.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from pipeline.cores import cores
from pipeline.errors import RecipeError
from pipeline.recipe import Runner
from pipeline.stage import Mapper, map_here


def worker_count(runner: Runner) -> int:
    """Return how many shards may run at a time: the recipe's number, else the cores we may use."""
    return runner.workers or cores()


@contextmanager
def local_mapper(runner: Runner) -> Iterator[Mapper]:
    """Give a mapper over a pool of threads or processes that lives as long as the context.

    Raises RecipeError for a cluster: its work goes through Prefect, which sees lost workers.
    """
    if runner.kind in ("dask", "ray"):
        raise RecipeError(
            f"The runner {runner.kind} works through Prefect: leave out --plain, or take the "
            "runner threads or processes."
        )
    workers = worker_count(runner)
    executor: Executor
    if runner.kind == "processes":
        # Not forked: polars and torch hold threads that a fork would lose.
        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(workers, mp_context=context)
    else:
        executor = ThreadPoolExecutor(workers)

    def mapper(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        if len(items) < 2:
            return iter(map_here(function, items))
        return executor.map(function, items)

    with executor:
        try:
            yield mapper
        except BaseException:  # Ctrl-C, too: cancel what waits, hide nothing
            executor.shutdown(wait=False, cancel_futures=True)
            raise
