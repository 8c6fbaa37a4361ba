"""The judge as a stage: which rows it gets, what it leaves, the same bytes whatever was cached."""

import shutil
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from pipeline.console import print_result
from pipeline.errors import ModelError
from pipeline.explain import explain
from pipeline.judge import endpoint
from pipeline.judge.asking import estimate
from pipeline.judge.pointwise import question
from pipeline.judge.stage import JudgeStage
from pipeline.loading import load
from pipeline.release.verify import verify
from pipeline.run import Workspace, curate, stage_names
from pipeline.score.parts import PARTS
from pipeline.score.stage import ScoreStage


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "WAIT_SECONDS", 0.02)


def by_number(messages: list[dict[str, str]]) -> str:
    """Grade by the digit in the response; prose for the third."""
    response = messages[1]["content"].split("begin of the response")[1]
    digit = response.split("response ")[1][0]
    return "It depends." if digit == "3" else f"Verdict: {int(digit) + 1}"


def stage(served, cache: Path, **more) -> JudgeStage:
    words = {"endpoint": served.url, "model": "m", "logprobs": "false", "tries": 2, **more}
    return JudgeStage.of(load("lima", [f"judge.{k}={v}" for k, v in words.items()]), cache)


@pytest.fixture
def frame(make_rows) -> pl.DataFrame:
    rows = [{"votes": 9 - n, "group": "stem"} for n in range(5)]
    rows += [{"group": "wikihow", "votes": None}, {"group": "reddit", "response": None}]
    return make_rows(rows, np.eye(7, 384))


def test_the_best_rows_of_each_group_are_judged(serve, frame, run, tmp_path: Path) -> None:
    served = serve(by_number)
    judge = stage(served, tmp_path / "cache", rows_per_group=4)
    kept, _, manifest = run(judge, frame[:3], frame[3:])
    assert kept.sort("id")["judge_mark"].to_list() == [1, 2, 3, None, None, 6, None]
    assert manifest.facts["all"] == {
        "judged": 4,
        "failures": {"no_verdict": 1},
        "warnings": ["The judge marked 4 of 5 rows; the others have no mark: no_verdict 1."],
    }
    assert served.calls == 5
    again, _, _ = run(judge, frame)
    assert again.sort("id").equals(kept.sort("id"))
    assert served.calls == 5


def test_files_of_the_folder_one_stands_in_are_no_replies(
    serve, frame, run, tmp_path: Path, monkeypatch, caplog
) -> None:
    (tmp_path / "here" / "d.jsonl").mkdir(parents=True)
    (tmp_path / "here" / "set.jsonl").write_text('{"key": 5, "response": 3}\nno JSON\n')
    monkeypatch.chdir(tmp_path / "here")
    judge = stage(serve(by_number), tmp_path / "cache", budget_tokens=100_000)
    kept, _, _ = run(judge, frame)
    assert kept["judge_mark"].count() > 0
    assert not [record for record in caplog.records if "broken" in record.getMessage()]


def test_why_a_row_has_no_mark_is_in_the_table(serve, frame, run, tmp_path: Path) -> None:
    judge = stage(serve(by_number), tmp_path / "cache", budget_calls=5)
    run(judge, frame)
    table = pl.read_parquet(next(tmp_path.rglob("tables/judge.parquet")))
    reasons = dict(table.select("id", "reason").iter_rows())
    # In turns: the best of stem and of wikihow, then the second of stem, ...
    assert reasons == {
        "r000": None, "r001": None, "r002": None, "r003": "no_verdict", "r004": "budget", "r005": None,
    }  # fmt: skip


def test_a_budget_of_tokens_takes_the_same_rows_with_a_full_cache(
    serve, frame, run, tmp_path: Path
) -> None:
    served = serve(by_number)
    whole = stage(served, tmp_path / "cache")
    one = estimate(
        {"messages": question(frame.row(0, named=True), whole.judge).messages, "max_tokens": 24}
    )
    small = stage(served, tmp_path / "cache", budget_tokens=3 * one + 20)
    first, _, _ = run(small, frame)
    run(whole, frame)
    second, _, _ = run(small, frame)
    assert first.equals(second)
    assert first["judge_mark"].count() == 3


