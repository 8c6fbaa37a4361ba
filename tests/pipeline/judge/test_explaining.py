"""Explained steps by a judge, beside the markers: a bounded lot, and how far the two agree."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import RecipeError

CLEAR = "The dough rises because yeast makes gas. Therefore wait.\n1. Mix it.\n2. Wait.\n"
BARE = "Bake it until it is brown."
HIDDEN = "Yeast makes gas, and gas lifts the dough, so a warm bowl saves an hour."


@pytest.fixture
def explained(serve, tmp_path: Path):
    """Audit a set of twelve rows with a scripted judge; returns its JSON and what reached it."""

    def run(*words: str, answer: Any = None) -> tuple[dict[str, Any], Any]:
        rows = [
            {"id": f"r{n}", "prompt": f"How is bread {n} made?", "response": f"{text} ({n})"}
            for n, text in enumerate((CLEAR, BARE, HIDDEN) * 4)
        ]
        path = tmp_path / "set.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        served = serve(answer or (lambda said: f"Verdict: {'no' if BARE in str(said) else 'yes'}"))
        call = ["audit", str(path), "--endpoint", served.url, "--model", "scripted", "--json"]
        call += ["--workspace", str(tmp_path / "space"), "--set", "judge.logprobs=false", *words]
        done = CliRunner().invoke(app, call)
        if done.exception:
            raise done.exception
        return json.loads(done.stdout), served

    return run


def test_a_judge_is_held_against_the_markers(explained, tmp_path: Path) -> None:
    report, served = explained("--judge", "12")
    found = report["profile"]["explanation"]["judge"]
    assert (found["asked"], found["judged"], found["failures"]) == (12, 12, {})
    assert (found["explain"], found["markers"], found["agree"]) == (0.6667, 0.3333, 0.6667)
    assert found["table"] == {
        "markers, judge yes": 4,
        "markers, judge no": 0,
        "no markers, judge yes": 4,
        "no markers, judge no": 4,
    }
    assert found["kappa"] == pytest.approx(0.4)
    assert set(found["apart"]) <= {"r2", "r5", "r8", "r11"}
    page = (tmp_path / "space" / "audits" / "set.html").read_text()
    assert "the judge says that 66.7 % explain" in page
    assert served.calls == 12
    again, served = explained("--judge", "12")  # every reply was kept
    assert served.calls == 0
    assert again["profile"]["explanation"]["judge"]["bill"]["from_cache"] == 12


def test_no_more_is_asked_than_said_and_what_has_no_verdict_is_counted(explained) -> None:
    report, served = explained("--judge", "5", answer=lambda said: "Well, it depends.")
    found = report["profile"]["explanation"]["judge"]
    assert (served.calls, found["asked"], found["judged"]) == (5, 5, 0)
    assert found["failures"] == {"no_verdict": 5}
    assert (found["agree"], found["kappa"]) == (None, None)


def test_words_that_cannot_be_meant(explained, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="belong to --judge"):
        explained()
    with pytest.raises(RecipeError, match="leave --judge out"):
        explained("--judge", "3", "--quick")
    done = CliRunner().invoke(app, ["audit", str(tmp_path / "set.jsonl"), "--judge", "3"])
    assert "No judge is named" in str(done.exception)
    assert not (tmp_path / "space").exists()
