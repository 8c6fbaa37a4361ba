"""What happens between a question and its verdict: faults, budgets, the cache, a kill."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ModelError
from pipeline.judge import endpoint
from pipeline.judge.asking import Asker, estimate, request_of
from pipeline.judge.pointwise import grade_rows
from pipeline.judge.replies import Reply

EMAIL_DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "WAIT_SECONDS", 0.02)


@pytest.fixture
def steady(serve):
    """A judge that gives every response a 4."""
    return serve(lambda messages: "Verdict: 4")


def test_marks_come_in_the_order_of_the_rows(serve, rows, tmp_path: Path) -> None:
    served = serve(lambda messages: f"Verdict: {messages[1]['content'].count('x')}")
    frame = rows("x", "xxx", None, "xx", " ")
    with Asker(served.settings(concurrency=3), tmp_path) as asker:
        table = grade_rows(frame, asker)
    assert table["mark"].to_list() == [1, 3, None, 2, None]
    assert table["reason"].to_list() == [None, None, "no_response", None, "no_response"]
    assert served.calls == 3
    request = served.requests[0]
    assert (request["temperature"], request["model"]) == (0, "scripted")


def test_a_second_run_makes_no_call_and_needs_no_endpoint(steady, rows, tmp_path: Path) -> None:
    frame = rows("one", "two", "two")
    with Asker(steady.settings(), tmp_path) as asker:
        first = grade_rows(frame, asker)
    gone = steady.settings(endpoint="http://127.0.0.1:9/v1")  # nobody listens there
    with Asker(gone, tmp_path) as asker:
        second = grade_rows(frame, asker)
    assert first.equals(second)
    assert steady.calls == 3
    assert (asker.bill.calls, asker.bill.from_cache) == (0, 3)


def test_the_same_question_twice_is_one_call(steady, rows, tmp_path: Path) -> None:
    frame = rows("one").vstack(rows("one"))
    with Asker(steady.settings(), tmp_path) as asker:
        assert grade_rows(frame, asker)["mark"].to_list() == [4, 4]
    assert steady.calls == 1


@pytest.mark.parametrize(
    "fault",
    [
        (429, {"Retry-After": "0.01"}),
        (429, {"Retry-After": EMAIL_DATE}),
        (500, {}),
        (503, {}),
        "cut",
        "garbage",
        "slow",
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again(fault, steady, break_calls, rows, tmp_path: Path) -> None:
    proxy = break_calls(steady.url, [fault, fault])
    settings = proxy.settings(timeout_seconds=0.3 if fault == "slow" else 30)
    with Asker(settings, tmp_path) as asker:
        assert grade_rows(rows("one"), asker)["mark"].to_list() == [4]
    assert (proxy.calls, steady.calls, asker.bill.calls) == (3, 1, 3)


def test_retry_after_is_honoured(steady, break_calls, rows, tmp_path: Path) -> None:
    proxy = break_calls(steady.url, [(429, {"Retry-After": "0.7"})])
    started = time.perf_counter()
    with Asker(proxy.settings(), tmp_path) as asker:
        grade_rows(rows("one"), asker)
    assert time.perf_counter() - started > 0.7


def test_after_all_tries_a_question_stays_open_for_the_next_run(
    steady, break_calls, rows, tmp_path: Path
) -> None:
    proxy = break_calls(steady.url, ["ok", (500, {}), (500, {}), (500, {})])
    with Asker(proxy.settings(), tmp_path) as asker:
        table = grade_rows(rows("one", "two", "three"), asker)
    assert table["mark"].to_list() == [4, None, 4]
    assert table["reason"][1] == "unanswered"
    assert table["detail"][1] == "status 500"
    with Asker(proxy.settings(), tmp_path) as asker:
        assert grade_rows(rows("one", "two", "three"), asker)["mark"].to_list() == [4, 4, 4]
    assert asker.bill.calls == 1


def test_prose_is_a_failure_that_is_kept_and_not_asked_again(
    steady, break_calls, rows, tmp_path: Path
) -> None:
    proxy = break_calls(steady.url, ["prose"])
    for _ in range(2):
        with Asker(proxy.settings(), tmp_path) as asker:
            table = grade_rows(rows("one"), asker)
        assert (table["mark"][0], table["reason"][0]) == (None, "no_verdict")
        assert table["detail"][0].startswith("Both have their strengths")
    assert proxy.calls == 1


def test_a_refused_request_is_not_tried_again(steady, break_calls, rows, tmp_path: Path) -> None:
    proxy = break_calls(steady.url, [(400, {})])
    with Asker(proxy.settings(), tmp_path) as asker:
        table = grade_rows(rows("one", "two"), asker)
    assert table["reason"].to_list() == ["refused", None]
    assert proxy.calls == 2


@pytest.mark.parametrize(
    ("status", "said"), [(401, "without a key"), (402, "wants to be paid"), (404, "base URL")]
)
def test_what_no_call_can_mend_stops_at_once(
    status, said, steady, break_calls, rows, tmp_path: Path
) -> None:
    proxy = break_calls(steady.url, [(status, {})] * 9)
    with Asker(proxy.settings(), tmp_path) as asker, pytest.raises(ModelError, match=said):
        grade_rows(rows("one", "two", "three"), asker)
    assert proxy.calls == 1


def test_a_text_is_not_sent_on_to_another_address(
    steady, serve, break_calls, rows, tmp_path: Path
) -> None:
    other = serve(lambda messages: "Verdict: 6")
    there = f"{other.url}/chat/completions"
    proxy = break_calls(steady.url, [(307, {"Location": there})] * 9)
    with Asker(proxy.settings(), tmp_path) as asker, pytest.raises(ModelError, match=there):
        grade_rows(rows("one", "two"), asker)
    assert (proxy.calls, other.calls) == (1, 0)


def test_nobody_there_is_one_sentence_within_seconds(rows, serve, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    settings = serve(lambda messages: "").settings(endpoint=url, concurrency=8, tries=6)
    started = time.perf_counter()
    with Asker(settings, tmp_path) as asker, pytest.raises(ModelError, match="does not answer"):
        grade_rows(rows(*"abcdefgh"), asker)
    assert time.perf_counter() - started < 8
    assert asker.bill.calls == 0


def test_an_endpoint_that_dies_loses_nothing(serve, break_calls, rows, tmp_path: Path) -> None:
    steady = serve(lambda messages: "Verdict: 4")
    proxy = break_calls(steady.url, ["ok", "ok", *["cut"] * 9])
    settings = proxy.settings()
    with Asker(settings, tmp_path) as asker:
        asker._endpoint._probe()
        with pytest.MonkeyPatch.context() as patch:
            # The third call is cut, and from then on nobody answers the probe.
            patch.setattr(
                asker._endpoint._connected().__class__,
                "with_options",
                lambda self, **_: self.copy(base_url="http://127.0.0.1:9/v1"),
            )
            with pytest.raises(ModelError, match="Replies so far are kept"):
                grade_rows(rows(*"abcdef"), asker)
    with Asker(steady.settings(), tmp_path) as asker:
        grade_rows(rows(*"abcdef"), asker)
    assert (asker.bill.from_cache, asker.bill.calls) == (2, 4)


def refusal(status: int) -> tuple[int, dict[str, str]]:
    return (status, {})


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (refusal(500), "status 500"),
        (refusal(429), "status 429"),
        (refusal(400), "status 400: no"),
        ("garbage", "no chat completion"),
        ("nothing", "no chat completion"),
    ],
    ids=str,
)
def test_an_endpoint_that_is_up_and_of_no_use_is_given_up(
    fault, said, steady, break_calls, rows, tmp_path: Path
) -> None:
    proxy = break_calls(steady.url, [fault] * 500)
    settings = proxy.settings(concurrency=2, tries=2)
    with Asker(settings, tmp_path) as asker, pytest.raises(ModelError) as caught:
        grade_rows(rows(*map(str, range(60))), asker)
    assert f"the last 12 calls had no reply (mostly: {said}" in str(caught.value).replace(
        "what came was ", ""
    )
    assert "Replies so far are kept" in str(caught.value)
    assert 12 <= proxy.calls <= 12 + 2  # what was in the air


def test_a_reply_now_and_then_is_use_enough(steady, break_calls, rows, tmp_path: Path) -> None:
    proxy = break_calls(steady.url, [*[refusal(500)] * 4, "ok"] * 6)
    with Asker(proxy.settings(tries=1), tmp_path) as asker:
        table = grade_rows(rows(*map(str, range(30))), asker)
    assert table["mark"].to_list() == [None, None, None, None, 4] * 6


def test_rows_that_are_refused_do_not_stop_a_run_where_others_succeed(
    steady, break_calls, rows, tmp_path: Path
) -> None:
    proxy = break_calls(steady.url, ["ok", *[refusal(400)] * 58])
    frame = rows(*map(str, range(30)))
    for calls in (30, 29):  # the second time those alone that were refused are asked again
        with Asker(proxy.settings(), tmp_path) as asker:
            table = grade_rows(frame, asker)
        assert table["reason"].to_list() == [None] + ["refused"] * 29
        assert asker.bill.calls == calls


def test_who_lists_no_models_in_time_may_judge_and_is_dead_if_not(
    serve, rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "PROBE_SECONDS", 0.2)
    busy = serve(lambda messages: "Verdict: 4")
    frozen = serve(lambda messages: None)
    busy.mute = frozen.mute = True
    with Asker(busy.settings(), tmp_path) as asker:
        assert grade_rows(rows("one"), asker)["mark"].to_list() == [4]
    settings = frozen.settings(timeout_seconds=0.3, tries=6)
    with (
        Asker(settings, tmp_path / "other") as asker,
        pytest.raises(ModelError, match="does not answer"),
    ):
        grade_rows(rows(*"abc"), asker)
    assert frozen.calls == 1


def test_who_takes_questions_and_never_writes_is_given_up_after_one_try_each(
    serve, rows, tmp_path: Path
) -> None:
    said = iter(["Verdict: 4"])
    dumb, fallen = serve(lambda messages: None), serve(lambda messages: next(said, None))
    for frozen, calls in ((dumb, 3 * 3), (fallen, 1 + 3 * 3)):
        settings = frozen.settings(timeout_seconds=0.3, tries=6, concurrency=3)
        with (
            Asker(settings, tmp_path / str(calls)) as asker,
            pytest.raises(ModelError, match=r"the last 9 calls .* raise timeout"),
        ):
            grade_rows(rows(*map(str, range(60))), asker)
        assert calls <= frozen.calls <= calls + 3  # what was in the air


FOUR = {"token": "4", "logprob": -0.5}
ODD = {
    "huge": [FOUR | {"logprob": 5000}],
    "longest": [FOUR | {"logprob": -(10**400)}],
    "nan": [FOUR | {"logprob": float("nan")}],
    "text": [FOUR | {"logprob": "-0.5"}],
    "no_probability": [{"token": "4"}],
    "no_token": [{"logprob": -0.5}],
    "number": [FOUR | {"token": 4}],
    "others": [FOUR | {"top_logprobs": {"4": -0.5}}],
    "other": [FOUR | {"top_logprobs": [None, {"token": "5", "logprob": float("nan")}, "5"]}],
    "sure": [FOUR | {"top_logprobs": [{"token": "5", "logprob": 5000}]}],
    "object": {"4": -0.5},
}


@pytest.mark.parametrize("odd", ODD)
def test_probabilities_that_are_none_leave_the_written_mark(
    odd: str, serve, rows, tmp_path: Path
) -> None:
    served = serve(lambda messages: ("4", ODD[odd]))
    for _ in range(2):  # from the wire, then from the cache
        with Asker(served.settings(logprobs=True), tmp_path) as asker:
            table = grade_rows(rows("one"), asker)
        assert table["mark"].to_list() == [4]
        assert table["mass"][0] is None or 0 < table["mass"][0] <= 1
    assert served.calls == 1


def test_logprobs_and_usage_of_another_kind_are_none() -> None:
    choice = {"message": {"content": "4"}, "logprobs": ["x"]}
    reply = Reply.of({"choices": [choice], "usage": "12"})
    assert (reply.text, reply.tokens, reply.spent) == ("4", None, 0)


@pytest.mark.parametrize("tokens", [float("inf"), -50, "many", None, 1e300])
def test_a_bill_that_is_none_is_estimated(tokens, serve, rows, tmp_path: Path) -> None:
    served = serve(lambda messages: "Verdict: 4")
    served.usage = {"total_tokens": tokens}
    with Asker(served.settings(), tmp_path) as asker:
        assert grade_rows(rows("one"), asker)["mark"].to_list() == [4]
    assert 0 < asker.bill.tokens < 5000


def test_what_a_server_says_of_an_error_cannot_harm_a_terminal(
    steady, break_calls, rows, tmp_path: Path
) -> None:
    body = json.dumps({"error": {"message": "no \x1b]0;title\x07 \ud800"}}).encode()
    proxy = break_calls(steady.url, ["ok", (400, {}, body)])
    with Asker(proxy.settings(), tmp_path) as asker:
        table = grade_rows(rows("one", "two"), asker)
    assert table["reason"].to_list() == [None, "refused"]
    assert table["detail"][1].isprintable()
    table["detail"][1].encode()


def test_an_answer_that_is_nested_too_deep_is_no_completion(
    steady, break_calls, rows, tmp_path: Path
) -> None:
    deep = b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    proxy = break_calls(steady.url, [(200, {}, deep)])
    with Asker(proxy.settings(), tmp_path) as asker:
        assert grade_rows(rows("one"), asker)["mark"].to_list() == [4]
    assert proxy.calls == 2


# Budgets


def test_a_budget_of_calls_is_kept_to_the_call(steady, break_calls, rows, tmp_path: Path) -> None:
    proxy = break_calls(steady.url, ["ok", (500, {}), "ok", (500, {}), (500, {})])
    with Asker(proxy.settings(budget_calls=4, concurrency=2), tmp_path) as asker:
        table = grade_rows(rows(*"abcdef"), asker)
    assert proxy.calls == asker.bill.calls == 4
    assert asker.bill.budget_spent
    marked = table["mark"].count()
    assert marked == 6 - table["reason"].to_list().count("budget") < 6
    with Asker(proxy.settings(concurrency=2, tries=9), tmp_path) as asker:
        assert grade_rows(rows(*"abcdef"), asker)["mark"].to_list() == [4] * 6
    assert asker.bill.from_cache == marked


def test_a_budget_of_tokens_is_not_passed(steady, rows, tmp_path: Path) -> None:
    with Asker(steady.settings(), tmp_path / "other") as asker:
        size = estimate(request_of(grade_question(rows("a"), asker), asker.settings))
    # A reply costs 100 tokens here, and a question is let in by its estimate.
    budget = size + 250
    with Asker(steady.settings(budget_tokens=budget, concurrency=4), tmp_path) as asker:
        table = grade_rows(rows(*"abcdefgh"), asker)
    assert table["mark"].to_list() == [4] * 3 + [None] * 5
    assert asker.bill.tokens == 300 <= budget
    assert set(table["reason"][3:]) == {"budget"}


def grade_question(frame, asker):
    from pipeline.judge.pointwise import question

    return question(frame.row(0, named=True), asker.settings)


# The key


def test_the_key_is_sent_and_written_nowhere(
    steady, rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setenv("TEST_JUDGE_KEY", "sk-very-secret")
    caplog.set_level("DEBUG")
    with Asker(steady.settings(key_variable="TEST_JUDGE_KEY"), tmp_path) as asker:
        grade_rows(rows("one"), asker)
    assert steady.keys == ["Bearer sk-very-secret"]
    (kept,) = tmp_path.glob("*.jsonl")
    assert "sk-very-secret" not in kept.read_text() + caplog.text
    monkeypatch.delenv("TEST_JUDGE_KEY")
    with (
        Asker(steady.settings(key_variable="TEST_JUDGE_KEY"), tmp_path) as asker,
        pytest.raises(ModelError, match="TEST_JUDGE_KEY"),
    ):
        grade_rows(rows("two"), asker)


# The files of replies


def test_every_raw_reply_is_kept_with_its_request(steady, rows, tmp_path: Path) -> None:
    with Asker(steady.settings(), tmp_path) as asker:
        grade_rows(rows("one", "two"), asker)
    (kept,) = tmp_path.glob("*.jsonl")
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [line["response"]["choices"][0]["message"]["content"] for line in lines] == [
        "Verdict: 4"
    ] * 2
    assert "\none\n" in lines[0]["request"]["messages"][1]["content"]


def test_a_torn_line_costs_its_own_reply_alone(steady, rows, tmp_path: Path) -> None:
    with Asker(steady.settings(), tmp_path) as asker:
        grade_rows(rows("one", "two"), asker)
    (kept,) = tmp_path.glob("*.jsonl")
    kept.write_bytes(kept.read_bytes()[:-40])
    with Asker(steady.settings(), tmp_path) as asker:
        assert grade_rows(rows("one", "two"), asker)["mark"].to_list() == [4, 4]
    assert asker.bill.from_cache == 1
    assert steady.calls == 3


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises, also where a shell started the tests in the background, ignoring it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_does_not_wait_for_calls_in_the_air(serve, rows, tmp_path: Path) -> None:
    served = serve(
        lambda messages: "Verdict: 4" if "Question 0" in messages[1]["content"] else None
    )

    sent: list[float] = []

    def interrupt() -> None:
        while served.calls < 3:
            time.sleep(0.01)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with (
        pytest.raises(KeyboardInterrupt),
        Asker(served.settings(concurrency=2, timeout_seconds=50), tmp_path) as asker,
    ):
        grade_rows(rows(*"abcd"), asker)
    assert time.perf_counter() - sent[0] < 5
    (kept,) = tmp_path.glob("*.jsonl")
    assert len(kept.read_text().splitlines()) == 1  # the reply that had come


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=str)
def test_a_kill_in_mid_run_pays_for_nothing_twice(end, serve, tmp_path: Path) -> None:
    answered: list[str] = []

    def answer(messages):
        if len(answered) >= 5 and not mended:
            return None  # hang, as a call in the air does
        answered.append(messages[1]["content"])
        return "Verdict: 5"

    mended: list[bool] = []
    served = serve(answer)
    lines = [{"prompt": f"Question {n}?", "response": f"Answer {n}."} for n in range(9)]
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, lines)))
    words = ["judge", str(tmp_path / "set.jsonl"), "--endpoint", served.url, "--model", "m"]
    call = [sys.executable, "-m", "pipeline", *words, "--workspace", str(tmp_path), "--json"]
    call += ["--set", "judge.logprobs=false", "--concurrency", "2"]
    run = subprocess.Popen(call, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while served.calls < 7 and time.monotonic() < deadline:
        time.sleep(0.02)
    run.send_signal(end)
    run.wait(timeout=20)  # the calls in the air hang for a minute
    assert len(answered) == 5
    mended.append(True)
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["judged"] == 9
    assert report["bill"]["from_cache"] == 5
    assert len(answered) == len(set(answered)) == 9
