"""Hold a judge against people: agreement on labelled pairs, with controls beside it.

The controls are a coin for each pair, and the longer response. Where a pair has several
annotators, a judge is held against each of them, and they against each other.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.judge.agreement import (
    Estimate,
    Votes,
    estimate,
    estimate_mean,
    kappa,
    mean,
    tie_discounted,
    with_ties,
    without_ties,
)
from pipeline.judge.asking import Asker
from pipeline.judge.pairwise import Outcome, Pair, judge_pairs, position_bias
from pipeline.judge.prompts import Asking

_CASES = {
    "tie_discounted": tie_discounted,
    "with_ties": with_ties,
    "without_ties": without_ties,
}


@dataclass(frozen=True)
class Line:
    """One line of the table: who judged, and how far that agrees with people."""

    who: str
    judged: int
    agreement: Mapping[str, Estimate]  # tie_discounted, with_ties, without_ties, kappa
    position: Mapping[str, Any] | None = None
    failures: Mapping[str, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the line as an object."""
        numbers = {name: found.to_json() for name, found in self.agreement.items()}
        more = {"position": self.position, "failures": self.failures}
        return {"who": self.who, "judged": self.judged, **numbers, **more}


@dataclass(frozen=True)
class SetResult:
    """One labelled set: its size and its lines."""

    name: str
    pairs: int
    annotators: int
    longer_wins: float | None  # share of the labels other than ties that are for the longer
    lines: list[Line]

    def to_json(self) -> dict[str, Any]:
        """Return the set as an object."""
        return {
            "set": self.name,
            "pairs": self.pairs,
            "annotators": self.annotators,
            "longer_wins": self.longer_wins,
            "lines": [line.to_json() for line in self.lines],
        }


def draw(pairs: Sequence[Pair], rows: int | None, name: str, seed: int = 0) -> list[Pair]:
    """Draw so many pairs of a set by lot, the same ones each time; they keep their order."""
    if rows is None or len(pairs) <= rows:
        return list(pairs)
    lots = [
        (hashlib.sha256(f"{seed}:{name}:{pair.id}".encode()).hexdigest(), place)
        for place, pair in enumerate(pairs)
    ]
    return [pairs[place] for place in sorted(place for _, place in sorted(lots)[:rows])]


def measure(name: str, pairs: Sequence[Pair], asker: Asker | None, seed: int = 0) -> SetResult:
    """Make the lines of one set; without an asker, of people and controls alone."""
    labels = np.array([pair.labels for pair in pairs], np.int64)
    annotators = labels.shape[1]
    clusters = [pair.request for pair in pairs]
    lines = []
    if annotators > 1:
        lines.append(_people(labels, clusters, seed))
    if asker is not None:
        settings = asker.settings
        asking = Asking(settings.style, settings.max_chars)
        outcomes = judge_pairs(pairs, asker, asking)
        lines.append(_judge(settings.model or "judge", outcomes, labels, clusters, seed))
    longer = np.array([np.sign(len(pair.first) - len(pair.second)) for pair in pairs], np.int64)
    lines.append(_line("longer is better", longer, labels, clusters, seed))
    lines.append(_line("random", _coin(name, pairs, seed), labels, clusters, seed))
    liked = without_ties(longer[:, None], labels)
    share = mean(liked)
    return SetResult(
        name, len(pairs), annotators, None if share is None else round(share, 4), lines
    )


def _judge(
    who: str, outcomes: Sequence[Outcome], labels: Votes, clusters: Sequence[str], seed: int
) -> Line:
    known = [place for place, outcome in enumerate(outcomes) if outcome.vote is not None]
    votes = np.array([outcomes[place].vote for place in known], np.int64)
    line = _line(who, votes, labels[known], [clusters[place] for place in known], seed)
    return Line(who, len(known), line.agreement, position_bias(outcomes), count_failures(outcomes))


def count_failures(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Count the pairs without a vote by reason."""
    reasons = [outcome.reason for outcome in outcomes if outcome.reason]
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}


def _line(who: str, votes: Votes, labels: Votes, clusters: Sequence[str], seed: int) -> Line:
    """Hold votes against each annotator; the numbers are means over annotators."""
    columns = range(labels.shape[1])
    repeated = np.repeat(votes[:, None], labels.shape[1], axis=1)
    return Line(
        who,
        len(votes),
        _agreement([(repeated[:, n], labels[:, n]) for n in columns], clusters, seed),
    )


def _people(labels: Votes, clusters: Sequence[str], seed: int) -> Line:
    pairs = [
        (labels[:, one], labels[:, other]) for one, other in combinations(range(labels.shape[1]), 2)
    ]
    return Line("people, each with another", len(labels), _agreement(pairs, clusters, seed))


def _agreement(
    pairs: Sequence[tuple[Votes, Votes]], clusters: Sequence[str], seed: int
) -> dict[str, Estimate]:
    found: dict[str, Estimate] = {}
    for name, cases in _CASES.items():
        table = np.stack([cases(one, other) for one, other in pairs], axis=1)
        found[name] = estimate_mean(table, clusters, seed=seed)

    def mean_kappa(places: npt.NDArray[np.int64]) -> float | None:
        values = [kappa(one[places], other[places]) for one, other in pairs]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None

    found["kappa"] = estimate(mean_kappa, clusters, seed=seed)
    return found


def _coin(name: str, pairs: Sequence[Pair], seed: int) -> Votes:
    tossed = [
        hashlib.sha256(f"coin:{seed}:{name}:{pair.id}".encode()).digest()[0] % 2 for pair in pairs
    ]
    return np.array([1 if side else -1 for side in tossed], np.int64)
