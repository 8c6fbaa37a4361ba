"""Automations on a real server: blocked, failed, crashed and silent runs reach whom they should."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
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

    # The process of a run is killed: whoever served it says that it crashed.
    words = ["serve", "sample", "--dumps", str(sample), "--every", "86400"]
    with server.thousand(*words, "--workspace", str(tmp_path / "crashed")) as serving:
        run_of(server, serving).kill()
        until(lambda: "a run crashed" in kinds(told), 240)
    # Both are killed: nobody is left to say so, and the heartbeat stays away.
    with server.thousand(*words, "--workspace", str(tmp_path / "silent")) as serving:
        flow = run_of(server, serving)
        serving.kill()
        flow.kill()
        until(lambda: "a run is silent" in kinds(told), 240)
    assert thousand(server, "automations", "--remove").returncode == 0
    assert server.ask("automations/filter", {}) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_notification_block_is_told(
    server: Server, receiver: tuple[str, list[dict[str, Any]]], sample: Path, tmp_path: Path
) -> None:
    address, told = receiver
    code = (
        "from prefect.blocks.notifications import CustomWebhookNotificationBlock as Block\n"
        "words = {'subject': '{{subject}}', 'body': '{{body}}'}\n"
        f"Block(name='team', url={address!r}, json_data=words).save('team')\n"
    )
    subprocess.run([sys.executable, "-c", code], env=server.environment, check=True)
    done = thousand(server, "automations", "--block", "custom-webhook/team")
    assert done.returncode == 0, done.stderr
    run = ["run", "sample", "--dumps", str(sample), "--workspace", str(tmp_path / "space")]
    assert thousand(server, *run, "--set", "gates.min_rows=999").returncode == 1
    wanted = {"thousand: a gate blocks a release", "thousand: a run failed"}
    try:
        until(lambda: {item["subject"] for item in told} >= wanted, 120)
    except AssertionError:
        events = {"filter": {"event": {"prefix": ["prefect.automation", "thousand"]}}}
        pytest.fail(f"told {told}; the server has {server.ask('events/filter', events)}")
    assert {item["subject"] for item in told} == wanted
    assert any("74 training rows, at least 999" in item["body"] for item in told)


def run_of(server: Server, serving: "subprocess.Popen[bytes]") -> psutil.Process:
    """Start a run of the deployment that is served; returns its process once it gave a heartbeat."""
    (deployment,) = until(lambda: server.ask("deployments/filter", {}), 90)
    started = server.ask(f"deployments/{deployment['id']}/create_flow_run", {})
    until(lambda: [run for run in server.runs("RUNNING") if run["id"] == started["id"]], 120)
    beats = {"filter": {"event": {"name": ["prefect.flow-run.heartbeat"]}}}
    until(lambda: started["id"] in json.dumps(server.ask("events/filter", beats)), 60)
    spawned = psutil.Process(serving.pid).children()
    (flow,) = [child for child in spawned if "spawn_main" in " ".join(child.cmdline())]
    return flow


def kinds(told: list[dict[str, Any]]) -> set[str]:
    return {item["automation"].removeprefix("thousand: ") for item in told}
