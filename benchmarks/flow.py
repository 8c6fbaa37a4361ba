"""The flow beside the same stages called from plain Python, and what an unchanged run costs.

`thousand run sample` as a command, vectors cached, into an empty workspace and then again into the
full one; with Prefect (which starts a server for the run) and with --plain. What Prefect costs
before it has done anything is measured by a flow that does nothing, started in the same way.
"""

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import dumps
from benchmarks.timing import Claim, Measured, Result, machine, run_command

NOTHING = """
from prefect import flow
from flows.local import _server

@flow
def nothing(): pass

with _server():
    nothing()
"""
PLAIN, FLOW, START = "--plain", "the flow", "Prefect, a flow that does nothing"
PLAIN_AGAIN, FLOW_AGAIN = "--plain, nothing changed", "the flow, nothing changed"
SHARE, BEYOND = 1.10, 5.0


def run(home: Path, rounds: int, source: Path = dumps.SAMPLE) -> Result:
    """Measure all, in turns."""
    root = str(Path(__file__).parents[1])
    # A home of Prefect's own, whose database exists: its first start makes it.
    env = os.environ | {
        "PYTHONPATH": root,
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": "",
    }
    env |= {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180"}
    seen = {n: Measured(n) for n in (PLAIN, FLOW, START, PLAIN_AGAIN, FLOW_AGAIN)}

    def timed(name: str, command: list[str]) -> None:
        seconds, processor, watch, _ = run_command(command, env)
        seen[name].seconds.append(seconds)
        seen[name].processor.append(processor)
        seen[name].peak_bytes = max(seen[name].peak_bytes, watch.peak)

    words = [sys.executable, "-m", "pipeline", "run", "sample", "--json", "--dumps", str(source)]
    cached = home / "cached"
    run_command([*words, "--plain", "--workspace", str(cached)], env)
    run_command([sys.executable, "-c", NOTHING], env)
    for _ in range(rounds):
        timed(START, [sys.executable, "-c", NOTHING])
        for first, again, more in ((PLAIN, PLAIN_AGAIN, ["--plain"]), (FLOW, FLOW_AGAIN, [])):
            with tempfile.TemporaryDirectory(dir=home) as folder:
                shutil.copytree(cached / "cache", Path(folder) / "cache")
                command = [*words, *more, "--workspace", folder]
                timed(first, command)
                timed(again, command)
    start = statistics.median(seen[START].seconds)
    claims = [
        Claim(
            FLOW,
            PLAIN,
            at_most=SHARE,
            beyond=BEYOND + start,
            note=f"+ {BEYOND:g} s, Prefect's own start of {start:.1f} s aside",
        ),
        Claim(
            FLOW_AGAIN, START, at_most=1.0, beyond=BEYOND, note=f"+ {BEYOND:g} s: an unchanged run"
        ),
        Claim(PLAIN_AGAIN, note="no Prefect"),
    ]
    what = "`thousand run sample` as a command, vectors cached"
    return Result(
        "flow", "The flow", what, list(seen.values()), claims, [], {"start": start}, machine()
    )
