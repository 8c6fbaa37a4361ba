"""`k_center`: always the row farthest from all picked ones, starting with the best.

Gonzalez (1985): the coverage radius is at most twice the smallest possible (in a metric; on unit
vectors the order of cosines is the order of Euclidean distances). It looks for the edges of a
group and takes oddities on purpose: read what it picks.
"""

import numpy as np

from pipeline.selection.candidates import Candidates, Pick


def pick(candidates: Candidates, count: int) -> Pick:
    """Pick `count` rows."""
    vectors = candidates.vectors[:]
    near = np.full(len(vectors), -np.inf, np.float32)
    order: list[int] = []
    while len(order) < min(count, len(vectors)):
        chosen = int(near.argmin())  # the first of equal ones is the best
        order.append(chosen)
        np.maximum(near, vectors @ vectors[chosen], out=near)
        near[chosen] = np.inf
    return Pick(order)
