"""Share a number of places among groups or domains: whole numbers, exact sums, no favourites.

Used by `pool` and `select`, so that both mean the same by a quota, a temperature and a refill.
"""

from collections.abc import Mapping


def temper(counts: Mapping[str, int], temperature: float) -> dict[str, float]:
    """Weigh each domain by n^(1/temperature): 1 is in proportion, more is nearer to uniform.

    LIMA (arXiv 2305.11206, section 2.1) samples with temperature 3 and prints no formula; this is
    the usual reading.
    """
    return {name: n ** (1 / temperature) for name, n in counts.items() if n > 0}


def largest_remainder(weights: Mapping[str, float], total: int) -> dict[str, int]:
    """Split `total` in proportion to `weights` into whole numbers that sum to it.

    Equal remainders go to the earlier name, so that the order of the mapping does not matter.
    """
    whole = sum(weights[name] for name in sorted(weights))
    if total <= 0 or whole <= 0:
        return dict.fromkeys(sorted(weights), 0)
    exact = {name: total * weights[name] / whole for name in sorted(weights)}
    parts = {name: int(value) for name, value in exact.items()}
    order = sorted(exact, key=lambda name: (round(parts[name] - exact[name], 9), name))
    for name in order[: total - sum(parts.values())]:
        parts[name] += 1
    return parts


def spread(weights: Mapping[str, float], room: Mapping[str, int], total: int) -> dict[str, int]:
    """Split `total` in proportion to `weights`, none above its `room` (water-filling).

    Names without weight take part only once those with weight are full, in proportion to their
    room. The parts sum to `total`, or to all the room there is.
    """
    parts = dict.fromkeys(sorted(room), 0)
    left = min(total, sum(room.values()))
    while left > 0:
        open_ = [name for name in parts if parts[name] < room[name]]
        weighted = {name: weights.get(name, 0.0) for name in open_ if weights.get(name, 0.0) > 0}
        if not weighted:
            weighted = {name: float(room[name] - parts[name]) for name in open_}
        for name, part in largest_remainder(weighted, left).items():
            parts[name] += min(part, room[name] - parts[name])
        left = min(total, sum(room.values())) - sum(parts.values())
    return parts


def fill(
    quotas: Mapping[str, int], available: Mapping[str, int], *, refill: bool
) -> tuple[dict[str, int], dict[str, int]]:
    """Turn quotas into what can be had; returns the places by group and the refill among them.

    A group with too few rows gives what it has; with `refill` the others take its missing places
    in proportion to their quotas, and groups without a quota only when those have no more.
    """
    names = sorted({*quotas, *available})
    places = {name: min(quotas.get(name, 0), available.get(name, 0)) for name in names}
    missing = sum(quotas.values()) - sum(places.values())
    extra = dict.fromkeys(names, 0)
    if refill and missing:
        room = {name: available.get(name, 0) - places[name] for name in names}
        extra = spread({name: float(quotas.get(name, 0)) for name in names}, room, missing)
    return {name: places[name] + extra[name] for name in names}, extra
