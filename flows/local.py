"""Run the flow from a terminal: with the configured server, else with one that lives as long."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.recipe import Recipe
from pipeline.run import Progress

# Nothing leaves the machine: set before Prefect reads its settings.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")


def run_flow(
    recipe: Recipe,
    words: dict[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """Run `curate` with the parameters `words`, on the runner of `recipe`; returns its answer."""
    from flows.curate import curate
    from flows.runner import task_runner
    from flows.watching import watched_by

    flow = curate.with_options(task_runner=task_runner(recipe.runner))
    with _server(), watched_by(progress):
        answer: dict[str, Any] = flow(**words)
    return answer


@contextmanager
def _server() -> Iterator[None]:
    """Start a server unless one is configured; worker processes find it by its address."""
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if PREFECT_API_URL.value():
        yield
        return
    server = SubprocessASGIServer()
    server.start()
    try:
        with temporary_settings({PREFECT_API_URL: server.api_url}):
            yield
    finally:
        server.stop()
