import itertools
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import StageError
from pipeline.recipe import Select
from pipeline.select import SelectStage
from pipeline.selection import facility_location, k_center
from pipeline.selection.certificate import certify
from pipeline.selection.choice import choose
from pipeline.selection.methods import METHODS
from pipeline.selection.shares import share
from pipeline.vectors import Vectors, snap

GROUPS = ("stem", "other", "wikihow")


def recipe(**parts) -> Select:
    plain = {"method": "quality_diversity", "quotas": {"stem": 3}, "validation": {}, "test": {}}
    return Select(**{**plain, **parts})


def scored(rows: list[dict], vectors: np.ndarray) -> tuple[pl.DataFrame, Vectors]:
    """Rows as the stage reads them: no text, and beside them the vectors, at their places."""
    plain = [
        {
            "id": f"r{i:03d}",
            "group": "stem",
            "domain": "d",
            "votes": 1,
            "created_at": datetime(2015, 1, 1) + timedelta(days=i),
            "domain_rows": 5,
            "cluster": 0,
            "quality": 0.5,
            "hint": None,
            "only_prompt": False,
            "chars": 100,
            **row,
        }
        for i, row in enumerate(rows)
    ]
    schema = {"hint": pl.String, "quality": pl.Float64, "votes": pl.Int64}
    frame = pl.DataFrame(plain, schema_overrides=schema).with_row_index("vector_row")
    return frame, Vectors.of(snap(vectors))


@st.composite
def pools(draw: st.DrawFn) -> tuple[pl.DataFrame, Vectors, Select]:
    count = draw(st.integers(1, 24))
    seed = draw(st.integers(0, 1000))
    random = np.random.default_rng(seed)
    rows = [
        {
            "group": str(random.choice(GROUPS)),
            "domain": str(random.choice(["x", "y", "z"])),
            "votes": int(random.integers(0, 4)) or None,
            "quality": float(random.integers(0, 5)) / 5,
            "hint": random.choice([None, None, None, "train", "validation"]),
            "only_prompt": bool(random.random() < 0.2),
        }
        for _ in range(count)
    ]
    quotas = {group: draw(st.integers(0, 8)) for group in GROUPS[:2]}
    chosen = recipe(
        method=draw(st.sampled_from(sorted(METHODS))),
        quotas=quotas if sum(quotas.values()) else {"stem": 1},
        validation={"stem": draw(st.integers(0, 3))},
        test={"other": draw(st.integers(0, 3))},
        on_shortfall=draw(st.sampled_from(["refill", "accept"])),
        seed=seed,
    )
    return *scored(rows, random.normal(size=(count, 3))), chosen


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pools())
def test_laws_of_every_method(case: tuple[pl.DataFrame, Vectors, Select]) -> None:
    rows, vectors, chosen = case
    shares = share(rows, chosen)
    choice = choose(rows, vectors, shares, chosen)
    # The books add up, and each row has one fate.
    assert sorted([*choice.picked["id"], *choice.dropped["id"]]) == rows["id"].to_list()
    assert set(choice.dropped["reason"]) <= {"not_selected", "over_quota"}
    joined = choice.picked.join(rows, on="id")
    counts = dict.fromkeys(("train", "validation", "test"), 0)
    for split, group, n in joined.group_by("split", "group").len().iter_rows():
        counts[split] += n
        assert n == shares.places[split][group]
        if chosen.on_shortfall == "accept":
            assert n <= shares.wanted[split].get(group, 0)
    # Exactly N when there are N rows that may be trained on; what lacks is reported.
    answers = rows.filter(~pl.col("only_prompt"))
    trainable = len(answers.filter(pl.col("hint").ne_missing("validation")))
    size = sum(chosen.train_quotas.values())
    if chosen.on_shortfall == "refill":
        assert counts["train"] == min(size, trainable)
    assert all(shares.missing(s) == sum(shares.wanted[s].values()) - n for s, n in counts.items())
    # A source's hint is law, and a bare prompt is only ever for tests.
    assert set(joined.filter(hint="validation", only_prompt=False)["split"]) <= {"validation"}
    assert set(joined.filter(hint="train", only_prompt=False)["split"]) <= {"train"}
    assert joined["only_prompt"].eq(joined["split"] == "test").all()
    # The order of the rows does not show once they are sorted by id.
    again = choose(rows.reverse().sort("id"), vectors, shares, chosen)
    assert again.picked.equals(choice.picked)
    assert again.dropped.equals(choice.dropped)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9))
