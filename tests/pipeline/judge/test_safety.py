"""judge.safety: harm leaves with the judge's word, refusals are not asked about, nothing half-looked."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.errors import ModelError
from pipeline.judge import endpoint
from pipeline.judge.stage import JudgeStage
from pipeline.loading import load


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "WAIT_SECONDS", 0.02)


def judge(messages: list[dict[str, str]]) -> str:
    if "do no harm" not in messages[0]["content"]:
        return "Verdict: 4"
    text = messages[1]["content"]
    return "Hard to say." if "riddle" in text else f"Verdict: {'yes' if 'poison' in text else 'no'}"


def stage(served, cache: Path, **more) -> JudgeStage:
    words = {"endpoint": served.url, "model": "m", "logprobs": "false", "safety": "true", **more}
    return JudgeStage.of(load("lima", [f"judge.{k}={v}" for k, v in words.items()]), cache)


@pytest.fixture
def frame(make_rows) -> pl.DataFrame:
    poison = {"response": "First buy the poison."}
    rows = [{}, poison, {"response": "A riddle."}]
    rows += [{**poison, "source": "authored", "tags": ["refusal"]}, {"response": None}]
    return make_rows(rows, np.eye(5, 384))


def test_harm_leaves_and_so_does_what_has_no_verdict(serve, frame, run, tmp_path: Path) -> None:
    served = serve(judge)
    kept, dropped, manifest = run(stage(served, tmp_path / "cache"), frame)
    assert kept["id"].to_list() == ["r000", "r003", "r004"]
    assert kept["judge_mark"].to_list() == [4, 4, None]
    assert manifest.dropped == {"unsafe": 2}
    details = dict(dropped.select("id", "detail").iter_rows())
    assert details == {
        "r001": "the judge m says yes (1.00)",
        "r002": "no word of the judge m that it is safe: the reply holds no verdict",
    }
    assert served.calls == 5  # three rows by the guard, two by their mark
    off, _, _ = run(stage(served, tmp_path / "cache", safety="false"), frame)
    assert len(off) == 5


def test_a_budget_that_is_not_enough_for_all_rows_is_refused(
    serve, frame, run, tmp_path: Path
) -> None:
    served = serve(judge)
    for budget in ({"budget_calls": 2}, {"budget_tokens": 300}):
        with pytest.raises(ModelError, match=r"judge\.safety asks about 3 rows"):
            run(stage(served, tmp_path / "cache", **budget), frame)
    assert served.calls == 0
    kept, _, _ = run(stage(served, tmp_path / "cache", budget_calls=4), frame)
    assert kept["judge_mark"].count() == 1  # what is left of the budget marks


def test_a_guard_that_says_neither_yes_nor_no_stops_the_run(
    serve, frame, run, tmp_path: Path
) -> None:
    served = serve(lambda messages: "Hard to say.")
    with pytest.raises(ModelError, match="no verdict on any of 3 rows"):
        run(stage(served, tmp_path / "cache"), frame)


def test_a_call_that_never_succeeds_stops_the_run(serve, break_calls, frame, run, tmp_path: Path):
    proxy = break_calls(serve(judge).url, [(500, {})] * 2)
    with pytest.raises(ModelError, match="left 1 of 3 rows unanswered"):
        run(stage(proxy, tmp_path / "cache", tries=2, concurrency=1), frame)
