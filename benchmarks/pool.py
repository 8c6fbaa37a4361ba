"""What a larger pool changes in a release: one dump, one recipe, pools of several sizes.

    python -m benchmarks.pool [--dumps FOLDER] [--recipe relaxed] [--factors 2,4,8] [--write]

`pool.factor` is how many rows of each group are embedded for each row of its quota. All runs share
one workspace, so a text is embedded once; the seconds are the stages' own, the cache not counted as
time. Quality and closeness are those of the certificate (pipeline.selection.certificate).
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import dumps
from benchmarks.report import SPEED, put
from benchmarks.timing import run_command


def run(folder: Path, recipe: str, factor: float, workspace: Path) -> dict[str, Any]:
    """Make one release; returns what is told of it."""
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "pipeline", "run", recipe, "--plain", "--json"]
    command += ["--dumps", str(folder), "--workspace", str(workspace)]
    command += ["--set", f"pool.factor={factor:g}"]
    _, _, _, out = run_command(command, env)
    answer = json.loads(out)
    embedded = next(line["rows_out"] for line in answer["funnel"] if line["stage"] == "embed")
    folder = Path(answer["run"]) / "select"
    picked = pl.read_parquet(folder / "all.parquet").filter(split="train")
    table = pl.read_parquet(folder / "tables" / "certificate.parquet").filter(set="picked")
    return {
        "factor": factor,
        "embedded": embedded,
        "ids": set(picked["id"]),
        "votes": picked["votes"].median(),
        **table.row(0, named=True),
    }


def table(releases: list[dict[str, Any]], default: float) -> str:
    """Set the releases side by side; the shared rows are those of the default's release."""
    usual = next(release["ids"] for release in releases if release["factor"] == default)
    lines = [
        "| `pool.factor` | rows embedded | training rows | of them in the release of "
        f"{default:g} | median votes | mean quality | to the nearest other picked row |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {r['factor']:g} | {r['embedded']:,} | {len(r['ids']):,} | "
        f"{len(r['ids'] & usual) / len(r['ids']):.0%} | {r['votes']:g} | "
        f"{r['mean_quality']:.3f} | {r['mean_nearest_neighbour']:.3f} |"
        for r in releases
    ]
    return "\n".join(lines)


def main() -> None:
    """Make all releases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dumps", type=Path, default=dumps.SAMPLE)
    parser.add_argument("--recipe", default="relaxed")
    parser.add_argument("--factors", default="2,4,8")
    parser.add_argument("--default", type=float, default=4)
    parser.add_argument("--write", action="store_true", help="put the table into docs/speed.md")
    words = parser.parse_args()
    factors = sorted({words.default, *(float(factor) for factor in words.factors.split(","))})
    with tempfile.TemporaryDirectory(prefix="thousand-pool-") as workspace:
        releases = [run(words.dumps, words.recipe, f, Path(workspace)) for f in factors]
    text = table(releases, words.default)
    print(text)
    if words.write:
        put(SPEED, "pool", text)


if __name__ == "__main__":
    main()
