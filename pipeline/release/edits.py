"""Edits: what reviewers changed in a release's texts, and why a text is another than before.

edits.jsonl has one changed field a line, before and after. Without those changes a row has the
text that was found in the dumps.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import ReleaseError
from pipeline.manifest import write_atomic
from pipeline.release import folder

TEXT = ("prompt", "response", "system", "history")  # a change here is an edit
# The post changed in the dumps; a reviewer edited it; the same post was read in another way.
POST, REVIEWER, READING = "edited_post", "edited_by_reviewer", "read_otherwise"


def write(table: Path, out: Path) -> None:
    """Write the table of changes (id, field, before, after); nothing if nothing was changed."""
    edits = pl.read_parquet(table) if table.is_file() else pl.DataFrame()
    if len(edits):
        lines = [json.dumps(edit, ensure_ascii=False) for edit in edits.iter_rows(named=True)]
        write_atomic(out / folder.EDITS, "\n".join(lines) + "\n")


def read(release: Path) -> list[dict[str, Any]]:
    """Read all changes of a release; raises OSError or ValueError where that cannot be done."""
    path = release / folder.EDITS
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def undo(rows: dict[str, dict[str, Any]], edits: Sequence[dict[str, Any]]) -> None:
    """Give rows, by id, the text that was found."""
    for edit in edits:
        rows[edit["id"]][edit["field"]] = edit["before"]


@dataclass(frozen=True)
class Reasons:
    """Why a row that two releases share has other text in the later one."""

    found: tuple[Mapping[tuple[str, str], str | None], Mapping[tuple[str, str], str | None]]
    same_dumps: bool
    same_reading: bool

    @classmethod
    def between(cls, old: Path, new: Path, *, same_dumps: bool) -> "Reasons":
        """Read what reviewers changed in both; raises ReleaseError where that cannot be read."""
        changed = []
        for release in (old, new):
            try:
                edits = read(release)
                changed.append({(edit["id"], edit["field"]): edit["before"] for edit in edits})
            except (OSError, ValueError, LookupError, TypeError) as error:
                raise ReleaseError(
                    f"{release / folder.EDITS} cannot be read ({error}); "
                    f"`thousand verify {release}` says more."
                ) from error
        first, second = (_reading(folder.read(release)) for release in (old, new))
        return cls((changed[0], changed[1]), same_dumps, first == second)

    def of(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, str]:
        """Return reason and detail of a row, given as both releases have it."""
        before, after = (
            {name: changed.get((row["id"], name), row[name]) for name in TEXT}
            for changed, row in zip(self.found, (old, new), strict=True)
        )
        had, has = (any((old["id"], name) in changed for name in TEXT) for changed in self.found)
        if before == after:
            return REVIEWER, "" if has else "the edit was taken back"
        more = []
        if not self.same_dumps and not self.same_reading:
            more.append("the recipe or the version of Thousand is another, too")
        if had != has:
            more.append("a reviewer edited it, too" if has else "a reviewer's edit is gone with it")
        return READING if self.same_dumps else POST, "; ".join(more)


def _reading(manifest: Mapping[str, Any]) -> list[Any]:
    """Return what decides, beside the dumps, which text a candidate has."""
    recipe = manifest.get("recipe") or {}
    parts = [recipe.get(name) for name in ("ingest", "clean", "filter")]
    return [*parts, manifest.get("seed"), manifest.get("code_version")]
