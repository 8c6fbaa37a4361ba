"""A release's folder: its names, its versions, and how it comes to be all at once.

A release is written beside its place under a name that starts with a dot, then renamed. What a
killed run leaves behind is therefore never taken for a release.
"""

import json
import logging
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pipeline.errors import ReleaseError
from pipeline.manifest import NAME, FileEntry, digest_json, intact

logger = logging.getLogger(__name__)

CARD = "README.md"
ATTRIBUTION = "ATTRIBUTION.md"
DECISIONS = "decisions.parquet"
CHANGES = "CHANGES.md"
CROISSANT = "croissant.json"
JSONL = "jsonl/train.jsonl"
REPORT = ".report.html"  # after the name of a folder that is not among the releases
EDITS = "edits.jsonl"  # only where reviewers edited rows
FORMAT = 1

_OLD = ".replaced"
_SEMANTIC = re.compile(r"\d+\.\d+\.\d+")
_STALE_SECONDS = 24 * 3600.0


def today() -> date:
    """Return the day that names a version, in UTC."""
    return datetime.now(UTC).date()


def data_file(split: str) -> str:
    """Return the path of a split's table inside a release."""
    return f"data/{split}.parquet"


def report_file(release: Path) -> Path:
    """Return where the report of a release stands: not in it, since it holds times.

    In a workspace that is `reports/<name>/<version>.html`; elsewhere it is beside the folder.
    """
    folder = release.resolve()
    name, home = folder.parent.name, folder.parent.parent
    if home.name == "releases":
        return home.with_name("reports") / name / f"{folder.name}.html"
    return folder.with_name(f"{folder.name}{REPORT}")


def seal(manifest: Mapping[str, Any]) -> str:
    """Digest a manifest without its seal, so that a slip of the hand in it is found."""
    return digest_json({name: value for name, value in manifest.items() if name != "seal"})


def read(release: Path) -> dict[str, Any]:
    """Read a release's manifest; raises ReleaseError if it is none."""
    path = release / NAME
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["format"] != FORMAT:
            raise ReleaseError(f"{path} has format {value['format']}; this version reads {FORMAT}.")
        value["files"] = [FileEntry(**entry) for entry in value["files"]]
    except FileNotFoundError as error:
        raise ReleaseError(f"{release} is no release: it has no {NAME}.") from error
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise ReleaseError(f"{path} is not a release's manifest: {why_not(error)}.") from error
    return dict(value)


def why_not(error: Exception) -> str:
    """Say in words why something cannot be read."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON (line {error.lineno}, column {error.colno}: {error.msg})"
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]!r}"
    if isinstance(error, (TypeError, AttributeError, IndexError)):
        return "something in it has another form than it should have"
    return (error.strerror or "") if isinstance(error, OSError) and error.strerror else str(error)


def versions(home: Path) -> list[tuple[str, dict[str, Any]]]:
    """List the readable releases below `home` with their manifests, the newest last."""
    found = []
    for path in sorted(home.iterdir()) if home.is_dir() else []:
        if path.name.startswith(".") or not (path / NAME).is_file():
            continue
        try:
            found.append((path.name, read(path)))
        except ReleaseError as error:
            logger.warning("skipped release=%s error=%s", path, error)
    return sorted(found, key=lambda item: (str(item[1].get("created_at")), _natural(item[0])))


def whole(release: Path, manifest: Mapping[str, Any]) -> bool:
    """Tell whether each file is there with its size."""
    return intact(release, manifest["files"])


def next_version(home: Path, numbering: str = "date") -> str:
    """Return today's date, with .2, .3, ... if it is taken; or the next minor number."""
    if numbering == "semantic":
        names = [path.name for path in home.iterdir()] if home.is_dir() else []
        numbers = [tuple(map(int, name.split("."))) for name in names if _SEMANTIC.fullmatch(name)]
        major, minor, _ = max(numbers, default=(1, -1, 0))
        return f"{major}.{minor + 1}.0"
    day = f"{today():%Y.%m.%d}"
    version, number = day, 1
    while (home / version).exists():
        number += 1
        version = f"{day}.{number}"
    return version


def _natural(version: str) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.+-]", version)
    ]


@contextmanager
def building(home: Path, version: str, *, replace: bool) -> Iterator[Path]:
    """Give an empty folder that becomes `home/version` if the body ends well.

    An existing version stays whole until the new one is: it is renamed away, the new one is renamed
    in, and only then is the old one deleted. `recover` undoes a kill between the two.
    """
    home.mkdir(parents=True, exist_ok=True)
    target = home / version
    scratch = Path(tempfile.mkdtemp(prefix=f".{version}.building-", dir=home))
    scratch.chmod(0o755)  # mkdtemp makes folders that only their owner may read
    try:
        yield scratch
        if replace and target.exists():
            _swap(scratch, target)
        else:
            scratch.rename(target)
    except OSError as error:
        raise ReleaseError(
            f"{target} cannot be written ({error}); if it appeared while this release was built, "
            f"run again."
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def put_aside(scratch: Path, target: Path) -> Path:
    """Move what must not be released to `target`, in place of what lay there; returns it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        _swap(scratch, target)
    else:
        scratch.rename(target)
    return target


def _swap(new: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}{_OLD}")
    shutil.rmtree(old, ignore_errors=True)
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)


def recover(home: Path) -> None:
    """Put right what a killed build left: bring a replaced version back, sweep old scraps."""
    for path in sorted(home.glob(".*")) if home.is_dir() else []:
        if path.name.endswith(_OLD):
            target = path.with_name(path.name[1 : -len(_OLD)])
            if target.exists():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.rename(target)
        elif ".building-" in path.name and time.time() - path.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
