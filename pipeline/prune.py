"""`thousand prune`: delete old runs, caches and blocked releases. Releases are never deleted.

A run is as old as the newest manifest in it; a file of a cache as old as its last change. What a
process works in is left alone. Everything that goes can be made again from the dumps.
"""

import fcntl
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import CurationError
from pipeline.release.folder import REPORT

_DAY = 86400.0


@dataclass(frozen=True)
class Pruned:
    """What went, or would go: paths with bytes and days, and what was left because it is in use."""

    dry_run: bool
    gone: list[dict[str, Any]]
    in_use: list[str]

    @property
    def freed(self) -> int:
        """Bytes."""
        return sum(item["bytes"] for item in self.gone)

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {**asdict(self), "freed": self.freed}

    def render(self) -> str:
        """Say it in lines."""
        lines = [
            f"{item['bytes']:>14,}  {item['days']:>4} days  {item['path']}" for item in self.gone
        ]
        lines += [f"in use, left alone: {path}" for path in self.in_use]
        verb = "would be " if self.dry_run else ""
        total = f"{len(self.gone)} {verb}deleted, {self.freed:,} bytes {verb}freed"
        return "\n".join([*lines, total])


def prune(
    workspace: Path, *, runs: float, caches: float, blocked: float, dry_run: bool = False
) -> Pruned:
    """Delete what is older than so many days, kind by kind."""
    if not workspace.is_dir():
        raise CurationError(f"There is no workspace {workspace}; name one with --workspace.")
    gone: list[dict[str, Any]] = []
    in_use: list[str] = []
    found = [(path, runs) for path in _folders(workspace / "runs")]
    kept = workspace / "blocked"
    found += [(path, blocked) for path in _folders(kept, depth=2)]
    found += [(path, blocked) for path in sorted(kept.glob(f"*/*{REPORT}"))]
    cache = workspace / "cache"
    files = sorted(path for path in cache.rglob("*") if path.is_file()) if cache.is_dir() else []
    found += [(path, caches) for path in files]
    for path, days in found:
        age = (time.time() - _changed(path)) / _DAY
        if age <= days:
            continue
        line = {"path": str(path), "bytes": _size(path), "days": int(age)}
        if _is_free(path) and (dry_run or _delete(path)):
            gone.append(line)
        else:
            in_use.append(str(path))
    return Pruned(dry_run, gone, in_use)


def _folders(home: Path, depth: int = 1) -> Iterator[Path]:
    """Yield folders so deep below `home`; links are not followed, since they lead elsewhere."""
    for path in sorted(home.iterdir()) if home.is_dir() and not home.is_symlink() else []:
        if path.is_dir() and not path.is_symlink():
            yield from _folders(path, depth - 1) if depth > 1 else [path]


def _changed(path: Path) -> float:
    if path.is_file():
        return path.stat().st_mtime
    manifests = [path / "manifest.json", *path.glob("*/manifest.json")]
    times = [item.stat().st_mtime for item in manifests if item.is_file()]
    return max(times, default=path.stat().st_mtime)


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]
    return sum(item.lstat().st_size for item in files)


def _is_free(path: Path) -> bool:
    """Tell whether no process holds the run's lock."""
    lock = path / ".lock"
    if not lock.is_file():
        return True
    with lock.open("r+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _delete(path: Path) -> bool:
    if path.is_file():
        path.unlink(missing_ok=True)
        return True
    # Renamed first: a run that starts now makes a new folder, and a kill leaves no half of one.
    doomed = path.with_name(f".{path.name}.pruned")
    shutil.rmtree(doomed, ignore_errors=True)
    path.rename(doomed)
    shutil.rmtree(doomed)
    return True
