"""A real Prefect server for the slow tests: started, asked, stopped, started again."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


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


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Server:
    """A server whose data outlive it; `home` is its folder."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.api = f"{self.address}/api"
        self.environment = os.environ | {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self.api,
            "PREFECT_UI_API_URL": self.api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            **environment,
        }

    def ask(self, path: str, value: object = None, method: str = "POST") -> Any:
        request = urllib.request.Request(
            f"{self.api}/{path}",
            None if value is None else json.dumps(value).encode(),
            {"content-type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    @contextmanager
    def running(self) -> Iterator["Server"]:
        words = [sys.executable, "-m", "prefect", "server", "start", "--port", str(self.port)]
        process = self.start(words)
        try:
            until(lambda: self.ask("flows/filter", {}) is not None, 120)
            yield self
        finally:
            stop(process)

    def start(self, words: list[str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            words, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    @contextmanager
    def thousand(self, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a command of Thousand that does not end by itself."""
        process = self.start([sys.executable, "-m", "pipeline", *words])
        try:
            yield process
        finally:
            stop(process)

    def runs(self, *states: str) -> list[dict[str, Any]]:
        wanted = {"flow_runs": {"state": {"type": {"any_": list(states)}}}}
        found: list[dict[str, Any]] = self.ask("flow_runs/filter", wanted)
        return found

    def artifacts(self, run: str) -> dict[str, dict[str, Any]]:
        wanted = {"artifacts": {"flow_run_id": {"any_": [run]}}}
        return {item["key"]: item for item in self.ask("artifacts/filter", wanted)}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "prefect").running() as made:
        yield made
