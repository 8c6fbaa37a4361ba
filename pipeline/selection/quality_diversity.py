"""`quality_diversity`: the best first, skipping what is too close to a picked row (DEITA).

The rule is that of DEITA's code (arXiv 2312.15685): a row whose cosine to a picked one reaches 0.9
is skipped. The paper prints it the other way round (a distance below 0.9 is added).
"""

import numpy as np

from pipeline.selection.candidates import Candidates, Pick, nearest

BLOCK = 512


def pick(candidates: Candidates, count: int) -> Pick:
    """Pick `count` rows; if too few are apart, the skipped ones come back, best first.

    The fact `taken_although_close` counts those that came back.
    """
    limit = candidates.settings.max_similarity
    vectors, ids = candidates.vectors, candidates.ids
    order: list[int] = []
    skipped: dict[int, tuple[str, float]] = {}
    for start in range(0, len(candidates), BLOCK):
        if len(order) >= count:
            break
        block = vectors[start : start + BLOCK]
        among = np.vstack([candidates.taken, vectors[order]])
        names = [*candidates.taken_ids, *(ids[place] for place in order)]
        closest, best = nearest(block, among)
        close_to = [names[place] if names else "" for place in closest]
        inside = block @ block.T
        for here, place in enumerate(range(start, start + len(block))):
            if len(order) >= count:
                break
            if best[here] >= limit:
                skipped[place] = (close_to[here], float(best[here]))
                continue
            order.append(place)
            for later in np.flatnonzero(inside[here] > best):
                close_to[later], best[later] = ids[place], min(inside[here, later], 1.0)
    back = sorted(skipped)[: max(0, count - len(order))]
    why = {
        place: ("not_selected", f"too close to {other} (cosine {cosine:.3f})")
        for place, (other, cosine) in skipped.items()
        if place not in back
    }
    return Pick(order + back, why, {"taken_although_close": len(back)})
