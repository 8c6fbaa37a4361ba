"""What reviewers' decisions come to: the verdict on each text, and how far reviewers agree.

The last word of a reviewer on a text counts. Of several reviewers, one who rejects is enough: a
wrong row in the set costs more than the next best one in its place. Else the last edit stands,
else the row is accepted.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline.manifest import digest_json
from pipeline.review.ledger import Entry, Ledger, content_digest

ACCEPTED, EDITED, REJECTED = "accepted", "edited", "rejected"

_OPINIONS = ("accept", "edit", "reject")
_MATCHED = pl.Schema(
    {
        "id": pl.String,
        "review": pl.String,
        "reason": pl.String,
        "new_prompt": pl.String,
        "new_response": pl.String,
    }
)


@dataclass(frozen=True)
class Stand:
    """What holds for one text of one candidate; `prompt` and `response` are set by an edit."""

    id: str
    digest: str
    review: str  # accepted, edited or rejected
    reason: str = ""
    prompt: str | None = None
    response: str | None = None


@dataclass(frozen=True)
class Reviews:
    """All standing verdicts, sorted by id and digest; picklable, so that it travels with a stage."""

    stands: tuple[Stand, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Reviews":
        """Draw the verdicts from a ledger's entries, the earliest first."""
        by_text: dict[tuple[str, str], dict[str, Entry]] = {}
        for (row, digest, reviewer), entry in opinions(entries).items():
            by_text.setdefault((row, digest), {})[reviewer] = entry
        stands = [_combine(row, digest, own) for (row, digest), own in sorted(by_text.items())]
        return cls(tuple(stands))

    def digest(self) -> str:
        """Digest the verdicts: a part of the key of the stage that reads them; "" for none."""
        return digest_json([vars(stand) for stand in self.stands]) if self.stands else ""

    def match(self, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
        """Return the verdicts that hold for these rows: those on the very text that a row has."""
        known = {(stand.id, stand.digest): stand for stand in self.stands}
        found = []
        for row in rows:
            stand = known.get((row["id"], content_digest(row)))
            if stand:
                texts = (stand.prompt, stand.response)
                found.append((stand.id, stand.review, stand.reason, *texts))
        return pl.DataFrame(found, schema=_MATCHED, orient="row")

    @property
    def ids(self) -> list[str]:
        """The candidates that somebody judged."""
        return sorted({stand.id for stand in self.stands})


def read(ledger: Ledger) -> Reviews:
    """Read the verdicts of a ledger."""
    return Reviews.of(ledger.entries())


def opinions(entries: Iterable[Entry]) -> dict[tuple[str, str, str], Entry]:
    """Return the last word of each reviewer: (id, digest, reviewer) -> entry."""
    last: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        key = (entry.id, entry.digest, entry.reviewer)
        if entry.verdict in _OPINIONS:
            last.pop(key, None)  # the latest of all goes to the end
            last[key] = entry
        elif entry.verdict == "clear":
            last.pop(key, None)
    return last


def flags(entries: Iterable[Entry]) -> dict[tuple[str, str, str], str]:
    """Return the flags that stand: (id, digest, reviewer) -> note."""
    standing: dict[tuple[str, str, str], str] = {}
    for entry in entries:
        key = (entry.id, entry.digest, entry.reviewer)
        if entry.verdict == "flag":
            standing[key] = entry.reason
        elif entry.verdict == "unflag":
            standing.pop(key, None)
    return standing


def _combine(row: str, digest: str, own: Mapping[str, Entry]) -> Stand:
    rejections = [entry for entry in own.values() if entry.verdict == "reject"]
    if rejections:
        reasons = "; ".join(dict.fromkeys(entry.reason for entry in rejections))
        return Stand(row, digest, REJECTED, reasons)
    edits = [entry for entry in own.values() if entry.verdict == "edit"]
    if edits:
        last = edits[-1]
        return Stand(row, digest, EDITED, last.reason, last.prompt, last.response)
    return Stand(row, digest, ACCEPTED)


@dataclass(frozen=True)
class Agreement:
    """How far two reviewers agree on the texts that both judged: in or out of the set."""

    first: str
    second: str
    rows: int
    same: int
    kappa: float | None  # None where chance alone would agree on all of them


def agreement(entries: Iterable[Entry]) -> list[Agreement]:
    """Measure Cohen's kappa (Cohen 1960) of every two reviewers; an edit keeps a row in."""
    verdicts: dict[str, dict[tuple[str, str], bool]] = {}
    for (row, digest, reviewer), entry in opinions(entries).items():
        verdicts.setdefault(reviewer, {})[(row, digest)] = entry.verdict != "reject"
    found = []
    for first, second in itertools.combinations(sorted(verdicts), 2):
        both = sorted(set(verdicts[first]) & set(verdicts[second]))
        if both:
            pairs = [(verdicts[first][text], verdicts[second][text]) for text in both]
            same = sum(a == b for a, b in pairs)
            found.append(Agreement(first, second, len(pairs), same, kappa(pairs)))
    return found


def kappa(pairs: list[tuple[bool, bool]]) -> float | None:
    """Return (observed - expected) / (1 - expected) agreement; None where expected is 1."""
    count = len(pairs)
    observed = sum(a == b for a, b in pairs) / count
    first, second = (sum(side) / count for side in zip(*pairs, strict=True))
    expected = first * second + (1 - first) * (1 - second)
    return None if expected == 1 else (observed - expected) / (1 - expected)
