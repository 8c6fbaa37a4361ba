"""Compare two responses in both orders: a win is a win only if both orders agree, else a tie.

In: pairs. Out: an outcome for each, and how the judge leans to the first or the second place.
(MT-Bench, arXiv 2306.05685, section 3.4, the conservative way.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.judge.asking import Asker
from pipeline.judge.prompts import FIRST, SECOND, Asking, compare
from pipeline.judge.verdict import Verdict


@dataclass(frozen=True)
class Pair:
    """Two responses to one request. `labels` are verdicts of people: 1, 0 (tie) or -1."""

    id: str
    request: str
    first: str
    second: str
    labels: tuple[int, ...] = ()
    reference: str | None = None
    authors: tuple[str | None, str | None] = (None, None)


@dataclass(frozen=True)
class Outcome:
    """What the judge says of a pair: `vote` is 1 for the first, -1 for the second, 0 for a tie.

    `here` is the verdict in the order of the pair, `swapped` the one with the responses exchanged.
    """

    vote: int | None
    here: Verdict
    swapped: Verdict

    @property
    def reason(self) -> str | None:
        """Why there is no vote."""
        return self.here.reason or self.swapped.reason

    @property
    def preference(self) -> float | None:
        """Probability of the first response, the mean of both orders; null without a vote."""
        if self.here.value is None or self.swapped.value is None:
            return None
        return (self.here.value + 1 - self.swapped.value) / 2

    @property
    def leaning(self) -> str | None:
        """How the two orders fit: `consistent`, `first`, `second` (the place won), `mixed`."""
        if self.vote is None:
            return None
        places = (self.here.label, self.swapped.label)
        if _vote(self.here) == -_vote(self.swapped):
            return "consistent"
        if places == (FIRST, FIRST):
            return "first"
        return "second" if places == (SECOND, SECOND) else "mixed"


def combine(here: Verdict, swapped: Verdict) -> Outcome:
    """Combine the verdicts of both orders; one failure makes the pair a failure."""
    if here.reason or swapped.reason:
        return Outcome(None, here, swapped)
    one, other = _vote(here), -_vote(swapped)
    return Outcome(one if one == other else 0, here, swapped)


def _vote(verdict: Verdict) -> int:
    return {FIRST: 1, SECOND: -1}.get(verdict.label or "", 0)


def judge_pairs(pairs: Sequence[Pair], asker: Asker, asking: Asking) -> list[Outcome]:
    """Ask about each pair twice; both orders stand together, so that a budget breaks off cleanly."""
    questions = []
    for pair in pairs:
        texts = (pair.first, pair.second)
        for one, other in (texts, texts[::-1]):
            questions.append(compare(pair.request, one, other, asking, pair.reference))
    verdicts = asker.ask(questions)
    return [combine(*verdicts[place : place + 2]) for place in range(0, len(verdicts), 2)]


def position_bias(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the shares of pairs by how their two orders fit, of the pairs with a vote."""
    leanings = [outcome.leaning for outcome in outcomes if outcome.leaning]
    shares = {
        name: round(leanings.count(name) / len(leanings), 4) if leanings else None
        for name in ("consistent", "first", "second", "mixed")
    }
    return {"pairs": len(leanings), **shares}
