"""Verify a release: every digest, count and promise, from its folder alone.

In: a release's folder, which may be damaged in any way. Out: a report that names each problem in a
sentence with its file and row; nothing is trusted that can be counted again.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl
import yaml

from pipeline.errors import ReleaseError
from pipeline.manifest import NAME, FileEntry, digest_file
from pipeline.release import folder, verify_rows
from pipeline.release.build import recipe_digest
from pipeline.release.licences import summarise
from pipeline.release.rows import SPLITS
from pipeline.release.verify_rows import Content

_SHOWN = 20  # problems of one kind
_FORM = {
    "recipe": dict,
    "recipe_digest": str,
    "rows": dict,
    "groups": list,
    "funnel": list,
    "shortfall": list,
    "missing": dict,
    "refilled": dict,
}


@dataclass(frozen=True)
class Report:
    """What was checked and what is wrong; each problem is one sentence."""

    release: str
    problems: list[str] = field(default_factory=list)
    files: int = 0
    rows: int = 0
    decisions: int = 0

    @property
    def ok(self) -> bool:
        """Tell whether the release keeps all its promises."""
        return not self.problems

    def render(self) -> str:
        """Say in plain lines what was checked and what is wrong."""
        checked = f"{self.files} files, {self.rows:,} rows and {self.decisions:,} decisions checked"
        if self.ok:
            return f"{self.release}: {checked}, everything is as promised."
        count = f"{len(self.problems)} problem" + ("" if len(self.problems) == 1 else "s")
        return "\n".join(
            [f"{self.release}: {checked}, {count}:", *(f"- {p}" for p in self.problems)]
        )

    def to_json(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {
            "release": self.release,
            "ok": self.ok,
            "problems": self.problems,
            "checked": {"files": self.files, "rows": self.rows, "decisions": self.decisions},
        }


def verify(release: Path) -> Report:
    """Check a release; raises ReleaseError only if there is no such folder."""
    if not release.is_dir():
        raise ReleaseError(f"There is no release {release}; name the folder of a version.")
    try:
        manifest = folder.read(release)
    except ReleaseError as error:
        return Report(str(release), [str(error)])
    problems = list(_form(manifest))
    if problems:
        return Report(str(release), problems)
    content = Content(release, manifest)
    checks: list[tuple[str, Callable[[], Iterator[str]]]] = [
        (NAME, lambda: _seal(manifest)),
        (NAME, lambda: _files(release, manifest)),
        (NAME, lambda: _funnel(manifest)),
        (NAME, lambda: _gates(manifest)),
        ("data", lambda: verify_rows.load(content)),
        ("data", lambda: verify_rows.rows(content)),
        ("data", lambda: verify_rows.refused_licences(content)),
        (NAME, lambda: _promises(content)),
        (folder.DECISIONS, lambda: verify_rows.decisions(content)),
        (folder.JSONL, lambda: verify_rows.chats(content)),
        (folder.ATTRIBUTION, lambda: verify_rows.attributed(content)),
        (folder.CARD, lambda: _card(content)),
    ]
    problems = [problem for where, check in checks for problem in _guarded(where, check)]
    return Report(str(release), problems, len(manifest["files"]), content.count, content.decided)


def _guarded(where: str, check: Callable[[], Iterator[str]]) -> list[str]:
    """Run a check; what it cannot read is a problem, and many problems are cut short."""
    problems: list[str] = []
    try:
        problems.extend(check())
    except FileNotFoundError:
        pass  # that it is missing is said where the manifest's files are checked
    except pl.exceptions.PolarsError:
        problems.append(f"{where}: it cannot be checked: its columns are not those of a release.")
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        problems.append(f"{where}: it cannot be checked: {folder.why_not(error)}.")
    if len(problems) > _SHOWN:
        more = len(problems) - _SHOWN
        problems = [*problems[:_SHOWN], f"{where}: {more} more problems of this kind."]
    return [" ".join(problem.split()) for problem in problems]


def _form(manifest: dict[str, Any]) -> Iterator[str]:
    """Check that the parts that the checks read are there and of their kind."""
    for name, kind in _FORM.items():
        if name not in manifest:
            yield f"{NAME}: it lacks {name!r}, so nothing else was checked."
        elif not isinstance(manifest[name], kind):
            yield f"{NAME}: {name!r} has another form than it should have; nothing was checked."


def _seal(manifest: dict[str, Any]) -> Iterator[str]:
    plain = manifest | {"files": [vars(entry) for entry in manifest["files"]]}
    if manifest.get("seal") != folder.seal(plain):
        yield f"{NAME}: it was changed after it was written (its seal does not fit)."
    if manifest["recipe_digest"] != recipe_digest(manifest["recipe"]):
        yield f"{NAME}: the recipe does not have the digest that is given for it."


def _files(release: Path, manifest: dict[str, Any]) -> Iterator[str]:
    entries: list[FileEntry] = manifest["files"]
    listed = {entry.path for entry in entries}
    needed = [folder.CARD, folder.ATTRIBUTION, folder.DECISIONS, folder.JSONL]
    needed += [folder.data_file(split) for split in SPLITS if manifest["rows"].get(split)]
    needed += [folder.CHANGES] if manifest.get("previous") else []
    for name in needed:
        if name not in listed:
            yield f"{NAME}: it does not list {name}, which every such release has."
    for entry in entries:
        yield from _file(release, entry)
    for path in sorted(release.rglob("*")):
        name = path.relative_to(release).as_posix()
        if (path.is_symlink() or not path.is_dir()) and name not in listed and name != NAME:
            yield f"{name}: it is not part of the release; delete it."


def _file(release: Path, entry: FileEntry) -> Iterator[str]:
    pure = PurePosixPath(entry.path)
    if pure.is_absolute() or ".." in pure.parts:
        yield f"{NAME}: it lists {entry.path}, which is outside of the release."
        return
    path = release / entry.path
    if not path.is_file():
        yield f"{entry.path}: the file is missing."
    elif path.stat().st_size != entry.size:
        size = path.stat().st_size
        yield f"{entry.path}: it has {size} bytes, the manifest says {entry.size}."
    elif digest_file(path) != entry.sha256:
        yield f"{entry.path}: its bytes were changed (the SHA-256 differs from the manifest's)."


def _funnel(manifest: dict[str, Any]) -> Iterator[str]:
    funnel = manifest["funnel"]
    for line in funnel:
        dropped = sum(line["dropped"].values())
        if line["rows_in"] != line["rows_out"] + dropped:
            yield (
                f"{NAME}: the funnel does not add up at {line['stage']}: {line['rows_in']} in, "
                f"{line['rows_out']} out, {dropped} dropped."
            )
    for before, after in itertools.pairwise(funnel):
        if before["rows_out"] != after["rows_in"]:
            yield (
                f"{NAME}: {before['stage']} gave {before['rows_out']} rows and {after['stage']} "
                f"read {after['rows_in']}."
            )
    total = sum(manifest["rows"].values())
    if not funnel or funnel[-1]["rows_out"] != total:
        yield f"{NAME}: the funnel does not end with the {total} rows of the splits."


def _gates(manifest: dict[str, Any]) -> Iterator[str]:
    for outcome in manifest.get("gates") or []:
        if not outcome["ok"]:
            yield f"{NAME}: the gate {outcome['gate']} failed ({outcome['said']}): it is blocked."


def _promises(content: Content) -> Iterator[str]:
    """Hold the rows against the quotas: a group off its quota must be explained."""
    manifest = content.manifest
    short = {(item["split"], item["group"]) for item in manifest["shortfall"]}
    for line in manifest["groups"]:
        split, group, got, wanted = (line[key] for key in ("split", "group", "got", "wanted"))
        frame = content.frames.get(split)
        counted = got if frame is None else int((frame["group"] == group).sum())
        if counted != got:
            yield (
                f"{folder.data_file(split)}: {counted} rows of {group}, the manifest says {got}."
            )
        if got < wanted and (split, group) not in short:
            yield f"{NAME}: {group} in {split} has {got} of {wanted} rows and no shortfall says so."
        if got > wanted + manifest["refilled"].get(split, {}).get(group, 0):
            yield f"{NAME}: {group} in {split} has {got} rows, more than its quota of {wanted}."
    for split, total in manifest["rows"].items():
        promised = sum(line["wanted"] for line in manifest["groups"] if line["split"] == split)
        missing = manifest["missing"].get(split, 0)
        if total != promised - missing:
            yield (
                f"{NAME}: {split} has {total} rows; {promised} are promised and {missing} are said "
                f"to be missing."
            )


def _card(content: Content) -> Iterator[str]:
    text = (content.release / folder.CARD).read_text(encoding="utf-8")
    parts = text.split("---\n", 2)
    try:
        head = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", see line {mark.line + 2}" if mark else ""
        yield f"{folder.CARD}: its head is not valid YAML{where}."
        return
    if not isinstance(head, dict):
        yield f"{folder.CARD}: it has no YAML head."
        return
    named = {(item["split"], item["path"]) for item in head["configs"][0]["data_files"]}
    wanted = {
        (split, folder.data_file(split)) for split, rows in content.manifest["rows"].items() if rows
    }
    if named != wanted:
        yield f"{folder.CARD}: its head does not name the file of each split, so it will not load."
    frames = content.frames.values()
    if len(content.frames) == len(wanted):
        licences = summarise([text for frame in frames for text in frame["licence"] if text])
        if head.get("license") != licences.hub or head.get("license_name") != licences.name:
            said = licences.name or licences.hub
            yield f"{folder.CARD}: its licence is {head.get('license')}, the rows make it {said}."
