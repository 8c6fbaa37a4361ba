"""`facility_location`: rows that stand for the whole group, by lazy greedy maximisation.

The value of a set is the sum over all rows of the cosine to the nearest picked row, plus
QUALITY_WEIGHT times the quality of each picked row: quality breaks near-ties, and the sum stays
monotone and submodular, so that greedy reaches at least 1 - 1/e of the best value (Nemhauser 1978).
Gains of one pick bound its later gains (Minoux 1978), so most need no second look.
"""

import numpy as np

from pipeline.selection.candidates import Candidates, Floats, Pick
from pipeline.vectors import Matrix

QUALITY_WEIGHT = 1.0  # the best quality counts as much as one more row that is covered fully
LIMIT = 16_384  # larger groups are represented by a sample of this many rows
_BATCH = 64


def pick(candidates: Candidates, count: int) -> Pick:
    """Pick `count` rows, in the order of their gains."""
    members = np.arange(len(candidates))
    room = max(LIMIT, 4 * count)
    if len(members) > room:
        chosen = candidates.random("facility_location").choice(len(members), room, replace=False)
        members = np.sort(chosen)
    order = greedy(candidates.vectors[members], candidates.quality[members], count)
    picked = [int(members[place]) for place in order]
    facts = {"looked_at": len(members)} if len(members) < len(candidates) else {}
    return Pick(picked, facts=facts)


def greedy(vectors: Matrix, quality: Floats, count: int) -> list[int]:
    """Return the places of up to `count` rows; ties go to the smaller place."""
    bonus = QUALITY_WEIGHT * quality
    covered = np.zeros(len(vectors), np.float32)
    bounds = np.concatenate(
        [
            _gains(vectors[start : start + _BATCH], vectors, covered)
            for start in range(0, len(vectors), _BATCH)
        ]
        or [np.zeros(0)]
    )
    bounds += bonus
    order: list[int] = []
    while len(order) < min(count, len(vectors)):
        chosen = _next(vectors, bonus, covered, bounds)
        order.append(chosen)
        bounds[chosen] = -np.inf
        np.maximum(covered, vectors @ vectors[chosen], out=covered)
    return order


def _next(vectors: Matrix, bonus: Floats, covered: Matrix, bounds: Floats) -> int:
    """Find the largest gain by looking again only at rows whose bound could still win."""
    fresh = np.isneginf(bounds)
    size = 4
    while True:
        best = int(bounds.argmax())
        if fresh[best]:
            return best
        # Stale rows with the highest bounds; a growing batch keeps the number of products low.
        stale = np.where(fresh, -np.inf, bounds)
        top = np.argpartition(-stale, min(size, len(stale) - 1))[:size]
        top = top[~np.isneginf(stale[top])]
        bounds[top] = _gains(vectors[top], vectors, covered) + bonus[top]
        fresh[top] = True
        size = min(2 * size, _BATCH)


def _gains(rows: Matrix, vectors: Matrix, covered: Matrix) -> Floats:
    """Return what each of `rows` would add to the coverage; exact sums of numbers on the grid."""
    products = rows @ vectors.T
    products -= covered
    np.maximum(products, 0, out=products)
    gains: Floats = products.sum(axis=1, dtype=np.float64)
    return gains
