"""The two stages on frames: what leaves, what the books say, and a set that is not there."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipeline.contamination.stages import ContaminationStage, set_digests
from pipeline.errors import SourceError
from pipeline.recipe import Contamination

QUESTION = "How many bulbs are left when nine rows of fourteen tulips lose a third to the frost?"


def test_rows_leave_with_their_evidence(
    run: Callable, make_rows: Callable[..., pl.DataFrame], tmp_path: Path
):
    path = tmp_path / "held_out.jsonl"
    path.write_text(json.dumps({"question": QUESTION}) + "\n")
    rows = make_rows([{"prompt": QUESTION.upper()}, {"response": f"So: {QUESTION}"}, {}])
    stage = ContaminationStage(Contamination(against=(str(path),)))
    kept, dropped, manifest = run(stage, rows)
    assert kept["id"].to_list() == ["r002"]
    assert manifest.dropped == {"contaminated": 2}
    assert "row 1 of held_out" in dropped["detail"][0]
    assert "bulbs are left" in dropped["detail"][1]


def test_every_question_of_a_dialogue_is_looked_at(
    run: Callable, make_rows: Callable[..., pl.DataFrame], tmp_path: Path
):
    path = tmp_path / "held_out.jsonl"
    path.write_text(json.dumps({"question": QUESTION}) + "\n")

    def turns(*asked: str) -> list[dict[str, str]]:
        pairs = [(("user", text), ("assistant", "So.")) for text in asked]
        return [{"role": role, "content": said} for pair in pairs for role, said in pair]

    rows = make_rows(
        [
            {"history": turns(QUESTION), "prompt": "And then?"},
            {"history": turns("Ready?", QUESTION), "prompt": "And then?"},
            {"history": turns("Ready?"), "prompt": QUESTION},
            {"history": turns("Ready?", "Sure?"), "prompt": "And then?"},
        ]
    )
    kept, dropped, _ = run(ContaminationStage(Contamination(against=(str(path),))), rows)
    assert kept["id"].to_list() == ["r003"]
    assert all("(exact, 1.0)" in detail for detail in dropped["detail"])


def test_a_set_that_is_not_there_stops_the_run(run: Callable, make_rows: Callable):
    stage = ContaminationStage(Contamination(against=("absent.jsonl",)))
    with pytest.raises(SourceError, match=r"no evaluation set absent\.jsonl"):
        run(stage, make_rows([{}]))


def test_a_changed_set_is_looked_for_anew(tmp_path: Path):
    path = tmp_path / "held_out.jsonl"
    settings = Contamination(against=(str(path),))
    digests = []
    for text in ("Why is it so?", "Why is it not?"):
        path.write_text(json.dumps({"question": text}) + "\n")
        digests.append(set_digests(settings))
    assert digests[0] != digests[1]
