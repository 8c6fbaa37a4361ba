"""The ledger of reviewers' decisions: one JSON object a line, appended and never changed.

It stands beside the workspace (`data/workspace.reviews.jsonl`), since runs can be made again and
what people decided cannot. A line counts once it is on the disk with its end: what a kill or a full
disk leaves of a line was never confirmed to anybody, and the next writer takes it away.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import StageError

Verdict = Literal["accept", "reject", "edit", "clear", "flag", "unflag"]

SUFFIX = ".reviews.jsonl"
_CONTENT = ("system", "history", "prompt", "response")


class Entry(BaseModel):
    """One decision of one reviewer on one text. `clear` takes the own verdict back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    reviewer: str = Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")
    id: str = Field(min_length=1, max_length=1000)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    verdict: Verdict
    reason: str = Field(default="", max_length=2000)
    prompt: str | None = Field(default=None, max_length=1_000_000)
    response: str | None = Field(default=None, max_length=1_000_000)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.verdict == "edit" and self.prompt is None and self.response is None:
            raise ValueError("an edit needs a prompt or a response")
        if self.verdict != "edit" and (self.prompt is not None or self.response is not None):
            raise ValueError("only an edit has a prompt or a response")
        for text in (self.prompt, self.response):
            if text is not None and not text.strip():
                raise ValueError("an edited text must not be empty")
        if self.verdict == "reject" and not self.reason.strip():
            raise ValueError("a rejection needs a reason")
        return self

    def line(self) -> bytes:
        """Write the entry as its line of the ledger."""
        value = self.model_dump(mode="json", exclude_defaults=True)
        return (json.dumps(value, ensure_ascii=False) + "\n").encode()


def now() -> datetime:
    """Return the time of an entry."""
    return datetime.now(UTC)


def content_digest(row: Mapping[str, Any]) -> str:
    """Digest the text of a candidate: what a reviewer decides about.

    Votes and scores may change without a new decision; another word asks again.
    """
    value: dict[str, Any] = {name: row.get(name) for name in _CONTENT}
    value["history"] = [[turn["role"], turn["content"]] for turn in value["history"] or []]
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def ledger_of(workspace: Path) -> Path:
    """Return where the decisions on a workspace's rows stand."""
    root = workspace.resolve()
    return root.with_name(root.name + SUFFIX)


class Ledger:
    """A ledger that several processes may write at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[tuple[int, int], list[Entry]] = ((-1, -1), [])

    def append(self, entries: Iterable[Entry]) -> None:
        """Write entries; they are on the disk when this returns, all or none of them."""
        block = b"".join(entry.line() for entry in entries)
        if not block:
            return
        with self._writing() as handle:
            os.ftruncate(handle, _whole_size(handle))
            written = 0
            while written < len(block):
                written += os.write(handle, block[written:])
            os.fsync(handle)

    @contextmanager
    def _writing(self) -> Iterator[int]:
        new = not self.path.exists()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if new:
                _sync_folder(self.path.parent)
            yield handle
        finally:
            os.close(handle)

    def entries(self) -> list[Entry]:
        """Read all decisions, the earliest first; none if there is no ledger yet.

        Raises StageError where a line in the middle is no entry.
        """
        try:
            with self.path.open("rb") as handle:
                stat = os.fstat(handle.fileno())
                version = (stat.st_size, stat.st_mtime_ns)
                if version != self._read[0]:
                    self._read = (version, list(_parse(handle.read(), self.path)))
        except FileNotFoundError:
            return []
        return self._read[1]


def _whole_size(handle: int) -> int:
    """Return where the last whole line ends."""
    size = os.fstat(handle).st_size
    end = size
    while end > 0:
        start = max(0, end - (1 << 16))
        found = os.pread(handle, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _parse(data: bytes, path: Path) -> Iterator[Entry]:
    whole = data[: data.rfind(b"\n") + 1]
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            yield Entry.model_validate_json(line)
        except ValidationError as error:
            said = error.errors()[0]["msg"]
            raise StageError(
                f"{path}, line {number} is no decision ({said}); put the line right or take it "
                "out, the others are untouched."
            ) from error
