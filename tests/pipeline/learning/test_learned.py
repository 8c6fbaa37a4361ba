"""The files of a learned score, the labels it learns from, and its place in the score stage."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.errors import CurationError, ModelError, SourceError
from pipeline.learning.fit import Training, train
from pipeline.learning.labels import contrasted, counted_once, labelled, named_groups, topics
from pipeline.learning.learn import below_length, write
from pipeline.learning.measures import Figure
from pipeline.recipe import Embed, Score
from pipeline.score.learned import COLUMNS, Learned, embedding_of, load, measure
from pipeline.score.stage import ScoreStage
from pipeline.score.surface import FEATURES, surface
from pipeline.stage import InputFile
from pipeline.vectors import PROMPT, RESPONSE, column, snap

MEASURED = {
    "folds": 5,
    "figures": {},
    "calibration_error": 0.1,
    "reliability": [],
}
TRAINED = {"files": [], "rows": 1, "groups": 1, "grouped_by": "sites", "labels": "from 0 to 1"}


@pytest.fixture(scope="module")
def model() -> Learned:
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(300, len(COLUMNS)))
    about = {
        "embedding": embedding_of(Embed()),
        "seed": 0,
        "trained_on": TRAINED,
        "measured": MEASURED,
        "warnings": ["By AUC the learned score is below length alone."],
    }
    return train(Training(columns, columns[:, 0], np.arange(300) % 6), about)


def frame(*responses: str | None) -> pl.DataFrame:
    vectors = column("v", snap(np.eye(len(responses), 8) + 0.1))
    return pl.DataFrame(
        {
            "id": [f"r{row}" for row in range(len(responses))],
            "group": "stem",
            "prompt": "How does a wok work?",
            "response": responses,
            "votes_rank": 0.5,
            "accepted": False,
            PROMPT: vectors,
            RESPONSE: vectors,
        },
        schema_overrides={"response": pl.String},
    )


def test_a_saved_score_is_the_same_to_the_last_bit(model: Learned, tmp_path: Path):
    write(model, tmp_path / "m")
    again = load(tmp_path / "m")
    columns = np.random.default_rng(1).normal(size=(40, len(COLUMNS)))
    assert again.predict(columns).tolist() == model.predict(columns).tolist()
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "README.md",
        "model.json",
        "model.safetensors",
    ]
    assert len({p.stat().st_mode for p in (tmp_path / "m").iterdir()}) == 1
    card = (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    assert "Length alone" in card
    assert "**Warning.** By AUC the learned score is below length alone.\n" in card


def test_a_damaged_a_foreign_and_a_missing_model_are_refused(model: Learned, tmp_path: Path):
    with pytest.raises(ModelError, match=r"model\.json is not there"):
        load(tmp_path)
    write(model, tmp_path / "m")
    about = json.loads((tmp_path / "m" / "model.json").read_text(encoding="utf-8"))
    weights = tmp_path / "m" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelError, match="not what was trained"):
        load(tmp_path / "m")
    weights.write_bytes(whole)
    (tmp_path / "m" / "model.json").write_text(json.dumps({**about, "columns": ["x"]}))
    with pytest.raises(ModelError, match="another version of Thousand"):
        load(tmp_path / "m")
    (tmp_path / "m" / "model.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path / "m")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("coefficients", np.zeros(3)),
        ("coefficients", np.full(len(COLUMNS), np.nan)),
        ("scale", np.zeros(len(COLUMNS))),
        ("feature", None),
        ("left", None),
    ],
)
def test_forged_arrays_are_refused_even_with_their_digest(
    model: Learned, tmp_path: Path, name: str, value: np.ndarray | None
):
    if value is None:  # a feature that is not there; a node that is its own child
        value = np.full_like(model.arrays[name], 999 if name == "feature" else 0)
    write(Learned({**model.arrays, name: value}, model.about), tmp_path / "m")
    with pytest.raises(ModelError, match="no arrays of a learned score"):
        load(tmp_path / "m")


def test_a_folder_with_other_files_is_not_overwritten(model: Learned, tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(CurationError, match="holds other files"):
        write(model, tmp_path)
    assert (tmp_path / "thesis.tex").exists()
    for name, text in (("keras", '{"class_name": "Sequential"}'), ("ours", None)):
        write(model, tmp_path / "x" / name)
        other = tmp_path / "x" / name / ("model.json" if text else "notes.txt")
        other.write_text(text or "mine")
        with pytest.raises(CurationError, match="holds other files"):
            write(model, other.parent)
        assert other.read_text() == (text or "mine")
    with pytest.raises(CurationError, match="is a file"):
        write(model, tmp_path / "thesis.tex")


def test_the_folder_that_one_stands_in_is_not_replaced(
    model: Learned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CurationError, match="name a new one"):
        write(model, Path())


def test_the_stage_takes_it_as_one_part_and_its_digest_into_the_key(model: Learned, tmp_path: Path):
    write(model, tmp_path / "m")
    frame("1. Heat it.\n2. Stir.", "ok", None).write_parquet(tmp_path / "in.parquet")
    file = InputFile(tmp_path / "in.parquet", "x", "cluster/in.parquet")
    stage = ScoreStage(Score(learned=str(tmp_path / "m")))
    (shard,) = stage.plan([file])
    assert dict(shard.options)["learned"] == load(tmp_path / "m").about["sha256"]
    with pytest.raises(ModelError, match=r"embed\.max_tokens 256, and the recipe has 64"):
        ScoreStage(stage.settings, embed=Embed(max_tokens=64)).plan([file])
    other = {**model.about, "embedding": {**model.about["embedding"], "sha256": "x"}}
    write(Learned(model.arrays, other), tmp_path / "other")
    with pytest.raises(ModelError, match=r"with embed\.model gt-all.*has another of that name"):
        ScoreStage(Score(learned=str(tmp_path / "other"))).plan([file])
    assert not ScoreStage(Score()).plan([file])[0].options
    anew = replace(shard, options=(("learned", "0" * 64),))
    with pytest.raises(ModelError, match="trained anew during the run"):
        stage.work(anew, tmp_path / "never")
    stage.work(shard, tmp_path / "out")
    scored = pl.concat(pl.read_parquet(p) for p in (tmp_path / "out").glob("*.parquet")).sort("id")
    parts = scored["quality_parts"].struct.field("learned")
    assert sorted(parts.drop_nulls().to_list()) == [0.25, 0.75]
    assert scored["quality"][2] is None


def test_rows_without_a_response_have_no_learned_score(model: Learned):
    assert measure(frame("a text", None), model).is_null().to_list() == [False, True]


def test_surface_features_count_what_they_say():
    one = surface(
        pl.DataFrame(
            {
                "prompt": ["How do I season a wok?"],
                "response": ["Heat it.\n\n- First, oil it.\n- Then wait!\n\n```\nx = 1\n```"],
            }
        )
    ).row(0, named=True)
    assert list(one) == list(FEATURES)
    assert one["list_items"] == pytest.approx(np.log1p(2))
    assert one["prompt_is_how"] == 1
    assert one["code_share"] > 0.2
    assert one["ends_whole"] == 1  # a closing fence
    assert one["exclamations"] > 0


@pytest.mark.parametrize("text", [None, "", "   ", "\u0301", "漢字" * 500, "`" * 1000])
def test_surface_features_of_odd_texts_are_numbers(text: str | None):
    odd = pl.DataFrame(
        {"prompt": [text], "response": [text]}, schema={"prompt": pl.String, "response": pl.String}
    )
    assert np.isfinite(surface(odd).to_numpy()).all()


def test_labels_are_numbers_or_verdicts_and_sites_are_found(tmp_path: Path):
    path = tmp_path / "labels.jsonl"
    records = [
        {"prompt": "p", "response": "r", "verdict": "accept", "domain": "cooking"},
        {"prompt": "p", "response": "r", "verdict": "0.25", "domain": "cooking"},
        {"prompt": "p", "response": "r", "verdict": "Reject", "domain": "travel"},
        {"prompt": "p", "response": "r", "domain": "travel"},
        {"prompt": "p", "response": " ", "verdict": "accept"},
    ]
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    frame, told = labelled([path], "verdict", None)
    assert told == [
        "Rows without a prompt or a response, which are left out: 1.",
        "Rows without a label, which are left out: 1.",
    ]
    assert frame["label"].to_list() == [1, 0.25, 0]
    assert frame["group"].to_list() == ["cooking", "cooking", "travel"]
    assert contrasted([path], [path], None)[0]["label"].to_list() == [1.0] * 4 + [0.0] * 4
    with pytest.raises(CurationError, match="no row has a label in a column 'stars'"):
        labelled([path], "stars", None)
    path.write_text(json.dumps({"prompt": "p", "response": "r", "label": "fine"}))
    with pytest.raises(CurationError, match="record 1: the label 'fine' is neither"):
        labelled([path], "label", None)


@pytest.mark.parametrize("name", ["number", "group", "file", "label", "stars"])
def test_a_column_of_labels_may_have_any_name(name: str, tmp_path: Path):
    path = tmp_path / "rows.csv"
    path.write_text(f"prompt,response,site,{name}\np,r,cooking,3\np,s,travel,1\n")
    frame, _ = labelled([path], name, None)
    assert (frame["label"].to_list(), frame["group"].to_list()) == ([3, 1], ["cooking", "travel"])


def test_an_edit_counts_with_the_text_that_the_reviewer_wrote(tmp_path: Path):
    path = tmp_path / "decisions.csv"
    lines = [
        "prompt,response,verdict,new_prompt,new_response",
        "p,r,edit,,better",
        "p,q,reject,,other",
    ]
    path.write_text("\n".join(lines))
    frame, _ = labelled([path], "verdict", None)
    assert list(frame.select("response", "label").iter_rows()) == [("better", 1), ("q", 0)]
    with pytest.raises(CurationError, match="'new_response' holds texts"):
        labelled([path], "new_response", None)
    path.write_text("prompt,response,review\np,r,edited\n")
    assert labelled([path], "review", None)[0]["label"].to_list() == [1]


def test_a_record_without_a_prompt_is_named(tmp_path: Path):
    path = tmp_path / "rows.csv"
    path.write_text("prompt,response,stars\np,r,3\n,s,1\n")
    with pytest.raises(SourceError, match="record 2: its prompt is empty"):
        labelled([path], "stars", None)


def given(*rows: tuple[str, float]) -> pl.DataFrame:
    texts, labels = zip(*rows, strict=True)
    return pl.DataFrame({"prompt": "p", "response": texts, "label": labels, "group": "g"})


def test_rows_given_twice_count_once_and_several_labels_are_told():
    frame = given(("a", 1.0), ("a", 1.0), ("b", 1.0), ("b", 0.0), ("c", 0.0))
    once, told = counted_once(frame)
    assert once["response"].to_list() == ["a", "b", "b", "c"]
    assert told == [
        "Rows given again with the same label, which count once: 1.",
        "Rows given with more than one label, each of which counts: 1 of 3.",
    ]
    assert counted_once(once.head(2))[1] == []
    with pytest.raises(CurationError, match="All 2 labelled rows are given with more than one"):
        counted_once(given(("a", 1.0), ("b", 0.0), ("a", 0.0), ("b", 1.0), ("a", 1.0)))


def test_topics_stand_in_for_sites_where_a_row_names_none_and_that_is_told():
    frame = given(*((str(row), 0.0) for row in range(50)))
    vectors = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    found = named_groups(frame, None)
    assert found is not None
    assert found[1] == "sites"
    some = frame.with_columns(group=pl.when(pl.col("response") > "4").then("group"))
    assert named_groups(some, None) is None
    told = topics(some, vectors, None)[1]
    count = some["group"].null_count()
    assert told == f"topics of the prompts, by k-means, since some rows ({count}) name no site"
    for groups in ("topics", None):
        none = frame.with_columns(group=pl.lit(None, pl.String))
        assert named_groups(none, groups) is None
        assert topics(none, vectors, groups)[1] == "topics of the prompts, by k-means"
    with pytest.raises(CurationError, match="No labelled row has a value in a column 'nope'"):
        named_groups(none, "nope")


def test_a_score_that_length_beats_is_a_warning():
    low, high = Figure(0.51, 0.4, 0.6), Figure(0.62, 0.5, 0.7)
    figures = {
        "AUC": {"learned": low, "length": high},
        "AUC inside a group": {"learned": high, "length": low},
    }
    (told,) = below_length(figures)
    assert told.startswith("By AUC the learned score (0.51) is below length alone (0.62)")
