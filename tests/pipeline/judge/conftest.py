"""A judge that says what a test wants, on loopback, and a proxy that breaks what passes through."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipeline.recipe import Judge

Answer = Callable[[list[dict[str, str]]], Any]


@dataclass
class Served:
    """A server of a test: its address, and the requests that reached it."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    faults: list[Any] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    mute: bool = False  # never list the models
    usage: dict[str, Any] | None = None  # what it says that a reply costs
    hang: threading.Event = field(default_factory=threading.Event)

    @property
    def calls(self) -> int:
        return len(self.requests)

    def settings(self, **more: Any) -> Judge:
        plain = {"endpoint": self.url, "model": "scripted", "concurrency": 1, "tries": 3}
        return Judge(**{**plain, "logprobs": False, **more})


def completion(said: Any, bill: dict[str, Any] | None = None) -> dict[str, Any]:
    """Wrap a reply; a pair of text and log-probabilities gives both."""
    text, tokens = said if isinstance(said, tuple) else (said, None)
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": text},
        "logprobs": None if tokens is None else {"content": tokens},
    }
    usage = bill or {"prompt_tokens": 90, "completion_tokens": 10, "total_tokens": 100}
    whole = {"id": "x", "object": "chat.completion", "created": 0, "model": "scripted"}
    return {**whole, "choices": [choice], "usage": usage}


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        pass  # a client that a test killed


def _start(handler: type[BaseHTTPRequestHandler]) -> tuple[_Server, str]:
    server = _Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}/v1"


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Served]]:
    """Serve a judge that answers a list of messages with a text."""
    servers = []

    def start(answer: Answer) -> Served:
        served = Served("")

        class Handler(_Quiet):
            def do_GET(self) -> None:
                if served.mute:
                    served.hang.wait(60)
                    return
                listed = [{"id": name, "object": "model"} for name in served.models]
                self.send(200, json.dumps({"object": "list", "data": listed}).encode())

            def do_POST(self) -> None:
                request = json.loads(self.body())
                served.requests.append(request)
                served.keys.append(self.headers.get("Authorization"))
                said = answer(request["messages"])
                if said is None:  # never answer
                    served.hang.wait(60)
                    return
                self.send(200, json.dumps(completion(said, served.usage)).encode())

        server, served.url = _start(Handler)
        servers.append((server, served))
        return served

    yield start
    for server, served in servers:
        served.hang.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def break_calls() -> Iterator[Callable[..., Served]]:
    """Put a proxy before an endpoint that meets each call with the next fault, then passes it on.

    Faults: `ok`, `cut`, `slow`, `garbage`, `nothing`, `prose`, or a status with headers and perhaps a
    body. After the last, all calls pass.
    """
    servers = []

    def start(upstream: str, faults: list[Any]) -> Served:
        served = Served("", faults=list(faults))
        lock = threading.Lock()

        class Handler(_Quiet):
            def do_GET(self) -> None:
                self.send(404, b"{}")  # some endpoints list no models

            def do_POST(self) -> None:
                asked = self.body()
                with lock:
                    served.requests.append(json.loads(asked))
                    fault = served.faults.pop(0) if served.faults else "ok"
                if fault == "cut":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
                    self.close_connection = True
                elif fault == "slow":
                    time.sleep(1.0)
                    self.close_connection = True
                elif fault == "garbage":
                    self.send(200, b"<html>busy</html>")
                elif fault == "nothing":
                    self.send(200, b'{"choices": []}')
                elif fault == "prose":
                    prose = "Both have their strengths, and it depends on what one likes."
                    self.send(200, json.dumps(completion(prose)).encode())
                elif isinstance(fault, tuple):
                    status, headers, *body = fault
                    said = body[0] if body else b'{"error": {"message": "no"}}'
                    self.send(status, said, headers)
                else:
                    self.send(200, self.forward(asked))

            def forward(self, body: bytes) -> bytes:
                head = {"Content-Type": "application/json"}
                call = urllib.request.Request(f"{upstream}/chat/completions", body, head)
                with urllib.request.urlopen(call, timeout=120) as answer:
                    return bytes(answer.read())

        server, served.url = _start(Handler)
        servers.append(server)
        return served

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def rows() -> Callable[..., Any]:
    """Build rows as an instruction set gives them."""
    import polars as pl

    from pipeline.instructions import INSTRUCTION

    def make(*responses: str | None) -> pl.DataFrame:
        lines = [
            {"id": f"r{n}", "prompt": f"Question {n}?", "response": text, "history": []}
            for n, text in enumerate(responses)
        ]
        return pl.DataFrame(lines, schema=INSTRUCTION, orient="row")

    return make
