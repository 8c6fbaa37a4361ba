"""Compare two releases row by row: what came, what went, what was edited, and why.

In: two release folders. A row that went has the reason that the new release's decisions give; one
that came has what the old decisions said of it; an edited one says who changed its text.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import ReleaseError
from pipeline.record import CANDIDATE
from pipeline.release import diff_text, folder
from pipeline.release.edits import TEXT, Reasons
from pipeline.release.escape import one_line
from pipeline.release.rows import SPLITS

NO_CANDIDATE = "not_a_candidate"
_LEFT_OUT = "left out when the dumps were read (another draw or rule of ingest)"
_LEFT_OUT_OF_OTHERS = {  # what ingest leaves out of a source is counted, not listed
    "stackexchange": "too few votes, or another answer to the question stands before it"
}


@dataclass(frozen=True)
class Change:
    """A row that came or went; stage, reason and detail are the other release's word on it."""

    id: str
    group: str
    split: str
    title: str
    stage: str | None
    reason: str
    detail: str


@dataclass(frozen=True)
class Edit:
    """A row that is in both with other text; `fields` are all that changed, `detail` says more."""

    id: str
    group: str
    split: str
    title: str
    fields: list[str]
    reason: str
    detail: str


@dataclass(frozen=True)
class Move:
    """A row that is in both, in another split."""

    id: str
    group: str
    split: str
    title: str
    was: str  # the split that it left


@dataclass(frozen=True)
class Diff:
    """The difference of two releases; lists are sorted by id."""

    old: str
    new: str
    added: list[Change]
    dropped: list[Change]
    edited: list[Edit]
    moved: list[Move]  # rows of both, also edited ones, that are in another split now
    same: int  # rows with the same text in both
    other_fields: dict[str, int] = field(default_factory=dict)  # changed, in rows of the same text

    @property
    def churn(self) -> float:
        """Share of the old rows that went or were edited."""
        before = self.same + len(self.edited) + len(self.dropped)
        return (len(self.dropped) + len(self.edited)) / before if before else 0.0

    @property
    def groups(self) -> dict[str, dict[str, int]]:
        """The number of added, dropped and edited rows by group."""
        counts: dict[str, dict[str, int]] = {}
        kinds: list[tuple[str, Iterable[Change | Edit]]] = [
            ("added", self.added),
            ("dropped", self.dropped),
            ("edited", self.edited),
        ]
        for kind, items in kinds:
            for item in items:
                line = counts.setdefault(item.group, {"added": 0, "dropped": 0, "edited": 0})
                line[kind] += 1
        return dict(sorted(counts.items()))

    def to_json(self) -> dict[str, Any]:
        """Return the whole difference as one JSON object."""
        summary = {
            "added": len(self.added),
            "dropped": len(self.dropped),
            "edited": len(self.edited),
            "moved": len(self.moved),
            "same": self.same,
            "churn": round(self.churn, 4),
            "other_fields": self.other_fields,
            "groups": self.groups,
        }
        return {
            "old": self.old,
            "new": self.new,
            "summary": summary,
            "added": [asdict(item) for item in self.added],
            "dropped": [asdict(item) for item in self.dropped],
            "edited": [asdict(item) for item in self.edited],
            "moved": [asdict(item) for item in self.moved],
        }

    def render(self) -> str:
        """Write the difference as plain text, for a terminal."""
        return diff_text.render(self)

    def to_markdown(self) -> str:
        """Write the difference as Markdown, for a file of changes."""
        return diff_text.to_markdown(self)


def diff(old: Path, new: Path) -> Diff:
    """Compare two releases; raises ReleaseError if one of them cannot be read."""
    before, after = _rows(old), _rows(new)
    gone, came = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    edited: list[Edit] = []
    others: Counter[str] = Counter()
    moved: list[Move] = []
    same = 0
    dumps = _same_dumps(old, new)
    why = Reasons.between(old, new, same_dumps=dumps)
    for row in sorted(set(before) & set(after)):
        first, second = before[row], after[row]
        if first["split"] != second["split"]:
            moved.append(Move(**_named_row(second), was=first["split"]))
        fields = [name for name in CANDIDATE if first.get(name) != second.get(name)]
        if any(name in TEXT for name in fields):
            reason, detail = why.of(first, second)
            edited.append(Edit(**_named_row(second), fields=fields, reason=reason, detail=detail))
        else:
            same += 1
            others.update(fields)
    return Diff(
        old=_label(old),
        new=_label(new),
        added=_changes(came, after, _decisions(old, came), "old", same_dumps=dumps),
        dropped=_changes(gone, before, _decisions(new, gone), "new", same_dumps=dumps),
        edited=edited,
        moved=moved,
        same=same,
        other_fields=dict(sorted(others.items())),
    )


def _same_dumps(old: Path, new: Path) -> bool:
    """Tell whether both releases were made from files of the same bytes."""
    first, second = (
        Counter(entry.get("sha256") for entry in folder.read(path).get("inputs") or [])
        for path in (old, new)
    )
    return bool(first) and None not in first and first == second


def _absent(source: str, release: str, *, same_dumps: bool) -> dict[str, Any]:
    """Say of a row what a release that has no decision on it lets us know."""
    if same_dumps:
        return {"stage": "ingest", "reason": NO_CANDIDATE, "detail": _LEFT_OUT}
    detail = f"not in the {release} dumps, or left out when they were read"
    why = _LEFT_OUT_OF_OTHERS.get(source)
    detail += f" ({why})" if why else ""
    return {"stage": None, "reason": NO_CANDIDATE, "detail": detail}


def _label(release: Path) -> str:
    manifest = folder.read(release)
    return f"{manifest.get('name')} {manifest.get('version')}"


def _rows(release: Path) -> dict[str, dict[str, Any]]:
    manifest = folder.read(release)
    found: dict[str, dict[str, Any]] = {}
    for split in SPLITS:
        path = release / folder.data_file(split)
        if not manifest["rows"].get(split):
            continue
        try:
            frame = pl.read_parquet(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise ReleaseError(
                f"{path} cannot be read ({error}); `thousand verify {release}` says more."
            ) from error
        found |= {row["id"]: row for row in frame.iter_rows(named=True)}
    return found


def _decisions(release: Path, ids: list[str]) -> dict[str, dict[str, Any]]:
    path = release / folder.DECISIONS
    if not ids:
        return {}
    try:
        wanted = pl.scan_parquet(path).filter(pl.col("id").is_in(ids)).collect(engine="streaming")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ReleaseError(
            f"{path} cannot be read ({error}); `thousand verify {release}` says more."
        ) from error
    return {row["id"]: row for row in wanted.iter_rows(named=True)}


def _changes(
    ids: list[str],
    rows: Mapping[str, Mapping[str, Any]],
    decided: Mapping[str, Mapping[str, Any]],
    release: str,
    *,
    same_dumps: bool,
) -> list[Change]:
    changes = []
    for row in ids:
        said = decided.get(row) or _absent(rows[row]["source"], release, same_dumps=same_dumps)
        changes.append(
            Change(
                **_named_row(rows[row]),
                stage=said["stage"],
                reason=said["reason"] or str(said.get("verdict")),
                detail=said["detail"] or "",
            )
        )
    return changes


def _named_row(row: Mapping[str, Any]) -> dict[str, str]:
    title = one_line(row["title"] or row["prompt"])
    return {"id": row["id"], "group": row["group"], "split": row["split"], "title": title[:120]}