def test_quality_diversity_keeps_apart_or_says_so(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    rows = [{"quality": float(q), "group": GROUPS[i % 2]} for i, q in enumerate(random.random(14))]
    frame, store = scored(rows, random.normal(size=(14, 3)))
    chosen = recipe(quotas={"stem": count, "other": count}, max_similarity=0.8)
    choice = choose(frame, store, share(frame, chosen), chosen)
    vectors = dict(zip(frame["id"], store[:], strict=True))
    picked = choice.picked["id"].to_list()
    close = [(a, b) for a, b in itertools.combinations(picked, 2) if vectors[a] @ vectors[b] >= 0.8]
    reported = sum(facts.get("taken_although_close", 0) for facts in choice.facts.values())
    assert bool(close) <= bool(reported)
    for name, detail in choice.dropped.select("id", "detail").iter_rows():
        if detail.startswith("too close to"):
            other = detail.split()[3]
            assert other in picked
            assert vectors[name] @ vectors[other] >= 0.8


@pytest.mark.parametrize("seed", range(5))
def test_facility_location_is_near_the_best_set(seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = snap(random.normal(size=(11, 3))).astype(np.float32)
    quality = random.random(11)

    def value(chosen: tuple[int, ...]) -> float:
        cover = np.maximum(vectors @ vectors[list(chosen)].T, 0).max(axis=1).sum()
        return float(cover + facility_location.QUALITY_WEIGHT * quality[list(chosen)].sum())

    lazy = facility_location.greedy(vectors, quality, 4)
    best = max(value(chosen) for chosen in itertools.combinations(range(11), 4))
    assert value(tuple(lazy)) >= (1 - 1 / np.e) * best
    plain: list[int] = []
    for _ in range(4):
        plain.append(max(set(range(11)) - set(plain), key=lambda p: (value((*plain, p)), -p)))
    assert lazy == plain


@pytest.mark.parametrize("seed", range(5))
def test_k_center_is_within_twice_the_smallest_radius(seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = snap(random.normal(size=(10, 3)))
    frame, store = scored([{} for _ in range(10)], vectors.astype(float))
    chosen = recipe(method="k_center", quotas={"stem": 3})
    picked = choose(frame, store, share(frame, chosen), chosen).picked["id"]
    between = np.linalg.norm(vectors[:, None].astype(float) - vectors[None].astype(float), axis=2)

    def radius(chosen: list[int]) -> float:
        return float(between[:, chosen].min(axis=1).max())

    best = min(radius(list(three)) for three in itertools.combinations(range(10), 3))
    assert radius([int(name[1:]) for name in picked]) <= 2 * best + 1e-6
    assert "k_center" in METHODS
    assert k_center.pick.__module__ == "pipeline.selection.k_center"


def test_certificate_agrees_with_brute_force() -> None:
    random = np.random.default_rng(5)
    vectors = snap(random.normal(size=(40, 5))).astype(np.float32)
    rows = [
        {"domain": f"d{i % 4}", "cluster": i % 7, "quality": i / 40, "chars": i} for i in range(40)
    ]
    picked = [3, 4, 8, 15, 16, 23]
    values = certify(*scored(rows, vectors), picked)
    near = [max(float(v @ vectors[p]) for p in picked) for v in vectors]
    inside = [max(float(vectors[p] @ vectors[q]) for q in picked if q != p) for p in picked]
    assert values["coverage_radius"] == round(1 - min(near), 4)
    assert values["mean_to_picked"] == pytest.approx(1 - np.minimum(near, 1).mean(), abs=1e-4)
    assert values["mean_nearest_neighbour"] == pytest.approx(1 - np.mean(inside), abs=1e-4)
    assert (values["domains"], values["clusters"]) == (2, len({p % 7 for p in picked}))
    assert values["mean_quality"] == pytest.approx(np.mean(picked) / 40, abs=1e-4)
    assert values["mean_chars"] == 11.5


def full(make_rows, count: int, **row) -> pl.DataFrame:
    random = np.random.default_rng(1)
    rows = [
        {
            "domain": f"d{i % 3}",
            "quality": i / count,
            "cluster": 0,
            "domain_rows": (1000, 8, 1)[i % 3],
            **row,
        }
        for i in range(count)
    ]
    return make_rows(rows, random.normal(size=(count, 4)))


def test_lima_draws_domains_and_takes_the_best_by_votes(make_rows, run) -> None:
    frame = full(make_rows, 60).with_columns(votes=pl.arange(60, dtype=pl.Int64))
    stage = SelectStage(recipe(method="lima", quotas={"stem": 26}, temperature=3))
    kept, dropped, _ = run(stage, frame)
    assert set(dropped["reason"]) == {"over_quota"}
    drawn = dict(kept.group_by("domain").len().iter_rows())
    assert drawn["d0"] > drawn["d1"] >= drawn.get("d2", 0)  # p is 10 : 2 : 1
    for domain, n in drawn.items():
        best = frame.filter(domain=domain).sort("votes", descending=True)["id"][:n]
        assert set(kept.filter(domain=domain)["id"]) == set(best)


def test_lima_draws_articles_by_category_then_by_chance(make_rows, run) -> None:
    frame = full(make_rows, 90).with_columns(
        votes=pl.lit(None, pl.Int64),
        domain=pl.when(pl.arange(90) < 80).then(pl.lit("large")).otherwise(pl.lit("small")),
        domain_rows=pl.lit(80, pl.Int64),
    )
    chosen = recipe(method="lima", quotas={"stem": 16}, temperature=3)
    kept, _, _ = run(SelectStage(chosen), frame)
    drawn = dict(kept.group_by("domain").len().iter_rows())
    assert drawn["small"] >= 4  # one category is as likely as the other, however large
    large = kept.filter(domain="large")["id"].to_list()
    assert large != sorted(frame.filter(domain="large")["id"])[: len(large)]


def test_output_is_ready_for_the_release(make_rows, run) -> None:
    frame = full(make_rows, 20)
    hinted = full(make_rows, 4, split="test").with_columns(id=pl.lit("t") + pl.col("id"))
    chosen = recipe(quotas={"stem": 5}, validation={"stem": 2}, test={"stem": 3})
    one = run(SelectStage(chosen), frame, hinted)
    two = run(SelectStage(chosen), hinted.reverse(), frame[7:], frame[:7])
    kept, dropped, manifest = one
    assert kept.equals(two[0])
    assert dropped.equals(two[1])
    assert kept["split"].to_list() == ["train"] * 5 + ["validation"] * 2 + ["test"] * 3
    assert kept.filter(split="test")["response"].is_null().all()
    assert not {"prompt_vector", "response_vector", "domain_rows"} & set(kept.columns)
    assert sorted(kept.filter(pl.col("split") != "test")["rank"]) == list(range(1, 8))
    facts = manifest.facts["all"]
    assert facts["rows"] == {"train": 5, "validation": 2, "test": 3}
    assert set(facts["certificate"]) == {"picked", "random", "longest", "votes"}
    assert {values["rows"] for values in facts["certificate"].values()} == {7}


def test_shortfall_is_reported_refilled_or_refused(make_rows, run) -> None:
    frame = full(make_rows, 20).with_columns(
        group=pl.when(pl.col("quality") < 0.1).then(pl.lit("wikihow")).otherwise(pl.lit("stem"))
    )
    quotas = {"stem": 5, "wikihow": 4}
    _, _, manifest = run(SelectStage(recipe(quotas=quotas)), frame)
    (line,) = manifest.facts["all"]["shortfall"]
    assert line == {
        "split": "train",
        "group": "wikihow",
        "wanted": 4,
        "got": 2,
        "missing": 2,
        "because": [],
    }
    assert manifest.facts["all"]["missing"]["train"] == 2
    kept, _, manifest = run(SelectStage(recipe(quotas=quotas, on_shortfall="refill")), frame)
    assert len(kept) == 9
    assert manifest.facts["all"]["refilled"]["train"] == {"stem": 2}
    with pytest.raises(StageError, match="wikihow is short of 2 of 4 rows for train"):
        run(SelectStage(recipe(quotas=quotas, on_shortfall="fail")), frame)


def test_why_a_row_was_not_picked_reads_well(make_rows, run) -> None:
    frame = make_rows(
        [{"quality": q, "cluster": 0, "domain_rows": 3} for q in (0.9, 0.8, 0.7, 0.1)],
        np.array([[1, 0], [1, 0.1], [0, 1.0], [-1, 0]]),
    )
    _, dropped, _ = run(SelectStage(recipe(quotas={"stem": 2})), frame)
    assert dropped["detail"].to_list() == [
        "too close to r000 (cosine 0.995)",
        "number 4 of 4 in stem with quality 0.100; the last picked has 0.700",
    ]
    _, dropped, _ = run(SelectStage(recipe(method="k_center", quotas={"stem": 3})), frame)
    assert dropped["detail"].to_list() == ["r000 stands for it (cosine 0.995)"]
    _, dropped, _ = run(SelectStage(recipe(quotas={"other": 2})), frame)
    assert set(dropped["detail"]) == {"the recipe asks for no such row of stem"}
