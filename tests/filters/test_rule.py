from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.flags import adult, after_cutoff
from filters.length import too_long, too_short
from filters.prompt import not_self_contained
from filters.provenance import refused_licence
from filters.references import refers_to_other_answers
from filters.repetition import repeated_or_lost
from filters.rule import Rule, judge, judge_all
from filters.substance import little_prose
from filters.voice import first_person
from filters.votes import low_votes

RULES = (
    refers_to_other_answers(wider=True),
    first_person(),
    little_prose(),
    repeated_or_lost(losses=1),
    not_self_contained(),
    too_short(20),
    too_long(60).only("group", ["stem"]),
    low_votes(2),
    adult().excepting("group", ["other"]),
    refused_licence(["MIT", "CC BY-NC-SA 3.0"]),
    after_cutoff(date(2022, 11, 30)),
)
TEXT = st.lists(
    st.sampled_from(
        [
            "I think",
            "my",
            "`I`",
            '"I"',
            "> I\n",
            "@user said",
            "as mentioned,",
            "the other answers",
            "Cook it for minutes.",
            "The same sentence is said again and again.",
            "What is this?",
            "How do bees fly in the rain",
            "[deleted]",
            "```\nI\n```",
            "é",
            "\n\n",
            " ",
        ]
    ),
    max_size=6,
).map(" ".join)
ROW = st.fixed_dictionaries(
    {
        "prompt": TEXT,
        "response": st.none() | TEXT,
        "group": st.none() | st.sampled_from(["stem", "other"]),
        "votes": st.none() | st.integers(-3, 20),
        "adult": st.none() | st.booleans(),
        "licence": st.sampled_from([None, "", "CC BY-SA 4.0", "CC BY-NC-SA", "CC0"]),
        "created_at": st.none() | st.datetimes(datetime(2010, 1, 1), datetime(2024, 1, 1)),
    }
)
SCHEMA = {
    "id": pl.Int64,
    "prompt": pl.String,
    "response": pl.String,
    "group": pl.String,
    "votes": pl.Int64,
    "adult": pl.Boolean,
    "licence": pl.String,
    "created_at": pl.Datetime("us"),
}


def candidates(rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame([{"id": i, **row} for i, row in enumerate(rows)], schema=SCHEMA)


@settings(deadline=None, max_examples=60)
@given(st.lists(ROW, max_size=12), st.randoms(use_true_random=False))
def test_laws_of_judging(rows, random):
    frame = candidates(rows)
    judged = judge(frame, RULES)
    assert judged.drop("reason", "detail").equals(frame)

    kept = judged.filter(pl.col("reason").is_null())
    assert judge(kept, RULES)["reason"].null_count() == len(kept)

    order = list(range(len(rows)))
    random.shuffle(order)
    assert judge(frame[order], RULES).equals(judged[order])

    broken = judge_all(frame, RULES)
    assert broken.select(pl.any_horizontal(pl.all())).to_series().to_list() == (
        judged["reason"].is_not_null().to_list()
    )
    for reason, row in zip(judged["reason"], broken.iter_rows(named=True), strict=True):
        assert reason is None or row[reason]
    assert judged.filter(pl.col("reason").is_not_null())["detail"].null_count() == 0

    assert judge(frame.lazy(), RULES).collect().equals(judged)
    assert judge_all(frame.lazy(), RULES).collect().equals(broken)


def test_the_cheapest_broken_rule_gives_the_reason():
    frame = pl.DataFrame({"response": ["I think so"], "votes": [1]})
    assert judge(frame, [first_person(), too_short(), low_votes()]).rows() == [
        ("I think so", 1, "low_votes", "1 votes, at least 10")
    ]


def test_costly_rules_do_not_see_rows_that_a_cheap_rule_dropped():
    seen: list[str] = []

    def look(texts: pl.Series) -> pl.Series:
        seen.extend(texts)
        return pl.Series([False] * len(texts), dtype=pl.Boolean)

    costly = Rule(
        code="costly",
        fails=pl.col("response").map_batches(look, return_dtype=pl.Boolean),
        detail=pl.lit("seen"),
        needs=frozenset({"response"}),
        cost=100,
        source="this test",
    )
    judge(pl.DataFrame({"response": ["no", "long enough"]}), [costly, too_short(5)])
    assert seen == ["long enough"]


def test_a_rule_whose_columns_are_missing_does_not_apply():
    frame = pl.DataFrame({"response": ["short"], "votes": [None]})
    rules = [low_votes(), adult(), too_short().only("group", ["stem"]), not_self_contained()]
    assert judge(frame, rules)["reason"].to_list() == [None]
    assert judge_all(frame, rules).rows() == [(None, None, None, None)]
    assert judge_all(frame, rules).columns == [
        "low_votes",
        "adult",
        "too_short",
        "not_self_contained",
    ]


def test_a_null_passes():
    frame = pl.DataFrame(
        {"response": [None], "votes": [None], "prompt": [None]},
        schema={"response": pl.String, "votes": pl.Int64, "prompt": pl.String},
    )
    rules = [low_votes(), too_short(), first_person(), not_self_contained()]
    assert judge(frame, rules)["reason"].to_list() == [None]


def test_rules_of_one_code_are_one_column():
    frame = pl.DataFrame({"response": ["x" * 30, "x" * 30], "group": ["stem", "other"]})
    rules = [too_short(40).only("group", ["stem"]), too_short(20).only("group", ["other"])]
    assert judge_all(frame, rules)["too_short"].to_list() == [True, False]
    assert judge(frame, rules)["reason"].to_list() == ["too_short", None]


def test_an_earlier_judgement_is_replaced():
    frame = judge(pl.DataFrame({"response": ["short"]}), [too_short()])
    assert judge(frame, [too_long()]).columns == ["response", "reason", "detail"]
    assert judge(frame, [too_long()])["reason"].to_list() == [None]


@pytest.mark.parametrize("rules", [RULES, ()])
def test_a_frame_without_rows(rules):
    assert judge(candidates([]), rules).is_empty()
    assert judge_all(candidates([]), rules).is_empty()


def test_no_rules_keep_every_row():
    frame = pl.DataFrame({"response": ["short", None]})
    assert judge(frame, [])["reason"].to_list() == [None, None]


def test_a_lazy_judgement_can_be_filtered_later():
    frame = pl.LazyFrame({"response": ["short", "x" * 30], "votes": [1, 2]})
    kept = judge(frame, [too_short(20)]).filter(pl.col("reason").is_null()).select("votes")
    assert kept.collect()["votes"].to_list() == [2]
