"""Run the flow from a terminal: with the configured server, else with one that lives as long."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.run import Progress

# Nothing leaves the machine: set before Prefect reads its settings.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")


def run_flow(words: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Run `curate` with the parameters `words`; returns its answer."""
    # The terminal has its own lines; Prefect's would say everything a second time.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    from flows.curate import curate
    from flows.watching import watched_by

    with _server(), watched_by(progress):
        answer: dict[str, Any] = curate(**words)
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
