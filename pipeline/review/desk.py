"""What lies on a reviewer's desk: the rows of a release, why each was picked, its neighbours.

In: a release, the run that made it where it is still there, and the ledger. Rows have the text that
was found, also where an edit was released: a decision is about that text, and the edit comes from
the ledger again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.errors import ReleaseError, StageError
from pipeline.record import shown_title
from pipeline.release import edits, folder
from pipeline.release.rows import SPLITS
from pipeline.report.book import find_run
from pipeline.review import verdicts
from pipeline.review.ledger import Entry, Ledger, Verdict, content_digest, now
from pipeline.review.render import changes, to_html
from pipeline.stage import outputs
from pipeline.vectors import PROMPT, RESPONSE, of_rows

NEIGHBOURS = 6
_BLOCK = 256
_SHORT = 160
_EXCERPT = 400


@dataclass
class Desk:
    """The rows of one release before one reviewer."""

    release: Path
    manifest: dict[str, Any]
    rows: dict[str, dict[str, Any]]
    ledger: Ledger
    reviewer: str
    neighbours: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    why_no_run: str = ""

    @classmethod
    def open(cls, release: Path, ledger: Ledger, reviewer: str) -> "Desk":
        """Read a release; raises ReleaseError if it is none."""
        manifest = folder.read(release)
        rows = read_rows(release, manifest)
        run, why = find_run(release, manifest)
        near = _neighbours(run, set(rows)) if run else {}
        return cls(release, manifest, rows, ledger, reviewer, near, why)

    def listed(self) -> dict[str, Any]:
        """Return what the list of rows shows, and how reviewers agree."""
        entries = self.ledger.entries()
        state = _State(entries, self.reviewer)
        return {
            "release": f"{self.manifest['name']} {self.manifest['version']}",
            "reviewer": self.reviewer,
            "note": self.why_no_run,
            "rows": [self._line(row, state) for row in self.rows.values()],
            "agreement": self.agreement(),
        }

    def agreement(self) -> list[dict[str, Any]]:
        """Return how far every two reviewers agree, by all that the ledger holds now."""
        return [vars(item) for item in verdicts.agreement(self.ledger.entries())]

    def _line(self, row: dict[str, Any], state: "_State") -> dict[str, Any]:
        title = row["title"] or row["prompt"]
        return {
            "id": row["id"],
            "title": " ".join(title.split())[:_SHORT],
            "group": row["group"],
            "domain": row["domain"] or "none",
            "split": row["split"],
            "quality": row["quality"],
            "cluster": row["cluster"],
            "words": row["cluster_words"] or "",
            **state.of(row),
        }

    def row(self, name: str) -> dict[str, Any]:
        """Return all that the page shows of one row; raises KeyError for an unknown id."""
        row = self.rows[name]
        state = _State(self.ledger.entries(), self.reviewer)
        own = state.own.get((name, row["digest"]))
        parts = row.get("quality_parts") or {}
        texts = {
            field: (getattr(own, field) if own else None) or row[field]
            for field in ("prompt", "response")
        }
        return {
            **self._line(row, state),
            "digest": row["digest"],
            "turns": [
                {"role": turn["role"], "text": turn["content"], "html": to_html(turn["content"])}
                for turn in _chat(row, texts)
            ],
            "prompt": texts["prompt"],
            "response": texts["response"],
            "changes": [
                {"field": field, "lines": changes(row[field] or "", texts[field] or "")}
                for field in texts
                if texts[field] != row[field]
            ],
            "parts": {part: value for part, value in parts.items() if value is not None},
            "facts": {
                "rank": f"{row['rank']} in {row['group']}" if row["rank"] else "none",
                "votes": "none" if row["votes"] is None else f"{row['votes']:,}",
                "author": row["author"],
                "licence": row["licence"],
                "written": f"{row['created_at']:%Y-%m-%d}" if row["created_at"] else "unknown",
                "source": row["url"],
                "tokens": f"{row['tokens']:,}",
            },
            "neighbours": self.neighbours.get(name, []),
            "others": state.others(row) if own else [],
        }

    def decide(
        self,
        name: str,
        digest: str,
        verdict: Verdict,
        reason: str = "",
        prompt: str | None = None,
        response: str | None = None,
    ) -> Entry:
        """Write a decision; raises StageError if the row is another than the reviewer saw."""
        row = self.rows.get(name)
        if row is None or row["digest"] != digest:
            raise StageError(f"The row {name} is not the one that was shown; load the page again.")
        if verdict == "edit":
            prompt = None if prompt == row["prompt"] else prompt
            response = None if response == row["response"] else response
            if prompt is None and response is None:
                raise StageError("Nothing was changed; accept the row instead.")
            if row["response"] is None and response is not None:
                raise StageError(f"{name} is a prompt of the test split; it has no response.")
        entry = Entry(
            at=now(),
            reviewer=self.reviewer,
            id=name,
            digest=digest,
            verdict=verdict,
            reason=reason.strip(),
            prompt=prompt,
            response=response,
        )
        self.ledger.append([entry])
        return entry


class _State:
    """What the ledger says of texts, seen by one reviewer."""

    def __init__(self, entries: list[Entry], reviewer: str) -> None:
        self._opinions = verdicts.opinions(entries)
        self._flags = verdicts.flags(entries)
        self._reviewer = reviewer
        self.own = {
            (row, digest): entry
            for (row, digest, who), entry in self._opinions.items()
            if who == reviewer
        }
        self._digests: dict[str, set[str]] = {}
        for row, digest, _ in self._opinions:
            self._digests.setdefault(row, set()).add(digest)

    def of(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the own verdict, the flag, and whether another text of it was judged before."""
        own = self.own.get((row["id"], row["digest"]))
        flag = self._flags.get((row["id"], row["digest"], self._reviewer))
        seen = self._digests.get(row["id"], set())
        return {
            "mine": own.verdict if own else None,
            "reason": own.reason if own else "",
            "flagged": flag is not None,
            "flag": flag or "",
            "changed": bool(seen) and row["digest"] not in seen,
        }

    def others(self, row: dict[str, Any]) -> list[dict[str, str]]:
        """Return what others said of the same text."""
        return [
            {"reviewer": who, "verdict": entry.verdict, "reason": entry.reason}
            for (name, digest, who), entry in self._opinions.items()
            if (name, digest) == (row["id"], row["digest"]) and who != self._reviewer
        ]


