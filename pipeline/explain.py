"""Tell one row's life, stage by stage, from the books of a run.

In: a run's folder and the id of a candidate. Out: a story that says where the row was found, what
each stage made of it, and why it left or which release it is in. Files are scanned with a filter
on the id; nothing is loaded whole.
"""

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.chapters import Row, find, shares, tell, why
from pipeline.errors import StageError
from pipeline.manifest import Manifest, read_manifest
from pipeline.release import folder
from pipeline.release.build import SIDE_PRODUCTS
from pipeline.release.escape import one_line
from pipeline.release.rows import SPLITS
from pipeline.score.breakdown import Share
from pipeline.stage import DROPPED_FOLDER

_SHOWN = 5  # suggestions
_NEAR = 20_000  # ids among which a misspelt one is looked for


@dataclass(frozen=True)
class Chapter:
    """What one stage did with the row; `verdict` is passed, left, picked or lost.

    `parts` takes its score apart, in the chapter of `score` alone.
    """

    stage: str
    verdict: str
    lines: list[str]
    parts: list[Share] | None = None


@dataclass(frozen=True)
class Story:
    """A row's life."""

    id: str
    chapters: list[Chapter]
    releases: list[str]

    @property
    def verdict(self) -> str:
        """How it ended: the last stage and what became of the row there."""
        last = self.chapters[-1]
        return f"{last.verdict} at {last.stage}"

    def to_json(self) -> dict[str, Any]:
        """Return the story as one JSON object."""
        return {**asdict(self), "verdict": self.verdict}

    def render(self) -> str:
        """Write the story as plain text."""
        text = [f"{one_line(self.id)}: {self.verdict}", ""]
        wide = max((len(chapter.stage) for chapter in self.chapters), default=0)
        for chapter in self.chapters:
            first, *rest = chapter.lines or [""]
            text.append(f"{chapter.stage:<{wide}} {chapter.verdict:<7} {first}".rstrip())
            text += [f"{'':<{wide + 9}}{line}" for line in rest]
        if self.releases:
            text += ["", *(f"Released in {name}." for name in self.releases)]
        return "\n".join(text)


def explain(run: Path, row: str, stages: Sequence[str]) -> Story:
    """Tell the life of one candidate of a run; malformed records have ids, too.

    Raises StageError if the run knows no such id, with the ids that are most like it.
    """
    chapters: list[Chapter] = []
    before: Row = {}
    for stage in (name for name in stages if name not in SIDE_PRODUCTS):
        manifest = read_manifest(run / stage)
        if manifest is None:
            break
        here = find(_kept(run / stage, manifest), row)
        if here:
            verdict = "picked" if stage == "select" else "passed"
            lines = tell(run / stage, manifest, before, here)
            parts = shares(run / stage, here) if stage == "score" else None
            chapters.append(Chapter(stage, verdict, lines, parts))
            before = here
            continue
        line = find(sorted((run / stage / DROPPED_FOLDER).glob("*.parquet")), row)
        if line:
            chapters.append(Chapter(stage, "left", why(run / stage, line, before)))
        elif chapters:
            lost = "neither its rows nor its books name it; delete its folder and run again"
            chapters.append(Chapter(stage, "lost", [lost]))
        else:
            raise StageError(_unknown(run, stage, manifest, row))
        break
    if not chapters:
        raise StageError(f"The run {run} has no finished stage; start it with `thousand run`.")
    return Story(row, chapters, _releases(run, row) if chapters[-1].verdict == "picked" else [])


def _kept(stage: Path, manifest: Manifest) -> list[Path]:
    return [stage / entry.path for entry in manifest.files if "/" not in entry.path]


def _releases(run: Path, row: str) -> list[str]:
    """Name the releases of the workspace that hold the row, the newest of a name last."""
    found = []
    homes = run.parent.parent / "releases"
    for home in sorted(homes.iterdir()) if homes.is_dir() else []:
        for version, _ in folder.versions(home) if home.is_dir() else []:
            for split in SPLITS:
                path = home / version / folder.data_file(split)
                if path.is_file() and find([path], row):
                    found.append(f"{home.name} {version}, {split}")
    return found


def _unknown(run: Path, stage: str, manifest: Manifest, row: str) -> str:
    """Say that no such id is known, and which ones are near."""
    dropped = sorted((run / stage / DROPPED_FOLDER).glob("*.parquet"))
    near: list[str] = []
    for files in (_kept(run / stage, manifest), dropped):
        if files:
            near += _like(pl.scan_parquet(files).select("id"), row)
    hint = f" Near it: {', '.join(one_line(name) for name in near[:_SHOWN])}." if near else ""
    return (
        f"No candidate of {run} has the id {one_line(row)!r}.{hint} What ingest leaves out, such "
        f"as answers with few votes, is counted and not listed."
    )


def _like(ids: pl.LazyFrame, row: str) -> list[str]:
    last = row.rpartition(":")[2]
    ends = pl.col("id").str.ends_with(f":{last}")
    found: list[str] = ids.filter(ends).head(_SHOWN).collect(engine="streaming")["id"].to_list()
    if found:
        return found
    head = row.rpartition(":")[0]
    some = ids.filter(pl.col("id").str.starts_with(head)).head(_NEAR).collect(engine="streaming")
    close = difflib.get_close_matches(row, some["id"].to_list(), _SHOWN, 0.8)
    if close:
        return close
    some = ids.head(_NEAR).collect(engine="streaming")
    return difflib.get_close_matches(row, some["id"].to_list(), _SHOWN, 0.75)
