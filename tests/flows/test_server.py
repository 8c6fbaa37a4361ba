"""The flow on a real server: served on a one-minute schedule, watched through the API."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.release.verify import verify

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(probe: Callable[[], Any], seconds: float) -> Any:
    """Ask again and again until the answer is not empty; refused connections count as empty."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if answer := probe():
                return answer
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"nothing came within {seconds} s")


class Server:
    def __init__(self, port: int, home: Path) -> None:
        self.api = f"http://127.0.0.1:{port}/api"
        self.environment = os.environ | {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self.api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }

    def ask(self, path: str, value: object) -> Any:
        request = urllib.request.Request(
            f"{self.api}/{path}", json.dumps(value).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    port = free_port()
    made = Server(port, tmp_path / "prefect")
    words = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    process = subprocess.Popen(
        words, env=made.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: made.ask("flows/filter", {}) is not None, 90)
        yield made
    finally:
        process.terminate()
        process.wait(30)


def test_a_scheduled_run_ends_and_its_artifacts_come_back(
    server: Server, sample: Path, tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    words = [sys.executable, "-m", "pipeline", "serve", "sample", "--every", "60"]
    words += ["--dumps", str(sample), "--workspace", str(workspace)]
    serving = subprocess.Popen(
        words, env=server.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    finished = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}}}
    try:
        runs = until(lambda: server.ask("flow_runs/filter", finished), 240)
    finally:
        serving.terminate()
        serving.wait(30)
    run = runs[0]
    assert run["state_type"] == "COMPLETED", run["state"]
    assert run["auto_scheduled"]
    assert run["name"] == "curate sample"
    tasks = server.ask(
        "task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}, "limit": 200}
    )
    names = {task["name"].split(" · ")[0] for task in tasks}
    assert {"ingest", "filter", "dedup", "embed", "select", "release"} <= names
    artifacts = {
        item["key"]: item
        for item in server.ask(
            "artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
        )
    }
    assert set(artifacts) == {"progress", "funnel", "release-card", "cluster-map", "lengths"}
    assert float(artifacts["progress"]["data"]) == 100
    assert "# sample" in artifacts["release-card"]["data"]
    assert artifacts["cluster-map"]["data"].startswith("data:image/png;base64,iVBOR")
    assert json.loads(artifacts["funnel"]["data"])[0]["stage"] == "ingest"
    (release,) = (workspace / "releases" / "sample").iterdir()
    assert verify(release).ok
