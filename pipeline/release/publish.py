"""Publish a release: copy it to a folder, or push it to a dataset repository of the hub.

In: a release that `verify` finds sound. Out: the same bytes elsewhere, all at once. This is the one
place from which data leaves the machine; it is called by `thousand publish`, and by a flow that a
person approved.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from pipeline.errors import ReleaseError
from pipeline.manifest import NAME, digest_file
from pipeline.release import folder
from pipeline.release.verify import verify

HUB = "hub:"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
# Files of an earlier version that this one may not have; nothing else of a repository is deleted.
_OURS = ("data/", "jsonl/", folder.CHANGES)


@dataclass(frozen=True)
class Published:
    """What was published, or would be: `files` are path, size and SHA-256."""

    release: str
    to: str
    files: list[dict[str, Any]]
    dry_run: bool = False
    unchanged: bool = False  # it was there already

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return asdict(self)

    def render(self) -> str:
        """Say it in lines: each file, then where it went."""
        lines = [
            f"{item['size']:>12,}  {item['sha256'][:12]}  {item['path']}" for item in self.files
        ]
        done = "would go to" if self.dry_run else "is already in" if self.unchanged else "is in"
        total = sum(item["size"] for item in self.files)
        return "\n".join(
            [*lines, f"{len(self.files)} files, {total:,} bytes: {self.release} {done} {self.to}"]
        )


def publish(release: Path, to: str, *, dry_run: bool = False, private: bool = True) -> Published:
    """Copy a release to the folder `to`, or push it to `hub:OWNER/NAME`.

    Raises ReleaseError if the release is not sound, or another one of its version is there.
    """
    where = target(release, to)
    report = verify(release)
    if not report.ok:
        raise ReleaseError(
            f"{release} is not sound and is not published: {report.problems[0]} "
            f"`thousand verify {release}` says more."
        )
    files = _files(release)
    if already(release, to, dry_run=dry_run):
        return Published(str(release), where, files, dry_run, unchanged=True)
    if not dry_run and to.startswith(HUB):
        _push(release, to.removeprefix(HUB), [item["path"] for item in files], private=private)
    elif not dry_run:
        _copy(release, Path(where), [item["path"] for item in files])
    return Published(str(release), where, files, dry_run)


def target(release: Path, to: str) -> str:
    """Return where a release goes: FOLDER/NAME/VERSION, or the repository."""
    if to.startswith(HUB):
        if not _REPOSITORY.fullmatch(to.removeprefix(HUB)):
            raise ReleaseError(f"{to!r} names no repository; write hub:OWNER/NAME.")
        return to
    manifest = folder.read(release)
    return str(Path(to) / manifest["name"] / manifest["version"])


def already(release: Path, to: str, *, dry_run: bool = False) -> bool:
    """Tell whether this very release is published there; a dry run does not ask the hub."""
    if to.startswith(HUB):
        return not dry_run and _tag(release) in _tags(to.removeprefix(HUB))
    place = Path(target(release, to))
    if not place.exists():
        return False
    if (place / NAME).is_file() and digest_file(place / NAME) == digest_file(release / NAME):
        return True
    raise ReleaseError(
        f"{place} is there and is not this release; publish under another version (release.version)."
    )


def _files(release: Path) -> list[dict[str, Any]]:
    entries = folder.read(release)["files"]
    listed = [{"path": e.path, "size": e.size, "sha256": e.sha256} for e in entries]
    own = release / NAME
    return [*listed, {"path": NAME, "size": own.stat().st_size, "sha256": digest_file(own)}]


def _copy(release: Path, place: Path, files: list[str]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{place.name}.publishing-", dir=place.parent))
    scratch.chmod(0o755)
    try:
        for name in files:
            goal = scratch / name
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(release / name, goal)
        report = verify(scratch)
        if not report.ok:
            raise ReleaseError(f"The copy in {place.parent} is not sound: {report.problems[0]}")
        scratch.rename(place)
    except OSError as error:
        raise ReleaseError(f"{place} cannot be written ({error}).") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _tag(release: Path) -> str:
    version: str = folder.read(release)["version"]
    return version


def _tags(repository: str) -> list[str]:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        with _hub(repository):
            refs = HfApi().list_repo_refs(repository, repo_type="dataset")
    except RepositoryNotFoundError:
        return []
    return [tag.name for tag in refs.tags]


def _push(release: Path, repository: str, files: list[str], *, private: bool) -> None:
    """Commit all files at once, delete what an earlier version had more, and tag the version."""
    from huggingface_hub import (
        CommitOperationAdd,
        CommitOperationCopy,
        CommitOperationDelete,
        HfApi,
    )

    manifest = folder.read(release)
    title = f"{manifest['name']} {manifest['version']}"
    hub = HfApi()
    with _hub(repository):
        hub.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        there = hub.list_repo_files(repository, repo_type="dataset")
        stale = [n for n in there if n.startswith(_OURS) and n not in files]
        operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [
            *(CommitOperationAdd(name, release / name) for name in files),
            *(CommitOperationDelete(name) for name in stale),
        ]
        made = hub.create_commit(repository, operations, commit_message=title, repo_type="dataset")
        hub.create_tag(
            repository, tag=_tag(release), revision=made.oid, repo_type="dataset", tag_message=title
        )


@contextmanager
def _hub(repository: str) -> Iterator[None]:
    """Turn what the hub and the network answer into one sentence."""
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    # The base of what the hub's package's own client raises, whichever client that is.
    network = cast(type[Exception], HfHubHTTPError.__mro__[1])
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "ON", "YES", "TRUE"):
        raise ReleaseError(
            "HF_HUB_OFFLINE is set, so nothing is pushed; unset it to publish to the hub."
        )
    try:
        yield
    except RepositoryNotFoundError:
        raise
    except (HfHubHTTPError, network, OSError) as error:
        said = " ".join(str(error).split())[:300]
        raise ReleaseError(
            f"The hub did not take {repository} ({said}); set HF_TOKEN to a token that may write "
            "there (or HF_ENDPOINT for another hub), then publish again."
        ) from error
