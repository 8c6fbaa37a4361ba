"""The selection methods by name: a new one is a module, a line here and a name in the recipe."""

from collections.abc import Iterator

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
    for place, said in zip(left, _standings(candidates, left, pick.order), strict=True):
        why[place] = ("not_selected", said)
    return why


def _standings(candidates: Candidates, left: list[int], order: list[int]) -> Iterator[str]:
    group, method = candidates.group, candidates.settings.method
    if method in _CRITERION:
        yield from [f"not among the {len(order)} picked for {group} {_CRITERION[method]}"] * len(
            left
        )
        return
    quality = candidates.frame["quality"].to_list()
    last = quality[max(order)]
    for place in left:
        where = f"number {place + 1} of {len(candidates)} in {group}"
        if quality[place] is None or last is None:
            yield f"{where} by votes; {len(order)} were picked"
        else:
            yield f"{where} with quality {quality[place]:.3f}; the last picked has {last:.3f}"
