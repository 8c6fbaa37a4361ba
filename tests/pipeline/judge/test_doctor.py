"""`thousand doctor` asks a recipe's judge whether it is there, and pays for nothing."""

import socket

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.doctor import examine_judge
from pipeline.judge import endpoint


@pytest.mark.parametrize(
    ("listed", "ok", "said", "remedy"),
    [
        (["other", "scripted"], True, "answers and has the model scripted", ""),
        (["a", "b"], False, "does not list the model scripted", "It lists a, b: name one of them"),
        ([], True, "lists no models; the first call will show", ""),
    ],
)
def test_a_judge_that_answers(serve, listed, ok, said, remedy) -> None:
    served = serve(lambda messages: "Verdict: 4")
    served.models += listed
    found = examine_judge(served.settings())
    assert (found.ok, served.calls) == (ok, 0)
    assert said in found.said
    assert found.remedy.startswith(remedy)


def test_a_proxy_that_knows_no_list_of_models_is_there(serve, break_calls) -> None:
    proxy = break_calls(serve(lambda messages: "").url, [])
    assert examine_judge(proxy.settings()).ok


def test_who_takes_the_connection_and_says_nothing_is_not_there(
    serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "PROBE_SECONDS", 0.2)
    served = serve(lambda messages: "")
    served.mute = True
    found = examine_judge(served.settings())
    assert not found.ok
    assert "does not answer (no answer within 0.2 s)" in found.said


def test_nobody_there_and_no_key_are_said(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    settings = serve(lambda messages: "").settings(endpoint=url)
    found = examine_judge(settings)
    assert not found.ok
    assert f"{url} does not answer" in found.said
    assert found.remedy == "Start it or name another endpoint"
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    found = examine_judge(settings.model_copy(update={"key_variable": "NO_SUCH_KEY"}))
    assert not found.ok
    assert "NO_SUCH_KEY" in found.said


def test_the_command_asks_only_when_told_to(serve) -> None:
    served = serve(lambda messages: "")
    served.models.append("m")
    words = ["--set", f"judge.endpoint={served.url}", "--set", "judge.model=m"]
    assert "has the model m" in CliRunner().invoke(app, ["doctor", *words]).output
    assert "judge" not in CliRunner().invoke(app, ["doctor"]).output
    plain = CliRunner().invoke(app, ["doctor", "--recipe", "lima"])
    assert "names no endpoint" in plain.output
