import json

import pytest

from pipeline import loading
from pipeline.errors import GateError, RecipeError
from pipeline.recipe import Gates
from pipeline.release import folder
from pipeline.release.build import build
from pipeline.release.verify import verify

from .conftest import PICKED, ROWS, STAGES, TINY, candidate, make_run


def with_gates(recipe, **gates):
    return recipe.model_copy(update={"gates": Gates(**gates)})


def blocked(run, recipe, tmp_path):
    with pytest.raises(GateError) as error:
        build(run, recipe, tmp_path / "releases", stages=STAGES)
    assert not list((tmp_path / "releases").glob("*/*")), "a blocked release must not be there"
    return error.value


def outcome(release, gate):
    outcomes = folder.read(release)["gates"]
    return next(item for item in outcomes if item["gate"] == gate)


LONG = "It is a long text in German, so that the language can be told without a doubt. "
GERMAN = "Das ist ein langer Text auf Deutsch, damit die Sprache ohne jeden Zweifel erkannt wird. "


@pytest.mark.parametrize(
    ("gates", "gate", "said", "rows"),
    [
        ({"min_rows": 4}, "rows", "3 training rows, at least 4", []),
        (
            {"licences": ["CC-BY-SA-*", "CC0-*"]},
            "licences",
            "1 of 5 rows with a licence other than CC-BY-SA-*, CC0-*",
            [["reddit:AskReddit:x7", "LicenseRef-Reddit"]],
        ),
        (
            {"min_quality": 0.52},
            "quality",
            "2 of 3 rows with a quality below 0.52",
            [["stackexchange:stem:1", "quality 0.5"], ["stackexchange:cooking:2", "quality 0.51"]],
        ),
    ],
)
def test_a_gate_blocks_and_says_which_rows(run, tiny, tmp_path, gates, gate, said, rows):
    error = blocked(run, with_gates(tiny, **gates), tmp_path)
    found = outcome(error.kept, gate)
    assert (found["ok"], found["said"]) == (False, said)
    assert sorted(found["rows"]) == sorted(rows)
    assert all(row in str(error) for row, _ in rows)
    assert error.exit_status == 1
    assert error.kept.parent == tmp_path / "blocked" / "tiny"
    (problem,) = verify(error.kept).problems
    assert f"the gate {gate} failed" in problem
    card = (error.kept / "README.md").read_text(encoding="utf-8")
    assert f"| {gate} | failed |" in card


def test_copies_and_languages_are_found_among_the_released_rows(tmp_path, tiny):
    changed = {
        "stackexchange:stem:1": {"response": LONG * 3},
        "stackexchange:cooking:6": {"response": LONG * 3},
        "stackexchange:cooking:2": {"response": GERMAN * 3},
    }
    rows = [row | changed.get(row["id"], {}) for row in ROWS]
    error = blocked(make_run(tmp_path, rows), with_gates(tiny, languages=["en"]), tmp_path)
    assert [row for row, _ in outcome(error.kept, "languages")["rows"]] == [
        "stackexchange:cooking:2"
    ]
    copies = outcome(error.kept, "duplicates")
    assert copies["said"] == "1 copies among 5 rows, at most 0"
    assert copies["rows"][0][0] in ("stackexchange:stem:1", "stackexchange:cooking:6")


def test_text_of_an_evaluation_set_blocks_and_its_bytes_are_in_the_key(run, tiny, tmp_path):
    asked = tmp_path / "eval.jsonl"
    asked.write_text(json.dumps({"prompt": "How do I do thing 6 well?", "response": "x"}) + "\n")
    recipe = with_gates(tiny, evaluation=[str(asked)])
    error = blocked(run, recipe, tmp_path)
    assert outcome(error.kept, "evaluation")["rows"] == [
        [
            "stackexchange:cooking:6",
            "the prompt of row 1 of eval in our prompt (exact, 1.0): How do I do thing 6 well?",
        ]
    ]
    asked.write_text(json.dumps({"prompt": "Something else?", "response": "x"}) + "\n")
    built = build(run, recipe, tmp_path / "releases", stages=STAGES)
    assert outcome(built.path, "evaluation")["ok"]


def test_released_rows_are_held_against_the_rules_again(run, tiny, tmp_path):
    strict = {"filter": {"stackexchange": {"min_chars": 20, "max_first_person": None}}}
    recipe = loading.parse(TINY | strict, "tiny")
    error = blocked(run, with_gates(recipe, reasons=["too_short", "contaminated"]), tmp_path)
    found = outcome(error.kept, "reasons")
    assert found["said"] == (
        "0 of 5 rows break a rule for too_short, contaminated; no rule of the recipe gives contaminated"
    )
    strict["filter"]["stackexchange"]["min_chars"] = 33
    recipe = loading.parse(TINY | strict, "tiny")
    error = blocked(run, with_gates(recipe, reasons=["too_short"]), tmp_path)
    assert [row[0] for row in outcome(error.kept, "reasons")["rows"]] == [
        "stackexchange:cooking:2",
        "stackexchange:cooking:6",
        "stackexchange:stem:1",
    ]
    with pytest.raises(RecipeError, match="'bad_code' is no reason code"):
        loading.load("lima", ["gates.reasons=[bad_code]"])


def test_churn_and_groups(tmp_path, tiny):
    build(make_run(tmp_path), tiny, tmp_path / "releases", stages=STAGES)
    rows = [*ROWS[1:], candidate(9)]
    picked = {**PICKED, "stackexchange:stem:9": "train"}
    run = make_run(tmp_path, rows, picked=picked)
    with pytest.raises(GateError, match=r"20.0% of the rows of .* left or changed, at most 10.0%"):
        build(run, with_gates(tiny, max_churn=0.1), tmp_path / "releases", stages=STAGES)
    built = build(run, with_gates(tiny, max_churn=0.2), tmp_path / "releases", stages=STAGES)
    assert outcome(built.path, "churn")["ok"]
    assert verify(built.path).ok
    assert "## Gates" in (built.path / "README.md").read_text(encoding="utf-8")


def test_a_second_attempt_replaces_what_lies_blocked(run, tiny, tmp_path):
    first = blocked(run, with_gates(tiny, min_rows=4), tmp_path)
    second = blocked(run, with_gates(tiny, min_rows=5), tmp_path)
    assert first.kept == second.kept
    assert outcome(second.kept, "rows")["said"].endswith("at least 5")
    built = build(run, tiny, tmp_path / "releases", stages=STAGES)
    assert built.version == second.kept.name