def _chat(row: dict[str, Any], texts: dict[str, str | None]) -> Iterable[dict[str, str]]:
    if row["system"]:
        yield {"role": "system", "content": row["system"]}
    yield from row["history"] or []
    yield {"role": "user", "content": texts["prompt"] or ""}
    if texts["response"] is not None:
        yield {"role": "assistant", "content": texts["response"]}


def read_rows(release: Path, manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Read the rows of a release with the text that was found and its digest, by split and id."""
    rows: dict[str, dict[str, Any]] = {}
    try:
        for split in SPLITS:
            if manifest["rows"].get(split):
                frame = pl.read_parquet(release / folder.data_file(split)).drop("messages")
                rows |= {row["id"]: row for row in frame.iter_rows(named=True)}
        edits.undo(rows, edits.read(release))
    except (OSError, ValueError, LookupError, pl.exceptions.PolarsError) as error:
        raise ReleaseError(
            f"{release} cannot be read ({error}); `thousand verify {release}` says more."
        ) from error
    for row in rows.values():
        row["digest"] = content_digest(row)
    return rows


def _neighbours(run: Path, wanted: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Find the rows of the pool that are nearest to each released row."""
    text = pl.coalesce("response", "prompt").str.slice(0, _EXCERPT).alias("text")
    title = shown_title(_SHORT)
    files = [entry.path for entry in outputs(run / "score")]
    columns: list[str | pl.Expr] = ["id", "domain", "quality", PROMPT, RESPONSE, text, title]
    pool = pl.concat([pl.scan_parquet(path).select(columns) for path in files]).collect().sort("id")
    vectors = of_rows(pool)
    lines = pool.drop(PROMPT, RESPONSE).to_dicts()
    places = [place for place, line in enumerate(lines) if line["id"] in wanted]
    found: dict[str, list[dict[str, Any]]] = {}
    for start in range(0, len(places), _BLOCK):
        block = places[start : start + _BLOCK]
        products = vectors[block] @ vectors.T
        products[np.arange(len(block)), block] = -np.inf
        order = np.argsort(-products, axis=1, kind="stable")[:, : min(NEIGHBOURS, len(lines) - 1)]
        for at, place in enumerate(block):
            found[lines[place]["id"]] = [
                {
                    **lines[other],
                    "cosine": round(float(min(products[at, other], 1.0)), 3),
                    "picked": lines[other]["id"] in wanted,
                }
                for other in order[at]
            ]
    return found


def newest(workspace: Path) -> Path:
    """Return the newest release of a workspace; raises ReleaseError if there is none."""
    homes = workspace / "releases"
    found = [
        (str(manifest.get("created_at")), str(home / version))
        for home in (sorted(homes.iterdir()) if homes.is_dir() else [])
        for version, manifest in folder.versions(home)
    ]
    if not found:
        raise ReleaseError(f"There is no release in {workspace}; make one with `thousand run`.")
    return Path(max(found)[1])
