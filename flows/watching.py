"""Who is told of a run's progress besides Prefect: a terminal, if the run was started in one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from pipeline.manifest import Manifest
from pipeline.run import Progress

_watcher: ContextVar[Progress | None] = ContextVar("watcher", default=None)


@contextmanager
def watched_by(progress: Progress) -> Iterator[None]:
    """Let `progress` hear of the flow that runs inside this context."""
    token = _watcher.set(progress)
    try:
        yield
    finally:
        _watcher.reset(token)


def watcher() -> list[Progress]:
    """Return whoever listens, if anybody does."""
    current = _watcher.get()
    return [current] if current else []


class Watchers(Progress):
    """Tells several listeners."""

    def __init__(self, listeners: Sequence[Progress]) -> None:
        self._listeners = listeners

    def started(self, stage: str, shards: int) -> None:
        for listener in self._listeners:
            listener.started(stage, shards)

    def advanced(self, stage: str) -> None:
        for listener in self._listeners:
            listener.advanced(stage)

    def finished(self, stage: str, manifest: Manifest, worked: bool) -> None:
        for listener in self._listeners:
            listener.finished(stage, manifest, worked)
