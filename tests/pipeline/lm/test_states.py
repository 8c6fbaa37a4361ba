"""What a language model makes of responses, from the model to a learned score in a run."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import CurationError, ModelError
from pipeline.learning.fit import Training, train
from pipeline.learning.learn import with_states
from pipeline.likelihood import LikelihoodSettings, LikelihoodStage
from pipeline.lm import states as reading_module
from pipeline.lm.load import CausalModel, load_model
from pipeline.lm.rows import Row, prepare
from pipeline.lm.states import Reading, states
from pipeline.lm.template import turns_of
from pipeline.loading import load as load_recipe
from pipeline.recipe import Embed, LanguageModel, Score, Weights
from pipeline.release import scoring
from pipeline.run import stage_names
from pipeline.score import learned
from pipeline.score.learned import COLUMNS, STATE, Learned, load, save
from pipeline.score.stage import ScoreStage

TEXTS = ["Heat it slowly.", "Wait", "漢字と仮名 " * 9, "An answer of many words. " * 30, "a b"]


def rows() -> list[Row]:
    return [Row(text, turns_of("How does one season a wok?")) for text in TEXTS]


def test_a_state_is_the_mean_over_the_response_of_what_leaves_the_layer(tiny: CausalModel):
    import torch

    reading = Reading.by(tiny, "tiny", max_tokens=64)
    reading = replace(
        reading, layers=(1, 2), width=32
    )  # the usual ones of so small a model are one
    hooks = dict(tiny.model.model.layers[0]._forward_hooks)
    found = states(tiny, rows(), reading)
    seen: list[
        torch.Tensor
    ] = []  # hidden_states ends with what the last norm made of the last layer
    handle = tiny.model.model.layers[1].register_forward_hook(lambda *said: seen.append(said[2]))
    assert dict(tiny.model.model.layers[0]._forward_hooks) == hooks
    for row, prepared in zip(found, prepare(tiny, rows(), 64), strict=True):
        assert prepared.prompt is not None
        with torch.inference_mode():
            whole = tiny.model(
                input_ids=torch.tensor([prepared.prompt + prepared.response]),
                output_hidden_states=True,
            )
        first = whole.hidden_states[1][0, len(prepared.prompt) :].mean(dim=0).numpy()
        assert row[:16] == pytest.approx(first, rel=2e-3, abs=2e-3)  # float16
        last = seen.pop()[0, len(prepared.prompt) :].mean(dim=0).numpy()
        assert row[16:] == pytest.approx(last, rel=2e-3, abs=2e-3)
    handle.remove()


def test_a_state_does_not_depend_on_the_rows_beside_it(tiny: CausalModel):
    reading = Reading.by(tiny, "tiny", max_tokens=64)
    alone = np.array([states(tiny, [row], reading)[0] for row in rows()])
    assert np.array_equal(states(tiny, rows()[::-1], reading)[::-1], alone)
    with ThreadPoolExecutor(4) as pool:  # as shards of a run, on one model
        together = pool.map(lambda _: states(tiny, rows(), reading, threads=2), range(8))
        assert all(np.array_equal(each, alone) for each in together)


def test_no_response_has_no_state_and_a_second_time_nothing_is_read(
    tiny: CausalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    reading = Reading.by(tiny, "tiny")
    odd = [Row(None), *rows(), Row("  \n", turns_of("Why?")), Row("Alone.")]
    told: list[int] = []
    first = states(tiny, odd, reading, cache=tmp_path, done=told.append)
    assert np.isnan(first).all(axis=1).tolist() == [True, *[False] * 5, True, False]
    assert sum(told) == len(odd)
    monkeypatch.setattr(reading_module, "_read", lambda *_: pytest.fail("read again"))
    assert np.array_equal(states(tiny, odd, reading, cache=tmp_path), first, equal_nan=True)


def made(folder: Path, model: CausalModel, name: str, out: Path) -> Learned:
    """A learned score that likes a large first number of the state."""
    reading = Reading.by(model, name, max_tokens=64)
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(300, len(COLUMNS) + reading.width))
    data = Training(columns, columns[:, len(COLUMNS)], np.arange(300) % 6)
    about = {
        "embedding": learned.embedding_of(Embed()),
        "language_model": asdict(reading),
        "trained_on": {"rows": 300, "groups": 6, "grouped_by": "sites"},
    }
    save(train(data, about), out)
    return load(out)


def stage(out: Path, **quotas: int) -> LikelihoodStage:
    return LikelihoodStage(
        LikelihoodSettings(
            lm=LanguageModel(dtype="float32", device="cpu", factor=1),
            weights=Weights(votes=1, accepted=0, structure=0, length=0, fit=0),
            answers=quotas,
            reading=learned.reading_for(str(out)),
        )
    )


def test_a_run_reads_the_best_rows_and_scores_them_alone(
    make_rows: Callable, run: Callable, tiny_folder: Path, tiny: CausalModel, tmp_path: Path
):
    model = made(tiny_folder, tiny, str(tiny_folder), tmp_path / "m")
    frame = make_rows(
        [{"votes_rank": n / 10, "response": text} for n, text in enumerate(TEXTS)], np.eye(5)
    )
    kept, _, manifest = run(stage(tmp_path / "m", stem=3), frame)
    assert kept.filter(pl.col(STATE).is_not_null())["id"].to_list() == ["r002", "r003", "r004"]
    assert "lm_loss" not in kept.columns  # nobody asked for it
    values = learned.measure(kept, model)
    assert values.is_null().to_list() == [True, True, False, False, False]
    scored, _, _ = run(ScoreStage(Score(learned=str(tmp_path / "m"))), kept)
    assert STATE not in scored.columns
    recipe = load_recipe("sample", [f"score.learned={tmp_path / 'm'}"])
    said = scoring.describe([manifest], recipe, scored.with_columns(split=pl.lit("train")))
    assert said["language_model"] is None
    assert said["parts"]["learned"] == {"weight": 0.5, "rows": 3}
    text = scoring.render(said)
    assert "trained on 300 labelled rows of 6 groups (sites)" in text
    assert re.search(r"; for it <code>.*</code> read 3 rows\.$", text)
    narrow = kept.with_columns(pl.col(STATE).arr.head(3).list.to_array(3))
    with pytest.raises(ModelError, match="read for another learned score"):
        run(ScoreStage(Score(learned=str(tmp_path / "m"))), narrow)


def test_another_model_than_it_was_trained_with_is_refused(
    make_rows: Callable, run: Callable, tiny_folder: Path, tiny: CausalModel, tmp_path: Path
):
    made(tiny_folder, tiny, str(tiny_folder), tmp_path / "m")
    there = stage(tmp_path / "m", stem=1)
    assert there.settings.reading is not None
    other = replace(there.settings.reading, digest="0" * 64)
    with pytest.raises(ModelError, match="trained with another"):
        LikelihoodStage(there.settings.model_copy(update={"reading": other})).plan([])


def test_the_recipe_of_such_a_score_has_the_stage_that_reads(
    tiny_folder: Path, tiny: CausalModel, tmp_path: Path
):
    recipe = load_recipe("sample")
    assert "likelihood" not in stage_names(recipe)
    made(tiny_folder, tiny, str(tiny_folder), tmp_path / "m")
    named = recipe.model_copy(update={"score": Score(learned=str(tmp_path / "m"))})
    assert "likelihood" in stage_names(named)
    about = json.loads((tmp_path / "m" / "model.json").read_text(encoding="utf-8"))
    other = {**about, "language_model": {**about["language_model"], "layers": [2]}}
    (tmp_path / "m" / "model.json").write_text(json.dumps(other), encoding="utf-8")
    with pytest.raises(ModelError, match="not what was trained"):
        load(tmp_path / "m")
    about["language_model"] = {"model": "x"}
    (tmp_path / "m" / "model.json").write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(ModelError, match="which language model"):
        load(tmp_path / "m")


def test_numbers_that_are_none_are_refused_for_training(make_model: Callable, tmp_path: Path):
    import torch

    folder = make_model(tmp_path / "broken")
    model = load_model(str(folder), "float32", "cpu")
    with torch.no_grad():
        model.model.model.layers[0].mlp.down_proj.weight.fill_(float("inf"))
    model.model.save_pretrained(folder)
    frame = pl.DataFrame({"prompt": ["p"], "response": ["r"]})
    with pytest.raises(CurationError, match="no finite numbers of 1 of the 1"):
        with_states(frame, str(folder), None)


@pytest.mark.slow
def test_learn_with_a_language_model(tiny_folder: Path, tmp_path: Path):
    """Two scripts of equal form: the state tells them, and the linear member leans on it."""
    records = [
        {
            "prompt": f"How do I mend {site} number {row}?",
            "response": f"The answer is {'абвгд' if row % 2 else 'αβγδε'} {row // 2}.",
            "label": row % 2,
            "domain": site,
        }
        for site in ("bread", "stars", "gardens", "tools", "boats")
        for row in range(44)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    words = ["learn", str(path), "--label", "label", "--workspace", str(tmp_path), "--json"]
    out = tmp_path / "with"
    ran = CliRunner().invoke(app, [*words, "--out", str(out), "--lm", str(tiny_folder)])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["figures"]["AUC"]["learned"]["value"] > 0.99
    trained = load(out)
    features, state = np.split(np.abs(trained.arrays["coefficients"]), [len(COLUMNS)])
    assert state.sum() > features.sum()
    reading = load(tmp_path / "with").reading
    assert reading is not None
    assert reading.model == str(tiny_folder)
    assert "layers 1 of" in (tmp_path / "with" / "README.md").read_text(encoding="utf-8")
