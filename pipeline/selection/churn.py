"""A churn budget: rows of the release before stay, unless a better one wins by a margin.

In: what a method would pick afresh, and which candidates the last release holds. Out: a pick that
keeps those, fills free places in the method's order, and lets the best newcomers replace the worst
of the rows that the method would not pick again, as long as the budget lasts. Rows that are no
candidates any more have left by a rule; they use up the budget first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.recipe import Churn
from pipeline.review.verdicts import ACCEPTED, EDITED, REJECTED
from pipeline.selection.candidates import Candidates, Pick
from pipeline.selection.reviewed import places


@dataclass(frozen=True)
class Last:
    """The rows of the release before: its version, and (group, split) -> how many there were."""

    version: str = ""
    splits: Mapping[str, str] = field(default_factory=dict)  # id -> split
    budget: Mapping[tuple[str, str], int] = field(default_factory=dict)  # wins that are allowed


def keep(candidates: Candidates, fresh: Pick, count: int, split: str, last: Last) -> Pick:
    """Return `count` rows: those of the last release, and who fills up or wins."""
    out, safe = places(candidates, REJECTED), places(candidates, ACCEPTED, EDITED)
    held = [
        place
        for place, row in enumerate(candidates.ids)
        if last.splits.get(row) == split and place not in out
    ]
    if not held or not count:
        return fresh
    again = set(fresh.order) | safe  # what a reviewer accepted stays
    stay = sorted(held, key=lambda place: (place not in again, place))[:count]
    newcomers = [place for place in fresh.order if place not in set(held)]
    taken = _fill(candidates, stay, newcomers, count - len(stay))
    why = dict(fresh.why)
    for place in set(held) - set(stay):
        why[place] = (
            "not_selected",
            f"in {last.version}, and {candidates.group} has fewer places now ({count})",
        )
    challengers = [place for place in newcomers if place not in set(taken)]
    budget = last.budget.get((candidates.group, split), 0)
    won = _wins(candidates, stay, taken, challengers, again, budget)
    for new, old in won:
        why[old] = ("not_selected", _lost(candidates, new, old))
    beaten = {old for _, old in won}
    final = [place for place in stay if place not in beaten] + taken + [new for new, _ in won]
    for place in set(newcomers) - set(final):
        why[place] = ("not_selected", _waits(candidates, place, last.version))
    position = {place: number for number, place in enumerate(fresh.order)}
    final.sort(key=lambda place: (position.get(place, len(position)), place))
    facts = {"kept": len(stay) - len(won), "filled": len(taken), "won": len(won)}
    return Pick(final, why, fresh.facts | facts)


def _fill(
    candidates: Candidates, stay: Sequence[int], newcomers: Sequence[int], free: int
) -> list[int]:
    """Take newcomers in order; those too close to a row that stays come last."""
    near = [p for p in newcomers if _too_close(candidates, p, stay)]
    far = [p for p in newcomers if p not in set(near)]
    return (far + near)[:free]


def _wins(
    candidates: Candidates,
    stay: Sequence[int],
    taken: Sequence[int],
    challengers: Sequence[int],
    again: set[int],
    budget: int,
) -> list[tuple[int, int]]:
    """Return (winner, loser): the best newcomer against the worst row not picked again."""
    quality, margin = candidates.frame["quality"], candidates.settings.churn.margin
    rated = [place for place in stay if place not in again and quality[place] is not None]
    losers = sorted(rated, key=lambda place: (quality[place], -place))
    queue = sorted(
        (place for place in challengers if quality[place] is not None),
        key=lambda place: (-quality[place], place),
    )
    won: list[tuple[int, int]] = []
    held = [*stay, *taken]
    for place in queue:
        if len(won) == min(budget, len(losers)):
            break
        loser = losers[len(won)]
        if quality[place] < quality[loser] + margin:
            break
        others = [other for other in held if other != loser]
        if not _too_close(candidates, place, others):
            won.append((place, loser))
            held = [*others, place]
    return won


def _too_close(candidates: Candidates, place: int, among: Sequence[int]) -> bool:
    if not among:
        return False
    cosines = candidates.vectors[list(among)] @ candidates.vectors[place]
    return bool(np.max(cosines) >= candidates.settings.max_similarity)


def _lost(candidates: Candidates, new: int, old: int) -> str:
    quality = candidates.frame["quality"]
    return (
        f"{candidates.ids[new]} takes its place: quality {quality[new]:.3f} against "
        f"{quality[old]:.3f}, margin {candidates.settings.churn.margin:g}"
    )


def _waits(candidates: Candidates, place: int, version: str) -> str:
    quality = candidates.frame["quality"][place]
    said = "" if quality is None else f" (quality {quality:.3f})"
    return f"would be picked afresh{said}; the rows of {version} keep their places"


def budget(
    churn: Churn, before: Mapping[tuple[str, str], int], lost: Mapping[tuple[str, str], int]
) -> dict[tuple[str, str], int]:
    """Return how many rows of each group and split may be replaced by better ones.

    `before` counts the rows of the last release, `lost` those of them that are no candidates now.
    """
    share = churn.max_share or 0.0
    return {
        key: max(0, int(share * count + 1e-9) - lost.get(key, 0)) for key, count in before.items()
    }
