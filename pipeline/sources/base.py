"""What every source offers, and the books that it keeps while it reads.

A source is a module with two functions:

    find(dumps, settings) -> list[Found]              what there is to read, a Found a shard
    read(found, settings, tally, scratch) -> frames   RAW frames (record.RAW), in bounded memory

`find` looks at names only and opens nothing. `read` never stops at a bad record: it tells the
tally. What does not fit in memory may wait in the folder `scratch`, which is removed afterwards.
It raises SourceError when a file as a whole is not what its name says; a source of many files
reads each in `forgiving`, so that a recipe can skip the file instead of the source.
"""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import polars as pl

from pipeline.errors import SourceError
from pipeline.recipe import Ingest
from pipeline.record import DROPPED

logger = logging.getLogger(__name__)

# Fewer rows than this cannot tell a broken file from a single broken row.
_MIN_ROWS_FOR_SHARE = 100
_MAX_WAITING = 20_000  # malformed rows in memory


@dataclass(frozen=True)
class Found:
    """Files that must be read together; `name` is safe as a file name and unique in a run.

    `labels` are the files' names in the books: relative to the dumps folder, printable.
    """

    source: str
    name: str
    files: tuple[Path, ...]
    labels: tuple[str, ...]

    def label(self, path: Path) -> str:
        """Return the name of `path` in the books."""
        return self.labels[self.files.index(path)]


@dataclass
class Tally:
    """The books of one shard: what was read, what was left out and why.

    Malformed rows wait in memory until there are many; then they go to Parquet files in `folder`
    (record.DROPPED), if there is one. `flush` writes the last of them.
    """

    max_malformed: float
    folder: Path | None = None
    name: str = "malformed"  # files in `folder` start with it
    rows: Counter[str] = field(default_factory=Counter)  # records read, by file
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)  # (file, reason)
    malformed: list[tuple[str, int, str]] = field(default_factory=list)  # (file, line, why)
    malformed_rows: Counter[str] = field(default_factory=Counter)  # by file
    _first: dict[str, tuple[int, str]] = field(default_factory=dict)  # malformed row of a file
    _written: int = 0  # files

    def read(self, label: str, count: int = 1) -> None:
        """Count records that were seen in a file, whatever becomes of them."""
        self.rows[label] += count

    def leave_out(self, label: str, reason: str, count: int = 1) -> None:
        """Count records that do not become candidates; `reason` is one of record.REASONS."""
        if count:
            self.left_out[label, reason] += count

    def bad(self, label: str, line: int, why: str) -> None:
        """Note one record that cannot be read; lines count from 1."""
        self.malformed.append((label, line, why[:300]))
        self.malformed_rows[label] += 1
        self._first.setdefault(label, (line, why[:300]))
        if self.folder and len(self.malformed) >= _MAX_WAITING:
            self.flush()

    def add(self, other: "Tally") -> None:
        """Add the books of a part, as if the part had been read here."""
        self.rows.update(other.rows)
        self.left_out.update(other.left_out)
        for label, line, why in other.malformed:
            self.bad(label, line, why)

    def flush(self) -> None:
        """Write the malformed rows that wait, as lines of the books."""
        if not self.folder or not self.malformed:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = [
            (f"malformed:{label}:{line}", "ingest", "malformed", f"{label}, line {line}: {why}")
            for label, line, why in self.malformed
        ]
        path = self.folder / f"{self.name}-{self._written:05d}.parquet"
        pl.DataFrame(rows, schema=DROPPED, orient="row").write_parquet(path)
        self._written += 1
        self.malformed.clear()

    def check(self, label: str) -> None:
        """Raise SourceError if too large a share of the file's records is malformed."""
        count = self.malformed_rows[label]
        if not count:
            return
        line, why = self._first[label]
        total = max(self.rows[label], count)
        if count == total:
            raise SourceError(
                f"{label}: none of its {total} rows can be read (first: line {line}, {why}). It is "
                "damaged, not what its name says, or laid out in another way than published dumps."
            )
        if total >= _MIN_ROWS_FOR_SHARE and count > self.max_malformed * total:
            raise SourceError(
                f"{label}: {count} of {total} rows are malformed, more than the "
                f"{self.max_malformed:.2%} that the recipe allows (first: line {line}, "
                f"{why}). Repair the file, or raise ingest.limits.max_malformed."
            )


class Source(Protocol):
    """A module that reads one kind of dump."""

    def find(self, dumps: Path, settings: Ingest) -> list[Found]: ...

    def read(
        self, found: Found, settings: Ingest, tally: Tally, scratch: Path
    ) -> Iterator[pl.DataFrame]: ...


def found(source: str, name: str, files: list[Path], dumps: Path) -> Found:
    """Make a Found; control characters in file names are shown escaped."""
    labels = tuple(printable(path.relative_to(dumps).as_posix()) for path in files)
    return Found(source, safe_name(f"{source}-{name}"), tuple(files), labels)


@contextmanager
def forgiving(settings: Ingest) -> Iterator[None]:
    """Log and skip a file that cannot be read, where the recipe says so."""
    try:
        yield
    except SourceError as error:
        if settings.on_bad_file == "fail":
            raise
        logger.warning("skipped: %s", error)


def parse_json(data: bytes | str) -> object:
    """Parse JSON from anybody; invalid UTF-8 becomes U+FFFD.

    Raises ValueError for what is no JSON, is nested too deep, or holds half characters, which no
    file of ours can store.
    """
    text = data.decode("utf-8-sig", "replace") if isinstance(data, bytes) else data
    try:
        value: object = json.loads(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("JSON that is nested too deep") from error
    except UnicodeEncodeError as error:
        raise ValueError("a text with half a character (a lone surrogate)") from error
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from error
    return value


def printable(text: str) -> str:
    """Show control characters, line ends and lone surrogates as escapes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "replace").decode("ascii")
        for char in text.encode("utf-8", "backslashreplace").decode("utf-8")
    )


def safe_name(text: str) -> str:
    """Turn a name into one that is safe as a file name on every system; other names stay other."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in text)
    kept = kept.strip(".")[:150]
    if kept == text:
        return text
    return f"{kept}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
