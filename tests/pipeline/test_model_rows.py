"""Rows that a model wrote stay out of a release, unless the recipe gives them a share."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipeline.loading import load
from pipeline.run import Workspace, curate
from pipeline.selection.origin import cap_model_rows, most


def rows(models: int, people: int) -> pl.DataFrame:
    kinds = ["model"] * models + ["human"] * people
    return pl.DataFrame(
        {
            "id": [f"{kind}:{n}" for n, kind in enumerate(kinds)],
            "group": ["authored"] * len(kinds),
            "only_prompt": [False] * len(kinds),
            "origin": kinds,
            "quality": [n / 10 for n in range(len(kinds))],
        }
    )


@pytest.mark.parametrize(
    ("share", "people", "kept"), [(0, 6, 0), (0.25, 6, 2), (0.5, 6, 4), (0.25, 3, 1), (1, 0, 4)]
)
def test_the_best_model_rows_within_the_share_stay(share: float, people: int, kept: int):
    settings = load(
        "lima", [f"select.max_model_share={share}", "select.quotas={authored: 8}"]
    ).select
    left, over = cap_model_rows(rows(4, people), settings)
    models = left.filter(pl.col("origin") == "model")["id"].to_list()
    assert models == [f"model:{n}" for n in range(4 - kept, 4)]
    assert over["reason"].to_list() == ["model_origin"] * (4 - kept)


def test_the_share_holds_in_each_group_alone():
    settings = load(
        "lima", ["select.max_model_share=0.25", "select.quotas={authored: 4, stem: 8}"]
    ).select
    few, many = rows(4, 12), rows(4, 3).with_columns(group=pl.lit("stem"))
    both = pl.concat([few, many.with_columns(pl.col("id") + "s")])
    left, over = cap_model_rows(both, settings)
    by_group = left.filter(pl.col("origin") == "model").group_by("group").len().sort("group")
    # A quarter of four places; of eight, but as a quarter beside three rows of people.
    assert by_group.rows() == [("authored", 1), ("stem", 1)]
    assert len(over) == 6


def test_a_share_is_of_the_places_and_of_the_rows():
    assert most(0.1, 100, 1000) == 10
    assert most(0.1, 100, 9) == 1
    assert most(0, 100, 1000) == 0


RECIPE = [
    "ingest.tables=[{name: chat, path: chat.jsonl, columns: {title: q, response: a, origin: by}, "
    "values: {url: 'https://a.example', author: Ada, licence: CC0-1.0}}]",
    "select.quotas={authored: 4}",
    "select.validation={}",
    "select.test={}",
    "select.on_shortfall=accept",
    "select.size=null",
    "cluster.semantic_threshold=null",
]


@pytest.mark.parametrize(("share", "models", "stage"), [(0, 0, "filter"), (0.25, 1, "select")])
def test_a_release_holds_as_many_as_the_recipe_says(
    share: float, models: int, stage: str, tmp_path: Path
):
    topics = ("tides", "bread", "violins", "trains", "glaciers", "beacons")
    lines = [
        {
            "q": f"How do {topic} work at night?",
            "a": f"{topic.title()} work by rule {n}, as the {topic} of port {n * 7} show. " * 3,
            "by": "model" if n < 3 else "human",
        }
        for n, topic in enumerate(topics)
    ]
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    (dumps / "chat.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    recipe = load("sample", [*RECIPE, f"select.max_model_share={share}"])
    result = curate(recipe, dumps, Workspace(tmp_path / "ws"))
    release = Path(result.release)
    train = pl.read_parquet(sorted(release.glob("data/train*.parquet")))
    assert (train["origin"] == "model").sum() == models
    assert len(train) == 3 + models
    decisions = pl.read_parquet(release / "decisions.parquet")
    books = decisions.filter(pl.col("reason") == "model_origin")
    assert books["stage"].to_list() == [stage] * (3 - models)
