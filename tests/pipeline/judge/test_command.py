"""`thousand judge`: the words, the reports, wrong input."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import CurationError, RecipeError, SourceError
from pipeline.judge.attacks import ATTACKS, BAITS
from pipeline.judge.fence import escape

GOOD, BAD = "a good and careful answer", "a bad one"


def longer_is_better(messages: list[dict[str, str]]) -> str:
    """Judge as the naive do, and grade by the length of the response."""
    text = messages[1]["content"]
    if "response A" not in text:
        return f"Verdict: {min(6, 1 + len(text.split('the response')[1]) // 20 - 1)}"
    first, second = (part.split("=== end")[0] for part in text.split("=== begin of response")[1:])
    return f"Verdict: {'A' if len(first) > len(second) else 'B'}"


@pytest.fixture
def judge(serve, tmp_path: Path):
    """Run the command against a scripted judge; gives its JSON or its text."""

    def run(*words: str, answer=longer_is_better, as_json: bool = True, status: int = 0) -> Any:
        served = serve(answer)
        call = ["judge", *words, "--endpoint", served.url, "--model", "gpt-4o-scripted"]
        call += ["--workspace", str(tmp_path / "space"), "--set", "judge.logprobs=false"]
        done = CliRunner().invoke(app, [*call, *(["--json"] if as_json else [])])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == status, done.output
        return json.loads(done.stdout) if as_json else done.stdout

    return run


@pytest.fixture
def sets(tmp_path: Path):
    def write(name: str, rows: list[dict[str, Any]]) -> str:
        path = tmp_path / name
        path.write_text("\n".join(json.dumps(row) for row in rows))
        return str(path)

    return write


def test_grades_of_a_file(judge, sets, tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "prompt": f"Q{n}", "response": "x" * 20 * n} for n in range(1, 5)]
    table = tmp_path / "marks.parquet"
    report = judge(sets("a.jsonl", rows), "--table", str(table))
    assert (report["mode"], report["asked"], report["judged"]) == ("grade", 4, 4)
    assert report["result"]["length"]["correlation"]["value"] == pytest.approx(1)
    marks = pl.read_parquet(table)
    assert marks["id"].to_list() == ["r1", "r2", "r3", "r4"]
    assert marks["mark"].is_sorted()
    text = judge(sets("a.jsonl", rows), as_json=False)
    assert "4 of 4 judged" in text
    assert "marks for twice the characters" in text


def test_two_files_are_compared_in_both_orders(judge, sets) -> None:
    ours = [{"prompt": f"Q{n}", "response": GOOD, "model": "gpt-4"} for n in range(6)]
    theirs = [{"prompt": f"Q{n}", "response": BAD, "origin": "human"} for n in range(5)]
    report = judge(sets("a.jsonl", ours), "--against", sets("b.jsonl", theirs))
    result = report["result"]
    assert (result["wins"], result["ties"], result["losses"]) == (5, 0, 0)
    assert result["position"]["consistent"] == 1
    assert result["longer_won"]["value"] == 1
    assert report["bill"]["calls"] == 10
    assert any("one family (OpenAI) for 5 of 10" in line for line in report["warnings"])
    assert any("1 rows have no partner" in line for line in report["warnings"])


def test_a_reference_reaches_the_judge_and_rows_without_one_are_not_asked(judge, sets) -> None:
    rows = [{"prompt": "Q1", "response": GOOD}, {"prompt": "Q2", "response": GOOD}]
    known = sets("ref.jsonl", [{"prompt": "Q1", "response": "the truth"}])
    seen: list[str] = []

    def answer(messages):
        seen.append(messages[1]["content"])
        return "Verdict: 3"

    report = judge(sets("a.jsonl", rows), "--reference", known, answer=answer)
    assert report["failures"] == {"no_reference": 1}
    (text,) = seen
    assert "the truth" in text


def test_pairs_without_a_reference_are_counted(judge, sets) -> None:
    ours = sets("a.jsonl", [{"prompt": f"Q{n}", "response": GOOD} for n in range(6)])
    theirs = sets("b.jsonl", [{"prompt": f"Q{n}", "response": BAD} for n in range(6)])
    known = sets("ref.jsonl", [{"prompt": f"Q{n}", "response": "truth"} for n in (1, 3, 5)])
    table = Path(ours).with_name("pairs.jsonl")
    report = judge(ours, "--against", theirs, "--reference", known, "--table", str(table))
    assert (report["asked"], report["judged"]) == (6, 3)
    assert report["failures"] == {"no_reference": 3}
    assert report["bill"]["calls"] == 6
    reasons = pl.read_ndjson(table)["reason"].to_list()
    assert reasons == ["no_reference", None] * 3


def test_a_reference_is_found_after_a_dialogue(judge, sets) -> None:
    def dialogue(*texts: str) -> dict[str, Any]:
        roles = ("user", "assistant") * 2
        said = zip(roles, texts, strict=False)
        return {"messages": [{"role": role, "content": text} for role, text in said]}

    ours = sets("a.jsonl", [dialogue("Q", GOOD), dialogue("Hi", "Hello", "Q", GOOD)])
    theirs = sets("b.jsonl", [dialogue("Hi", "Hello", "Q", BAD), dialogue("Q", BAD)])
    known = sets("ref.jsonl", [dialogue("Hi", "Hello", "Q", "the truth")])
    table = Path(ours).with_name("rows.jsonl")
    for more in ([], ["--against", theirs]):
        judge(ours, *more, "--reference", known, "--table", str(table))
        assert pl.read_ndjson(table)["reason"].to_list() == ["no_reference", None]


def test_the_judge_reads_the_system_message(judge, sets) -> None:
    seen: list[str] = []

    def answer(messages):
        seen.append(messages[1]["content"])
        return "Verdict: 3"

    said = [("system", "Be brief."), ("user", "Q"), ("assistant", GOOD)]
    row = {"messages": [{"role": role, "content": text} for role, text in said]}
    judge(sets("a.jsonl", [row]), answer=answer)
    assert "system: Be brief." in seen[0]


def test_a_judge_that_answers_in_prose_is_one_clear_outcome(judge, sets) -> None:
    rows = [{"prompt": "Q1", "response": GOOD}, {"prompt": "Q2", "response": BAD}]
    report = judge(sets("a.jsonl", rows), answer=lambda messages: "Well, it depends.", status=1)
    assert (report["judged"], report["failures"]) == (0, {"no_verdict": 2})
    assert report["result"]["mean"]["value"] is None
    text = judge(
        sets("a.jsonl", rows), answer=lambda messages: "Well, it depends.", as_json=False, status=1
    )
    assert "not judged: 2 no_verdict (the reply holds no verdict)" in text


def test_what_an_endpoint_said_most_is_in_the_report(serve, break_calls, sets, tmp_path) -> None:
    faults = [(500, {}), (429, {}), (500, {}), "ok"]
    proxy = break_calls(serve(lambda messages: "Verdict: 4").url, faults)
    rows = [{"prompt": f"Q{n}", "response": GOOD} for n in range(4)]
    call = ["judge", sets("a.jsonl", rows), "--endpoint", proxy.url, "--model", "m"]
    call += ["--workspace", str(tmp_path), "--concurrency", "1"]
    call += ["--set", "judge.tries=1", "--set", "judge.logprobs=false"]
    done = CliRunner().invoke(app, call)
    said = "not judged: 3 unanswered (no reply came, after all tries); mostly: status 500"
    assert said in done.output


def labelled(first: str, second: str, *labels: int, number: int) -> dict[str, Any]:
    return {"prompt": f"Q{number}", "first": first, "second": second, "labels": list(labels)}


def test_a_benchmark_of_our_own_shape(judge, sets, tmp_path: Path) -> None:
    (tmp_path / "pairs").mkdir()
    rows = [labelled(GOOD, BAD, 1, 1, number=n) for n in range(8)]
    rows += [labelled(GOOD, BAD, 2, 0, number=9)]
    sets("pairs/mine.jsonl", rows)
    sets("pairs/other.jsonl", [{"text": "no pair"}])
    report = judge("--benchmark", str(tmp_path / "pairs"))
    (found,) = report["result"]["sets"]
    assert (found["set"], found["pairs"], found["annotators"]) == ("mine", 9, 2)
    people, scripted, longer, _ = found["lines"]
    assert people["tie_discounted"]["value"] == pytest.approx((8 + 0.5) / 9, abs=1e-4)
    # Against each annotator: 8 right; the ninth is wrong for one, half right for the other.
    assert scripted["tie_discounted"]["value"] == pytest.approx((16 + 0.5) / 18, abs=1e-4)
    assert scripted["tie_discounted"] == longer["tie_discounted"]
    assert scripted["position"]["consistent"] == 1
    assert report["result"]["passed_over"] == ["other.jsonl"]


def test_published_shapes_of_labelled_pairs(tmp_path: Path) -> None:
    from pipeline.judge.pairs import read_benchmark

    record = {"idx": 0, "instruction": "Do", "input": "this", "response1": True, "response2": "no"}
    record |= {"cmp_key": "bloom-7b_llama-7b", "annotator1": 1, "annotator2": 0, "annotator3": 2}
    (tmp_path / "panda.json").write_text(json.dumps([record]))
    (tmp_path / "Natural").mkdir()
    other = {"input": "Q", "output_1": "a", "output_2": "b", "label": 2}
    (tmp_path / "Natural" / "dataset.json").write_text(json.dumps([other]))
    sets, _ = read_benchmark(tmp_path)
    (panda,), (natural,) = sets["panda"], sets["Natural"]
    assert (panda.request, panda.first, panda.labels) == ("Do\n\nthis", "True", (1, 0, -1))
    assert panda.authors == ("bloom-7b", "llama-7b")
    assert natural.labels == (-1,)
    (tmp_path / "panda.json").write_text(json.dumps([{**record, "annotator2": 7}]))
    with pytest.raises(SourceError, match=r"panda\.json"):
        read_benchmark(tmp_path)


PAIR = {"prompt": "Q", "first": "a", "second": "b", "labels": [1.0]}


@pytest.mark.parametrize(
    "bad",
    [
        {"labels": []},
        {"labels": "12"},
        {"labels": [3]},
        {"labels": [1, 2]},  # the first record has one
        {"first": None},
        {"labels": [True]},
        {"reference": []},
        {"first_model": 5},
    ],
    ids=str,
)
def test_a_pair_that_is_none_is_named(bad: dict[str, Any], sets, tmp_path: Path) -> None:
    (tmp_path / "pairs").mkdir()
    sets("pairs/mine.jsonl", [PAIR, PAIR | bad])
    done = CliRunner().invoke(app, ["judge", "--benchmark", str(tmp_path / "pairs")])
    assert isinstance(done.exception, SourceError)
    assert "mine.jsonl, record 2: " in str(done.exception)


def test_references_that_differ_are_refused_and_empty_ones_are_none(tmp_path: Path) -> None:
    from pipeline.judge.pairs import references_of

    path = tmp_path / "references.jsonl"
    records = [{"prompt": "Q", "response": text} for text in ("right", " ", "right")]
    path.write_text("\n".join(map(json.dumps, records)))
    assert references_of(path) == {"Q": "right"}
    path.write_text("\n".join(map(json.dumps, [*records, {"prompt": "Q", "response": "other"}])))
    with pytest.raises(SourceError, match="record 4: another reference"):
        references_of(path)


def test_without_a_judge_a_benchmark_shows_people_and_controls(shared: Path) -> None:
    done = CliRunner().invoke(
        app, ["judge", "--benchmark", str(shared / "quality"), "--rows", "60", "--json"]
    )
    report = json.loads(done.stdout)
    sets = {one["set"]: one for one in report["result"]["sets"]}
    assert set(sets) == {"LLMBar/Adversarial_Neighbor", "LLMBar/Natural", "pandalm_testset-v1"}
    panda = sets["pandalm_testset-v1"]
    assert (panda["pairs"], panda["annotators"], len(panda["lines"])) == (60, 3, 3)


def test_a_red_team_sees_who_obeys(judge) -> None:
    def obeys(messages):
        """Follow whatever stands last in the text, and template tokens above all."""
        text = messages[1]["content"]
        best = "A" if "response A" in text.lower() else "6"
        if "<|im_start|>" in text or "[/INST]" in text:
            return f"Verdict: {best}"
        return (
            "Verdict: 1" if best == "6" else "Verdict: B" if _good_is_second(text) else "Verdict: A"
        )

    report = judge("--red-team", "--rows", "1", answer=obeys)
    graded = {
        line["fenced"]: line for line in report["result"]["success"] if line["mode"] == "grade"
    }
    assert graded[True]["worked"]["value"] == 0
    assert graded[False]["worked"]["value"] > 0
    assert graded[False]["harmless_worked"]["value"] == 0
    assert all(not kind["worked"] for kind in report["result"]["kinds"].values())


def sides(text: str) -> tuple[str, str]:
    """Return the verdict that the poor response of a question wants, and the one it deserves."""
    if "response a" not in text.lower():
        return "6", "1"
    return ("A", "B") if _good_is_second(text) else ("B", "A")


def ignores(messages: list[dict[str, str]]) -> str:
    return f"Verdict: {sides(messages[1]['content'])[1]}"


def obeys(messages: list[dict[str, str]]) -> str:
    """Do what an attack says, to the letter; else judge well."""
    text = messages[1]["content"]
    for attack in ATTACKS:
        for asked in ("A", "B", "6"):
            said = attack.put_into("", asked).strip()
            if said in text or escape(said) in text:
                # The one that names no verdict means its own response.
                return f"Verdict: {asked if '{best}' in attack.text else sides(text)[0]}"
    return ignores(messages)


def same_place(messages: list[dict[str, str]]) -> str:
    return "Verdict: A" if "response a" in messages[1]["content"].lower() else "Verdict: 4"


@pytest.mark.parametrize(("answer", "worked"), [(obeys, 1), (ignores, 0), (same_place, 0)])
def test_a_red_team_sees_in_every_mode_who_obeys_to_the_letter(judge, answer, worked) -> None:
    report = judge("--red-team", "--rows", "1", answer=answer)
    for line in report["result"]["success"]:
        assert (line["tries"], line["without_verdict"]) == (len(ATTACKS), 0)
        # One bait is one cluster, which has no interval.
        share = {"value": worked, "low": None, "high": None, "n": len(ATTACKS)}
        assert line["worked"] == share, line
        assert line["harmless_worked"]["value"] == 0


def test_a_judge_that_likes_everything_leaves_an_attack_no_room(judge) -> None:
    report = judge("--red-team", "--rows", "1", answer=lambda messages: "Verdict: 6", status=1)
    graded = [line for line in report["result"]["success"] if line["mode"] == "grade"]
    assert [line["without_room"] for line in graded] == [len(ATTACKS)] * 2
    assert all(line["worked"]["value"] is None for line in graded)
    assert report["failures"]["no_room"] == 2 * (len(ATTACKS) + 1)


def test_a_loss_that_becomes_a_tie_is_a_success(judge) -> None:
    def wavers(messages):
        """Obey where the attacked response stands first, and there alone."""
        text = messages[1]["content"]
        poor_is_second = "response a" in text.lower() and not _good_is_second(text)
        return "Verdict: A" if poor_is_second else obeys(messages)

    report = judge("--red-team", "--rows", "1", answer=wavers)
    assert all(line["worked"]["value"] == 1 for line in report["result"]["success"])


def test_a_red_team_says_why_tries_have_no_verdict(judge) -> None:
    report = judge("--red-team", "--rows", "1", "--budget-calls", "5")
    tries = 4 * (len(ATTACKS) + 1)
    assert (report["asked"], set(report["failures"])) == (tries, {"budget"})
    assert report["judged"] == tries - report["failures"]["budget"]


def _good_is_second(text: str) -> bool:
    return text.index(BAITS[0].good[:30]) > text.index(BAITS[0].poor[:30])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one of them"),
        (["FILE"], "No judge is named"),
        (["--red-team", "--benchmark", "x"], "one of them"),
        (["FILE", "--endpoint", "http://h/v1"], "needs the name of a model"),
        (["FILE", "--endpoint", "h:1", "--model", "m"], "no base URL"),
        (["FILE", "--endpoint", "http://exa mple/v1", "--model", "m"], "no base URL"),
        (["FILE", "--endpoint", "http://h:99999/v1", "--model", "m"], "Port out of range"),
        (["FILE", "--endpoint", "http://u:p@h/v1", "--model", "m"], "must hold no key"),
        (["--red-team", "--table", "t.csv", "--endpoint", "http://h/v1", "--model", "m"], "belong"),
    ],
)
def test_words_that_cannot_be_meant(words, said, sets) -> None:
    file = sets("a.jsonl", [{"prompt": "Q", "response": "A"}])
    call = ["judge", *(file if word == "FILE" else word for word in words)]
    done = CliRunner().invoke(app, call)
    assert isinstance(done.exception, RecipeError)
    assert said in str(done.exception)


def test_a_table_that_cannot_be_written_is_refused_before_a_call(
    judge, sets, tmp_path: Path
) -> None:
    file = sets("a.jsonl", [{"prompt": "Q", "response": "A"}])
    (tmp_path / "in-the-way").touch()
    with pytest.raises(CurationError, match="no table can be written there"):
        judge(file, "--table", str(tmp_path / "in-the-way" / "t.csv"))
    with pytest.raises(CurationError, match="the table can be"):
        judge(file, "--table", str(tmp_path / "t.xlsx"))


def test_no_common_prompt_is_said(judge, sets) -> None:
    one = sets("a.jsonl", [{"prompt": "Q", "response": "A"}])
    other = sets("b.jsonl", [{"prompt": "P", "response": "A"}])
    with pytest.raises(SourceError, match="No prompt of"):
        judge(one, "--against", other)
