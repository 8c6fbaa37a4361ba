"""Automations on a real server: a blocked and failed run, and a silent one, reach a webhook."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .conftest import Server, until


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook on loopback; gives its address and what it was told."""
    told: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            told.append(body if isinstance(body, dict) else json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/told", told
    server.shutdown()
    server.server_close()


def thousand(server: Server, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        env=server.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_needs_to_know_whom_to_tell() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "automations"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "either --webhook ADDRESS or --block TYPE/NAME" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_blocked_failed_and_silent_runs_are_told(
    server: Server, receiver: tuple[str, list[dict[str, Any]]], sample: Path, tmp_path: Path
) -> None:
    address, told = receiver
    for _ in range(2):  # a second time replaces the first
        done = thousand(server, "automations", "--webhook", address, "--silence", "60", "--json")
        assert done.returncode == 0, done.stderr
    names = {item["name"] for item in server.ask("automations/filter", {})}
    assert names == set(json.loads(done.stdout)["automations"])
    assert len(server.ask("automations/filter", {})) == len(names) == 5
    done = thousand(server, "automations", "--block", "sendgrid-email/nobody")
    assert done.returncode == 1
    assert "no block 'sendgrid-email/nobody'" in done.stderr

    run = ["run", "sample", "--dumps", str(sample), "--workspace", str(tmp_path / "space")]
    done = thousand(server, *run, "--set", "gates.min_rows=999")
    assert done.returncode == 1
    assert "A gate blocks the release" in done.stderr
    until(lambda: {"a gate blocks a release", "a run failed"} <= kinds(told), 60)
    blocked = next(item for item in told if item["event"] == "thousand.gate.blocked")
    assert "74 training rows, at least 999" in blocked["detail"]["said"]
    assert blocked["id"] == "thousand.release.sample"

    # A run that starts, gives a sign of life, and is never heard of again.
    code = (
        "import uuid\n"
        "from prefect.events import emit_event\n"
        "from prefect.events.worker import EventsWorker\n"
        "emit_event('prefect.flow-run.heartbeat', {'prefect.resource.id': "
        "f'prefect.flow-run.{uuid.uuid4()}'}, related=[{'prefect.resource.id': 'prefect.flow.x', "
        "'prefect.resource.role': 'flow', 'prefect.resource.name': 'curate'}])\n"
        "EventsWorker.instance().drain()\n"
    )
    subprocess.run([sys.executable, "-c", code], env=server.environment, check=True)
    until(lambda: "a run is silent" in kinds(told), 200)
    assert thousand(server, "automations", "--remove").returncode == 0
    assert server.ask("automations/filter", {}) == []


def kinds(told: list[dict[str, Any]]) -> set[str]:
    return {item["automation"].removeprefix("thousand: ") for item in told}
