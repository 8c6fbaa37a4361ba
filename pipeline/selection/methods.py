"""The selection methods by name: a new one is a module, a line here and a name in the recipe."""

from pipeline.selection import controls, facility_location, k_center, lima, quality_diversity
from pipeline.selection.candidates import Candidates, Method, Pick, nearest

CONTROLS: dict[str, Method] = {
    "random": controls.pick_random,
    "longest": controls.pick_longest,
    "votes": controls.pick_votes,
}

METHODS: dict[str, Method] = {
    "lima": lima.pick,
    "quality_diversity": quality_diversity.pick,
    "facility_location": facility_location.pick,
    "k_center": k_center.pick,
    **CONTROLS,
}

_NEEDS_VECTORS = ("facility_location", "k_center")
_CRITERION = {"random": "by lot", "longest": "by length", "votes": "by votes"}


def explain_others(candidates: Candidates, pick: Pick) -> dict[int, tuple[str, str]]:
    """Say for each row that was not picked why; what the method said itself stands."""
    method = candidates.settings.method
    picked = set(pick.order)
    rest = [place for place in range(len(candidates)) if place not in picked]
    if not pick.order:
        detail = f"the recipe asks for no such row of {candidates.group}"
        return dict.fromkeys(rest, ("over_quota", detail))
    why = {place: pick.why[place] for place in rest if place in pick.why}
    left = [place for place in rest if place not in why]
    if method in _NEEDS_VECTORS:
        ids = candidates.ids
        closest, cosine = nearest(candidates.vectors.only(left), candidates.vectors[pick.order])
        for place, close, value in zip(left, closest, cosine, strict=True):
            other = ids[pick.order[close]]
            why[place] = ("not_selected", f"{other} stands for it (cosine {value:.3f})")
        return why
    for place in left:
        why[place] = ("not_selected", _standing(candidates, place, pick.order, method))
    return why


def _standing(candidates: Candidates, place: int, order: list[int], method: str) -> str:
    if method in _CRITERION:
        return f"not among the {len(order)} picked for {candidates.group} {_CRITERION[method]}"
    quality = candidates.frame["quality"]
    last = max(order)
    where = f"number {place + 1} of {len(candidates)} in {candidates.group}"
    if quality[place] is None or quality[last] is None:
        return f"{where} by votes; {len(order)} were picked"
    return f"{where} with quality {quality[place]:.3f}; the last picked has {quality[last]:.3f}"
