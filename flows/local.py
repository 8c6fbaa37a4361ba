"""Run the flow from a terminal: with the configured server, else with one that lives as long."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pipeline.errors import CurationError
from pipeline.run import Progress

# The first start makes a database, which takes a while on a busy machine.
_STARTUP_SECONDS = 180


def run_flow(words: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Run `curate` with the parameters `words`; returns its answer."""
    # The terminal has its own lines; Prefect's would say everything a second time. They go to the
    # server alone, from where the UI shows them.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_ours)
        handler.setLevel(logging.getLogger().level)  # the flow lets more through, for the server
    from flows.curate import curate
    from flows.watching import watched_by

    with _server(), watched_by(progress):
        answer: dict[str, Any] = curate(**words)
    return answer


_own_server = ContextVar("own_server", default=False)


def starts_its_own_server() -> bool:
    """Tell whether the flow that runs in this context has a server that ends with it."""
    return _own_server.get()


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in ("filters", "flows", "pipeline")


@contextmanager
def _server() -> Iterator[None]:
    """Start a server unless one is configured; worker processes find it by its address."""
    from prefect.logging.handlers import APILogHandler
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if PREFECT_API_URL.value():
        yield
        return
    server = SubprocessASGIServer()
    try:
        server.start(timeout=_STARTUP_SECONDS)
    except RuntimeError as error:
        raise CurationError(
            f"Prefect's temporary server did not start within {_STARTUP_SECONDS} s. Start one with "
            "`prefect server start` and set PREFECT_API_URL, or run with --plain."
        ) from error
    token = _own_server.set(True)
    try:
        with temporary_settings({PREFECT_API_URL: server.api_url}):
            yield
    finally:
        _own_server.reset(token)
        APILogHandler().flush()  # what is still to be logged finds no server later
        server.stop()
