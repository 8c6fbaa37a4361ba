"""A flow that is started in a terminal: nothing leaves the machine, an error is one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PRIVATE = ("DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED", "PREFECT_API_URL")


@pytest.fixture
def bare() -> dict[str, str]:
    """The environment of somebody who has set nothing."""
    return {name: value for name, value in os.environ.items() if name not in PRIVATE}


def test_telemetry_is_off_before_prefect_is_loaded(bare: dict[str, str], tmp_path: Path) -> None:
    code = (
        "import sys, flows, os; assert 'prefect' not in sys.modules; "
        "print(os.environ['DO_NOT_TRACK'], os.environ['PREFECT_SERVER_ANALYTICS_ENABLED'])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=bare,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["1", "false"]


@pytest.mark.slow
def test_a_flow_that_fails_says_so_once(bare: dict[str, str], tmp_path: Path) -> None:
    words = ["run", "lima", "--dumps", "none", "--workspace", "space"]
    run = subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        cwd=tmp_path,
        env=bare | {"PREFECT_HOME": str(tmp_path / "prefect")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.strip() == (
        f"error: There is no dumps folder {tmp_path / 'none'}; name one with --dumps."
    )
