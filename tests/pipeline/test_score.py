import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.explain import explain
from pipeline.recipe import Score, Weights
from pipeline.score import length, structure
from pipeline.score.combine import combine
from pipeline.score.parts import PARTS
from pipeline.score.stage import ScoreStage


def judge(text: str | None) -> float | None:
    return structure.measure(pl.DataFrame({"response": [text]}, schema={"response": pl.String}))[0]


def test_structure_prefers_what_can_be_read() -> None:
    sentence = "This explains one thing in some words. "
    wall = sentence * 60
    paragraphs = "\n\n".join([sentence * 6] * 6)
    steps = "\n".join(f"{i}. {sentence}" for i in range(1, 8))
    bare = "```python\n" + "x = 1\n" * 80 + "```"
    explained = f"{sentence * 3}\n\n{bare[:200]}\n```\n\n{sentence * 3}"
    assert judge(wall) < judge(paragraphs) < judge(f"{paragraphs}\n\n{steps}")
    assert judge(steps) > judge(wall)  # a long tight list is no wall
    assert judge(bare) < judge(explained)
    assert judge(None) is None


def test_length_saturates_and_falls_for_the_longest() -> None:
    ranks = pl.DataFrame({"rank": [0.1, 0.5, 0.9, 1.0]})
    assert ranks.select(length.shape(pl.col("rank")).round(9))["rank"].to_list() == [
        0.2,
        1,
        1,
        0.75,
    ]


def test_ranks_are_inside_the_group_and_a_lacking_part_counts_as_its_middle(make_rows, run) -> None:
    vectors = np.eye(4)
    rows = [
        {"group": "stem", "votes_rank": 0.91, "accepted": True},
        {"group": "stem", "votes_rank": 0.99, "accepted": None},
        {"group": "wikihow", "votes_rank": None},
        {"group": "reddit", "response": None, "votes_rank": 0.5},
    ]
    weights = Weights(votes=1, accepted=1, structure=0, length=0, fit=0)
    frame = make_rows(rows, vectors)
    kept, _, _ = run(ScoreStage(Score(weights=weights)), frame[:2], frame[2:])
    parts = kept["quality_parts"].struct.unnest()
    assert parts["votes"].to_list() == [0.25, 0.75, None, None]
    # The only mark of the asker in the group is 1: that is its middle. wikiHow has no such part.
    assert kept["quality"].to_list() == [0.625, 0.875, None, None]
    plain = [part.name for part in PARTS if part.reads is None]
    assert parts.row(3) == (None,) * len(plain)
    assert parts["structure"][2] == 0.5  # a lone row of its group
    assert parts.columns == plain
    assert [*(part.name for part in PARTS), "learned"] == list(Weights.model_fields)


def test_the_story_of_a_row_takes_its_score_apart_and_the_parts_add_up(make_rows, run, tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        {"votes_rank": float(rng.random()), "accepted": bool(n % 2) if n < 7 else None}
        | {"response": "\n\n".join(["A line of text."] * (n + 1))}
        for n in range(9)
    ]
    frame = make_rows([*rows, {"response": None}], rng.normal(size=(10, 4)))
    weights = Weights(votes=0.5, accepted=0.2, structure=0, length=0.1, fit=0.3)
    kept, _, _ = run(ScoreStage(Score(weights=weights)), frame)
    (folder,) = tmp_path.glob("call-*")
    for row in kept.iter_rows(named=True):
        story = explain(folder, row["id"], ["score"])
        (chapter,) = story.to_json()["chapters"]
        if row["quality"] is None:
            assert chapter["parts"] is None
            continue
        parts = {part.pop("part"): part for part in chapter["parts"]}
        assert sum(part["adds"] or 0 for part in parts.values()) == pytest.approx(
            row["quality"], abs=1e-6
        )
        assert {name: part["value"] for name, part in parts.items()} == row["quality_parts"]
        assert parts["votes"]["measured"] == row["votes_rank"]
        assert parts["length"]["measured"] == len(row["response"])
        share = 0.5 / 1.1
        assert parts["votes"]["adds"] == pytest.approx(share * row["quality_parts"]["votes"])
        if row["accepted"] is None:
            (line,) = [line for line in chapter["lines"] if line.startswith("accepted")]
            assert "counts as 0.429, the middle of its group, weight 0.20 of 1.10" in line
            assert parts["accepted"]["adds"] == pytest.approx(0.2 / 1.1 * 3 / 7)
        shown = [float(line.split("adds ")[1]) for line in chapter["lines"] if "adds" in line]
        assert sum(shown) == pytest.approx(row["quality"], abs=0.003)


def test_fit_is_the_cosine_of_prompt_and_response(make_rows) -> None:
    frame = make_rows([{}, {"response": None}], np.eye(2))
    (fit,) = [part for part in PARTS if part.name == "fit"]
    assert fit.measure(frame).to_list() == [1.0, None]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), *[st.none() | st.floats(0, 1) for _ in PARTS]), min_size=1
    )
)
def test_quality_stays_in_range_and_says_when_it_knows_nothing(rows) -> None:
    schema = {"group": pl.String, **{part.name: pl.Float64 for part in PARTS}}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("id")
    scores = combine(frame, Weights(ifd=1, perplexity=1).model_dump(), PARTS)
    for row, quality in zip(rows, scores["quality"], strict=True):
        known = [value for value in row[1:] if value is not None]
        assert (quality is None) == (not known)
        assert quality is None or 0 <= quality <= 1


@given(
    st.lists(
        st.tuples(st.floats(0, 1), *[st.none() | st.floats(0, 1) for _ in range(2)]), min_size=1
    )
)
def test_what_is_not_measured_neither_lifts_nor_lowers_its_group(rows) -> None:
    parts = [part for part in PARTS if part.name in ("votes", "judge", "ifd")]
    schema = dict.fromkeys((part.name for part in parts), pl.Float64)
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("id")
    weights = {"votes": 0.3, "judge": 0.5, "ifd": 0.2}
    scores = combine(frame.with_columns(group=pl.lit("a")), weights, parts)
    means = scores["quality_parts"].struct.unnest().mean().row(0, named=True)
    there = [name for name, mean in means.items() if mean is not None]
    expected = sum(weights[name] * means[name] for name in there)
    expected /= sum(weights[name] for name in there)
    assert scores["quality"].mean() == pytest.approx(expected, abs=1e-5)


def test_parts_that_nobody_has_or_weighs_make_no_quality() -> None:
    """A recipe whose only weight is on what a model reads ranks nothing before it has read."""
    frame = pl.DataFrame(
        {"id": ["a", "b", "c"], "group": ["g"] * 3, "votes": [0.5, 0.7, None]},
        schema_overrides={"votes": pl.Float64},
    )
    votes = [part for part in PARTS if part.name == "votes"]
    assert combine(frame, {"ifd": 1.0}, votes)["quality"].to_list() == [None] * 3
    ifd = [part for part in PARTS if part.name == "ifd"]
    some = frame.with_columns(ifd=pl.Series([None, 0.9, None], dtype=pl.Float64))
    scores = combine(some, {"ifd": 1.0}, [*votes, *ifd])["quality"]
    assert scores.to_list() == [0.5, 0.5, None]  # the one that was not read, as the middle


def test_all_weights_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="no score can be made"):
        Score(weights=Weights(**dict.fromkeys(Weights.model_fields, 0)))
    none = dict.fromkeys(("votes", "accepted", "structure", "length", "judge", "fit"), 0)
    assert Score(weights=Weights(**none), learned="m")
