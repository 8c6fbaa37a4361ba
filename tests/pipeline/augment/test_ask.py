"""Augmented rows: what is asked, what comes back, and that none enters a release by itself."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.augment.ask import augment
from pipeline.augment.systems import SYSTEMS, system_for
from pipeline.errors import CurationError, ModelError
from pipeline.loading import load
from pipeline.recipe import Judge
from pipeline.run import Workspace, curate


class Scripted:
    """A loopback endpoint that answers by a script and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.script: list[int] = []  # statuses before it answers as usual
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = outer.script.pop(0) if outer.script else 200
                if status == 200:
                    outer.asked.append(body)
                message = {"role": "assistant", "content": f"Made {len(outer.asked)}."}
                answer = {
                    "id": "x",
                    "object": "chat.completion",
                    "created": 0,
                    "model": "m",
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                }
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("retry-after-ms", "1")
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def settings(self, **more: Any) -> Judge:
        url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        return Judge(endpoint=url, model="m", concurrency=1, tries=3, **more)


@pytest.fixture
def endpoint() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "set.jsonl"
    lines = [
        {
            "id": f"a:{n}",
            "prompt": f"Why is {n} odd?",
            "response": f"Since {n} is.",
            "licence": "CC0-1.0",
        }
        for n in range(4)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_what_comes_back_is_marked_as_a_models(endpoint: Scripted, rows: Path, tmp_path: Path):
    out, cache = tmp_path / "out.jsonl", tmp_path / "cache"
    endpoint.script = [500, 429]  # tried again
    bill = augment(rows, out, endpoint.settings(), cache, mode="extend")
    assert (bill["made"], bill["calls"], bill["failures"]) == (4, 6, {})  # each try is a call
    made = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["parent"] for row in made] == ["a:0", "a:1", "a:2", "a:3"]
    assert {row["origin"] for row in made} == {"model"}
    assert [row["id"] for row in made] == [f"a:{n}#extend" for n in range(4)]
    for row, asked in zip(made, endpoint.asked, strict=True):
        first = asked["messages"][0]
        assert (first["content"] if first["role"] == "system" else None) == row["system"]
        assert row["prompt"] in asked["messages"][-1]["content"]
    first_bytes = out.read_bytes()
    again = augment(rows, out, endpoint.settings(), cache, mode="extend")
    assert (again["calls"], again["from_cache"]) == (0, 4)
    assert out.read_bytes() == first_bytes


def test_a_budget_ends_it_and_the_next_call_goes_on(endpoint: Scripted, rows: Path, tmp_path: Path):
    out, cache = tmp_path / "out.jsonl", tmp_path / "cache"
    bill = augment(rows, out, endpoint.settings(budget_calls=3), cache)
    assert (bill["made"], bill["failures"]) == (3, {"budget": 1})
    bill = augment(rows, out, endpoint.settings(budget_calls=3), cache)
    assert (bill["made"], bill["calls"], bill["failures"]) == (4, 1, {})
    kept = "".join(file.read_text() for file in cache.glob("*.jsonl")).splitlines()
    assert (
        len({json.loads(line)["key"] for line in kept}) == 4
    )  # every reply is kept, with its request


def test_a_refused_row_is_left_out_and_bad_words_write_nothing(
    endpoint: Scripted, rows: Path, tmp_path: Path
):
    out, cache = tmp_path / "out.jsonl", tmp_path / "cache"
    endpoint.script = [400] * 4
    with pytest.raises(ModelError, match=r"none of 4 rows \(status 400"):
        augment(rows, out, endpoint.settings(), cache)
    with pytest.raises(CurationError, match="rewrite, extend"):
        augment(rows, out, endpoint.settings(), cache, mode="x")
    with pytest.raises(CurationError, match=r"\.jsonl"):
        augment(rows, tmp_path / "out.csv", endpoint.settings(), cache)
    endpoint.server.shutdown()
    endpoint.server.server_close()
    with pytest.raises(ModelError, match="does not answer"):
        augment(rows, out, endpoint.settings(), cache)
    assert not out.exists()


def test_the_others_are_made_where_one_is_refused(endpoint: Scripted, rows: Path, tmp_path: Path):
    talk = [{"role": role, "content": "So?"} for role in ("user", "assistant") * 2]
    with rows.open("a") as more:
        more.write(json.dumps({"id": "talk", "messages": talk}) + "\n")
    endpoint.script = [400]
    bill = augment(rows, tmp_path / "out.jsonl", endpoint.settings(), tmp_path / "cache")
    assert (bill["rows"], bill["made"]) == (5, 3)
    assert bill["failures"] == {"dialogue": 1, "refused": 1}


def test_no_release_takes_augmented_rows_by_itself(tmp_path: Path):
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    topics = ("tides", "bread", "violins", "trains")
    lines = [
        {
            "id": topic,
            "prompt": f"How do {topic} work at night?",
            "response": f"{topic.title()} work by rule {n}, as the {topic} of port {n * 7} show. "
            * 3,
            **({"origin": "model", "parent": "x"} if n < 2 else {}),
        }
        for n, topic in enumerate(topics)
    ]
    (dumps / "made.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    # The mapping does not name the origin; the rows do.
    table = (
        "{name: made, path: made.jsonl, columns: {title: prompt, response: response}, "
        "values: {url: 'https://a.example', author: Ada, licence: CC0-1.0}}"
    )
    settings = ["select.quotas={authored: 4}", "select.validation={}", "select.test={}"]
    settings += ["select.on_shortfall=accept", "select.size=null", f"ingest.tables=[{table}]"]
    recipe = load("sample", [*settings, "cluster.semantic_threshold=null"])
    assert curate(recipe, dumps, Workspace(tmp_path / "ws")).rows == 2


def test_system_messages_are_dealt_by_lot_and_stay():
    assert len(set(SYSTEMS)) == 16
    dealt = [system_for(f"row:{n}", 0) for n in range(400)]
    assert set(dealt) == set(SYSTEMS)
    assert dealt == [system_for(f"row:{n}", 0) for n in range(400)]
