import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline import loading as recipes
from pipeline.manifest import Manifest, describe, write_manifest
from pipeline.record import CANDIDATE, DROPPED, RAW, raw_frame
from pipeline.tables import write
from pipeline.vectors import PROMPT, RESPONSE, column, snap

STAGES = (
    "ingest",
    "clean",
    "filter",
    "signatures",
    "dedup",
    "pool",
    "embed",
    "cluster",
    "score",
    "select",
)
HOSTILE = "Pipes | and <script>alert(1)</script> ](javascript:x)\n# of `code`"


def candidate(number, **changes):
    site = ("cooking", "stem")[number % 2]
    row = {
        "id": f"stackexchange:{site}:{number}",
        "source": "stackexchange",
        "group": ("other", "stem")[number % 2],
        "domain": site,
        "title": f"How do I do thing {number} well?",
        "prompt": f"How do I do thing {number} well?",
        "response": f"Do it {number} times.\n\n```\ncode\n```",
        "history": [],
        "url": f"https://{site}.stackexchange.com/a/{number}",
        "author": f"Author {number}",
        "author_url": f"https://{site}.stackexchange.com/users/{number}",
        "licence": "CC BY-SA 4.0",
        "created_at": datetime(2020, 1, number),
        "votes": 10 + number,
        "origin": "human",
    }
    return row | changes


ROWS = [
    candidate(1),
    candidate(
        2,
        title=HOSTILE,
        author="Eve] | @all <b>",
        prompt_author="_Asker_",
        prompt_url="https://cooking.stackexchange.com/q/20",
        prompt_author_url="https://cooking.stackexchange.com/users/20",
        licence="CC BY-SA 3.0",
    ),
    candidate(3),  # filter: too_short
    candidate(4),  # dedup: duplicate_near
    candidate(5),  # select: not_selected
    candidate(6),
    candidate(
        7,
        id="reddit:AskReddit:x7",
        source="reddit",
        group="reddit",
        domain="AskReddit",
        licence="LicenseRef-Reddit",
        response=None,
    ),
    candidate(
        8,
        id="authored:a8",
        source="authored",
        group="authored",
        domain="letters",
        url="urn:thousand:authored:a8",
        licence="CC0-1.0",
        system="Be brief.",
        history=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
    ),
]
MALFORMED = ("malformed:cooking/Posts.xml:9", "malformed", "an attribute has no end")
DROPS = {
    "filter": [("stackexchange:stem:3", "too_short", "27 characters, 1200 are asked for")],
    "dedup": [("stackexchange:cooking:4", "duplicate_near", "stackexchange:cooking:2")],
    "select": [("stackexchange:stem:5", "not_selected", "rank 2 of 1 in stem")],
}
PICKED = {
    "stackexchange:stem:1": "train",
    "stackexchange:cooking:2": "train",
    "stackexchange:cooking:6": "train",
    "authored:a8": "validation",
    "reddit:AskReddit:x7": "test",
}


def make_run(root, rows=ROWS, drops=DROPS, picked=PICKED, left_out=3, said=None):
    """Write a run of `rows` whose books add up; returns its folder."""
    run = Path(root) / "runs" / "tiny"
    shutil.rmtree(run, ignore_errors=True)
    alive = list(rows)
    for stage in STAGES:
        folder = run / stage
        (folder / "dropped").mkdir(parents=True, exist_ok=True)
        lines = drops.get(stage, [])
        came = len(alive)
        gone = {line[0] for line in lines}
        alive = [row for row in alive if row["id"] not in gone]
        dropped: dict[str, int] = {}
        for line in lines:
            dropped[line[1]] = dropped.get(line[1], 0) + 1
        facts = {}
        if stage == "ingest":
            lines = [MALFORMED]
            dropped = {"low_votes": left_out, "malformed": 1}
            came += left_out + 1
            facts["cooking"] = {
                "inputs": [{"file": "stackexchange/cooking/Posts.xml", "sha256": "ab", "bytes": 9}],
                "rows": {"stackexchange/cooking/Posts.xml": came},
            }
        frame(stage, alive, picked).write_parquet(
            folder / ("all.parquet" if stage == "select" else "cooking.parquet")
        )
        if lines:
            books = [(line[0], stage, *line[1:]) for line in lines]
            pl.DataFrame(books, schema=DROPPED, orient="row").write_parquet(
                folder / "dropped" / "cooking.parquet"
            )
        if stage == "dedup":
            tables(folder)
        if stage == "select":
            write(
                pl.DataFrame({"set": ["votes"], "id": ["stackexchange:stem:5"]}),
                folder / "tables" / "controls.parquet",
            )
            facts["all"] = select_facts() | (said or {})
        files = [describe(path, folder) for path in sorted(folder.rglob("*.parquet"))]
        write_manifest(folder, Manifest(stage, "key", files, came, len(alive), dropped, facts, 0.1))
    return run


def frame(stage, rows, picked):
    if stage == "ingest":
        raw = [
            {name: row.get(name) for name in RAW} | {"body": "<p>x</p>", "markup": "html"}
            for row in rows
        ]
        return raw_frame(raw)
    made = pl.DataFrame([{name: row.get(name) for name in CANDIDATE} for row in rows], CANDIDATE)
    if stage in ("cluster", "score", "select"):
        made = made.with_columns(
            cluster=pl.lit(3, pl.Int32), cluster_words=pl.lit("thing, well, times")
        )
    if stage in ("cluster", "score"):
        grid = snap(np.eye(len(made), 384) + 0.2)
        vectors = [column(PROMPT, grid), column(RESPONSE, grid)]
        place = pl.int_range(pl.len()).cast(pl.Float64)
        made = made.with_columns(*vectors, x=place, y=-place)
    if stage in ("score", "select"):
        made = made.with_columns(
            quality=pl.lit(0.5) + pl.int_range(pl.len()) / 100,
            quality_parts=pl.struct(votes=pl.lit(0.7), fit=pl.lit(None, pl.Float64)),
        )
    if stage == "select":
        made = made.with_columns(
            pl.col("id").replace_strict(picked).alias("split"),
            pl.int_range(1, pl.len() + 1).alias("rank"),
            prompt_vector=pl.lit([0.0, 1.0]),
            x=pl.lit(0.1),
        )
    return made


def tables(folder):
    (folder / "tables").mkdir(exist_ok=True)
    pl.DataFrame(
        {
            "cluster": [0, 0],
            "id": ["stackexchange:cooking:2", "stackexchange:cooking:4"],
            "keeps": [True, False],
            "similarity_to_kept": [1.0, 0.83],
        }
    ).write_parquet(folder / "tables" / "clusters.parquet")
    pl.DataFrame(
        {
            "a": ["stackexchange:cooking:2"],
            "b": ["stackexchange:cooking:4"],
            "field": ["response"],
            "jaccard": [0.83],
            "duplicate": [True],
        }
    ).write_parquet(folder / "tables" / "pairs.parquet")


def select_facts():
    return {
        "certificate": {
            "picked": {"coverage_radius": 0.4, "domains": 2, "mean_chars": 2357.682},
            "random": {"coverage_radius": 0.5, "domains": 1, "mean_chars": 1234.4},
        },
        "shortfall": [],
        "refilled": {},
    }


TINY = {
    "name": "tiny",
    "gates": {"max_duplicates": None},  # rows of a test may be alike
    "select": {
        "quotas": {"stem": 1, "other": 2},
        "validation": {"authored": 1},
        "test": {"reddit": 1},
    },
}


@pytest.fixture
def tiny():
    return recipes.parse(TINY, "tiny")


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path)
