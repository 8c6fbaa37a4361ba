from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.quotas import fill, largest_remainder, spread, temper

NAMES = st.sampled_from("abcdefgh")
COUNTS = st.dictionaries(NAMES, st.integers(0, 50), min_size=1)


def test_temperature_three_is_the_cube_root() -> None:
    weights = temper({"big": 1000, "small": 8, "empty": 0}, 3)
    assert {name: round(weight, 9) for name, weight in weights.items()} == {"big": 10, "small": 2}


def test_largest_remainder_gives_ties_to_the_earlier_name() -> None:
    assert largest_remainder({"b": 1, "a": 1, "c": 1}, 4) == {"a": 2, "b": 1, "c": 1}


def test_spread_pours_over_what_a_full_name_cannot_hold() -> None:
    assert spread({"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 50, "c": 50}, 30) == {
        "a": 2,
        "b": 14,
        "c": 14,
    }


@settings(deadline=None)
@given(weights=COUNTS, room=COUNTS, total=st.integers(0, 200))
def test_spread_fills_exactly_and_never_above_room(
    weights: dict[str, int], room: dict[str, int], total: int
) -> None:
    parts = spread({k: float(v) for k, v in weights.items()}, room, total)
    assert sum(parts.values()) == min(total, sum(room.values()))
    assert all(0 <= parts[name] <= room[name] for name in room)


@settings(deadline=None)
@given(quotas=COUNTS, available=COUNTS, refill=st.booleans())
def test_fill_reaches_the_sum_whenever_rows_allow(
    quotas: dict[str, int], available: dict[str, int], refill: bool
) -> None:
    places, extra = fill(quotas, available, refill=refill)
    assert all(places[name] <= available.get(name, 0) for name in places)
    if refill:
        assert sum(places.values()) == min(sum(quotas.values()), sum(available.values()))
    else:
        assert not any(extra.values())
        assert places == {n: min(quotas.get(n, 0), available.get(n, 0)) for n in places}
