"""Digests of dump files, remembered by path, size and time of change.

A dump is large and hardly ever changes; an unchanged one is not read again to know its digest.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.manifest import digest_file, write_json
from pipeline.sources.base import Found
from pipeline.stage import InputFile, Mapper, map_here


def digest_inputs(
    found: Iterable[Found], cache: Path, mapper: Mapper = map_here
) -> list[InputFile]:
    """Return all files of the Founds with their SHA-256; `cache` is a folder."""
    memory = cache / "digests.json"
    try:
        known: dict[str, str] = json.loads(memory.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        known = {}
    files = [
        (path, label) for item in found for path, label in zip(item.files, item.labels, strict=True)
    ]
    missing = [path for path, _ in files if _state(path) not in known]
    if missing:
        digests = _digest(missing, mapper)
        # A file that changed while it was read is remembered under neither of its states.
        known.update(digests)
        cache.mkdir(parents=True, exist_ok=True)
        write_json(memory, known)
    return [InputFile(path, known[_state(path)], label) for path, label in files]


def _digest(paths: Sequence[Path], mapper: Mapper) -> dict[str, str]:
    states = [_state(path) for path in paths]
    digests = mapper(digest_file, paths)
    return dict(zip(states, digests, strict=True))


def _state(path: Path) -> str:
    status = path.stat()
    return f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
