"""Manifests: what a folder holds, and the only sign that it is complete.

A manifest is written last. It lists each file with its digest and rows, so that a later stage, a
second run or a stranger can check what is there without trusting anybody's memory.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import StageError

NAME = "manifest.json"


@dataclass(frozen=True)
class FileEntry:
    """One file of a folder; `rows` is null for what is not a table."""

    path: str
    sha256: str
    size: int
    rows: int | None = None


@dataclass(frozen=True)
class Manifest:
    """A finished stage: its key, its files and its counts."""

    stage: str
    key: str
    files: list[FileEntry]
    rows_in: int
    rows_out: int
    dropped: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def digest(self) -> str:
        """Digest of what the stage produced; independent of when and how fast it ran."""
        return digest_json([(f.path, f.sha256) for f in self.files])


def digest_json(value: object) -> str:
    """SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def describe(path: Path, root: Path) -> FileEntry:
    """Make the entry of a file below `root`."""
    rows = None
    if path.suffix == ".parquet":
        rows = pl.scan_parquet(path).select(pl.len()).collect().item()
    name = path.relative_to(root).as_posix()
    return FileEntry(name, digest_file(path), path.stat().st_size, rows)


def write_atomic(path: Path, text: str) -> None:
    """Write a small text so that a reader sees the old one or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    with temporary.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)


def write_json(path: Path, value: object) -> None:
    """Write `value` as readable JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Declare `folder` complete."""
    write_json(folder / NAME, asdict(manifest))


def read_manifest(folder: Path) -> Manifest | None:
    """Read a stage's manifest; None if the stage is not complete.

    Raises StageError if the file is there and cannot be read.
    """
    path = folder / NAME
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        value["files"] = [FileEntry(**entry) for entry in value["files"]]
        return Manifest(**value)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise StageError(
            f"{path} is not a stage manifest ({error}); delete the folder and run again."
        ) from error


def intact(folder: Path, files: list[FileEntry]) -> bool:
    """Tell whether each file is there with its size (a quick check; `verify` reads the bytes)."""
    for entry in files:
        try:
            if (folder / entry.path).stat().st_size != entry.size:
                return False
        except FileNotFoundError:
            return False
    return True