def test_unanswered_rows_stop_the_stage_and_the_next_run_goes_on(
    serve, break_calls, frame, run, tmp_path: Path
) -> None:
    served = serve(by_number)
    proxy = break_calls(served.url, ["ok", (500, {}), (500, {})])
    judge = stage(proxy, tmp_path / "cache", concurrency=1)
    with pytest.raises(ModelError, match="1 of 6 rows unanswered"):
        run(judge, frame)
    kept, _, _ = run(judge, frame)
    assert kept["judge_mark"].count() == 5
    assert served.calls == 6


def test_a_judge_that_marks_nothing_stops_the_stage(serve, frame, run, tmp_path: Path) -> None:
    served = serve(lambda messages: "Well, it depends.")
    with pytest.raises(ModelError) as caught:
        run(stage(served, tmp_path / "cache"), frame)
    assert str(caught.value) == (
        "The judge gave no verdict on any of 6 rows, on 6 of them because the reply holds no "
        "verdict (no_verdict: Well, it depends.); see judge.prefill and judge.style, or name "
        "another model."
    )
    kept, _, _ = run(stage(served, tmp_path / "cache", rows_per_group=0), frame)
    assert kept["judge_mark"].count() == 0  # nothing was asked


def test_where_the_model_is_served_does_not_change_the_key(serve, tmp_path: Path) -> None:
    one, other = serve(by_number), serve(by_number)
    assert stage(one, tmp_path).settings == stage(other, tmp_path, concurrency=9).settings
    assert stage(one, tmp_path).settings != stage(one, tmp_path, scale="accuracy5").settings


def test_the_mark_is_a_part_of_the_score_only_where_there_is_a_judge(
    serve, frame, run, tmp_path: Path
) -> None:
    settings = load("lima").score
    without, _, _ = run(ScoreStage(settings), frame)
    names = [field.name for field in without.schema["quality_parts"].fields]
    assert names == [part.name for part in PARTS if part.reads is None]
    judged, _, _ = run(stage(serve(by_number), tmp_path / "cache"), frame)
    scored, _, _ = run(ScoreStage(settings), judged)
    parts = scored.sort("id")["quality_parts"].struct.field("judge").to_list()
    assert parts == [0.125, 0.375, 0.625, None, 0.875, 0.5, None]
    # A row without a mark is as if it had the middle one of its group.
    weights = settings.weights.model_dump()
    plain = without.sort("id").row(3, named=True)
    total = sum(
        weights[name] for name, value in plain["quality_parts"].items() if value is not None
    )
    expected = (plain["quality"] * total + 0.5 * weights["judge"]) / (total + weights["judge"])
    assert scored.sort("id")["quality"][3] == pytest.approx(expected, abs=1e-6)


def test_a_recipe_has_the_stage_where_it_names_an_endpoint() -> None:
    words = ["judge.endpoint=http://127.0.0.1:1/v1", "judge.model=m"]
    assert "judge" in stage_names(load("sample", words))
    assert "judge" not in stage_names(load("sample"))


@pytest.mark.slow
def test_a_whole_run_with_a_judge(serve, sample: Path, tmp_path: Path) -> None:
    def grade(messages: list[dict[str, str]]) -> str:
        mark = len(messages[1]["content"]) % 7
        return f"Verdict: {mark}" if mark else "It depends."

    served = serve(grade)
    words = [f"judge.endpoint={served.url}", "judge.model=m", "judge.rows_per_group=20"]
    space = Workspace(tmp_path)
    result = curate(load("sample", words), sample, space)
    train = pl.read_parquet(Path(result.release) / "data" / "train.parquet")
    marks = train["quality_parts"].struct.field("judge")
    assert 0 < marks.count() < len(train)
    assert verify(Path(result.release)).ok
    (warning,) = result.warnings
    assert "the others have no mark: no_verdict" in warning
    console = Console(record=True, file=StringIO(), width=200)
    print_result(result, console)
    assert f"warning: {warning}" in console.export_text()
    card = (Path(result.release) / "README.md").read_text()
    assert warning.replace("_", "\\_") in card or warning in card
    judged = pl.read_parquet(Path(result.run) / "judge" / "tables" / "judge.parquet")
    story = explain(Path(result.run), judged["id"][0], stage_names(load("sample", words)))
    (chapter,) = [chapter for chapter in story.chapters if chapter.stage == "judge"]
    assert chapter.lines[0].startswith("mark ")
    assert f"The judge <code>m</code> marked {judged['mark'].count():,} rows" in card
    calls = served.calls
    shutil.rmtree(Path(result.run) / "judge")
    again = curate(load("sample", words), sample, space)
    assert served.calls == calls == len(judged)
    assert again.release == result.release
    assert again.unchanged
