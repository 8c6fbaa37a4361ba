"""No training or validation row holds text of a test prompt of the same release."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.loading import load
from pipeline.run import Workspace, curate
from pipeline.select import SelectStage

ASKED = (
    "A baker shapes nineteen loaves before dawn and sells two of every three by noon; how many "
    "loaves are left for the evening market?"
)
SETTINGS = ["select.quotas={stem: 8}", "select.validation={stem: 2}", "select.test={stem: 1}"]
DRESSED = ASKED.upper().replace(";", " --")
PLANTED = {
    "copy": {"prompt": DRESSED},
    "response": {"response": f"My aunt had a riddle. {ASKED} Nobody knew."},
    "changed": {"prompt": ASKED.replace("dawn", "sunrise").replace("evening", "night")},
    "paraphrase": {"prompt": "Of 19 breads a third stays until the shop has closed. Which number?"},
    "earlier turn": {
        "prompt": "And of forty?",
        "history": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": "Six."}],
    },
    "other": {"prompt": "Why do bakers shape their loaves before dawn?"},
    "another": {"prompt": "How many markets are there in the evening?"},
}


def pool(make_rows: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    rows = [{"id": "test", "prompt": ASKED, "response": None}]
    rows += [{"id": name, **row} for name, row in PLANTED.items()]
    # Far apart, but for the paraphrase, whose prompt lies near the test prompt.
    vectors = np.eye(len(rows), 12)
    near = list(PLANTED).index("paraphrase") + 1
    vectors[near, 0] = 3
    extra = {"cluster": 0, "quality": 0.5, "domain_rows": 8, "tags": []}
    return make_rows([{**row, **extra} for row in rows], vectors)


def test_each_way_of_holding_a_test_prompt_is_found(run: Callable, make_rows: Callable):
    frame = pool(make_rows)
    kept, dropped, manifest = run(SelectStage.of(load("lima", SETTINGS)), frame)
    found = dict(dropped.select("id", "detail").iter_rows())
    assert manifest.dropped == {"contaminated": 5}
    ways = {
        "copy": "in our prompt (exact",
        "response": "in our response (13-gram",
        "changed": "in our prompt (",
        "paraphrase": "in our prompt (embedding",
        "earlier turn": "in our prompt (exact",
    }
    assert set(found) == set(ways)
    for name, said in ways.items():
        assert found[name].startswith("the prompt of row test of the test split")
        assert said in found[name]
    assert kept.filter(pl.col("split") != "test")["id"].sort().to_list() == ["another", "other"]


@pytest.mark.parametrize(
    "words", [["contamination.own_test=false"], ["select.test={}", "select.on_shortfall=accept"]]
)
def test_it_can_be_switched_off_and_needs_a_test_split(
    words: list[str], run: Callable, make_rows: Callable
):
    stage = SelectStage.of(load("lima", [*SETTINGS, *words]))
    _, dropped, _ = run(stage, pool(make_rows))
    assert "contaminated" not in dropped["reason"].to_list()


def test_a_setting_of_the_search_makes_the_choice_anew():
    def options(*words: str) -> object:
        return SelectStage.of(load("lima", [*SETTINGS, *words])).plan([])[0].options

    assert options() != options("contamination.cosine=0.8")
    assert options() == options("contamination.against=[x.jsonl]")


def test_a_planted_row_does_not_reach_a_release(tmp_path: Path):
    """From dumps to decisions.parquet: a row that holds a test prompt, and one that says it anew."""
    dumps = tmp_path / "dumps" / "authored"
    dumps.mkdir(parents=True)
    anew = "My rye loaf has a gummy, sticky crumb in the centre once it is baked. What causes that?"
    asked = "Why does the crumb of my rye loaf turn gummy and sticky in the middle after baking?"
    rows = {
        "holds": ("What did the baker ask you?", f"She wrote to me in spring: {asked} I told her."),
        "anew": (anew, "Rye holds much water, so bake it longer at a lower heat."),
        "tides": ("How do tides work at night?", "The moon draws the sea, by day and by night."),
        "trains": ("Why do trains lean in bends?", "So that the force presses you to the floor."),
    }
    lines = [
        {"prompt": prompt, "response": response, "id": name, "url": f"https://a.example/{name}"}
        for name, (prompt, response) in rows.items()
    ]
    lines.append({"prompt": asked, "id": "asked", "url": "https://a.example/asked"})
    common = {"author": "Ada", "licence": "CC0-1.0"}
    text = "".join(json.dumps({**line, **common}) + "\n" for line in lines)
    (dumps / "ours.jsonl").write_text(text)
    words = ["select.quotas={authored: 4}", "select.validation={}", "select.test={authored: 1}"]
    words += ["select.on_shortfall=accept", "select.size=null"]
    done = curate(load("sample", words), dumps.parent, Workspace(tmp_path / "ws"))
    decisions = pl.read_parquet(Path(done.release) / "decisions.parquet")
    books = decisions.filter(pl.col("verdict") == "dropped")
    assert set(books["reason"]) == {"contaminated"}, books
    assert set(books["stage"]) == {"select"}
    found = {name.rsplit(":", 1)[-1]: detail for name, detail in books["id", "detail"].iter_rows()}
    assert set(found) == {"holds", "anew"}
    assert "13-gram" in found["holds"]
    assert "embedding" in found["anew"]
    train = pl.read_parquet(Path(done.release) / "data" / "train.parquet")
    test = pl.read_parquet(Path(done.release) / "data" / "test.parquet")
    assert (len(train), len(test)) == (2, 1)
