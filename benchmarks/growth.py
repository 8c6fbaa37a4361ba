"""How time and memory grow with the dump: the whole job at several sizes, with known answers.

Makes dumps (benchmarks/dumps.py), runs `thousand run relaxed --plain` on each in a process of its
own with an empty cache, and looks at the memory of the whole process tree. The planted copies that
reached the stage `dedup` must have been found.

    python -m benchmarks.growth [--sizes 10000,100000,1000000] [--from DIR] [--dumps FOLDER] [--write]

Costs that do not grow (start, and what the recipe bounds: embedding and all after it) are told
apart by the times of the stages in their manifests.
"""

import argparse
import itertools
import json
import math
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import dumps
from benchmarks.timing import Claim, Measured, Result, machine, run_command
from pipeline.minhash import jaccard, shingle
from pipeline.run import STAGES

RECIPE = "relaxed"
BOUNDED = ("embed", "cluster", "score", "select")  # the pool bounds them
EXPONENT, SECONDS, MEMORY = 1.1, 480.0, 2_500_000_000
CLAIMED = 1_000_000  # posts
_NEAR = 0.8  # Jaccard similarity from which a planted copy must be found


def run(folder: Path, workspace: Path) -> dict[str, Any]:
    """Run the job on one dump; returns what was measured, stage by stage."""
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "pipeline", "run", RECIPE, "--plain", "--json"]
    command += ["--dumps", str(folder), "--workspace", str(workspace)]
    seconds, processor, watch, out = run_command(command, env)
    answer = json.loads(out)
    stages = {}
    for name in STAGES:
        path = Path(answer["run"]) / name / "manifest.json"
        if path.exists():
            stages[name] = json.loads(path.read_text(encoding="utf-8"))["seconds"]
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    step = max(1, len(watch.line) // 400)
    return {
        "posts": truth["posts"],
        "bytes": sum(path.stat().st_size for path in folder.rglob("*.xml")),
        "seconds": seconds,
        "processor_seconds": processor,
        "peak_bytes": watch.peak,
        "memory": [
            max(watch.line[i : i + step], key=lambda p: p[1])
            for i in range(0, len(watch.line), step)
        ],
        "stages": stages,
        "funnel": answer["funnel"],
        "rows": answer["rows"],
        "planted": found(Path(answer["run"]), truth),
        "load": os.getloadavg()[0],
    }


def found(run_: Path, truth: dict[str, Any]) -> dict[str, int]:
    """Count the planted copies whose both posts reached dedup, and those that it joined.

    `unplanned` are rows that left as copies of a row that they were not planted from; each is a
    pair above the threshold all the same, since dedup measures before it drops.
    """
    rows = pl.concat(
        [
            pl.read_parquet(p, columns=["id", "response"])
            for p in sorted((run_ / "filter").glob("*.parquet"))
        ]
    )
    texts = dict(rows.iter_rows())
    clusters = pl.read_parquet(run_ / "dedup" / "tables" / "clusters.parquet")
    of = dict(clusters.select("id", "cluster").iter_rows())
    counts = {"exact": 0, "exact_found": 0, "near": 0, "near_found": 0}
    pairs = [p for p in truth["planted"] if p["copy"] in texts and p["of"] in texts]
    if not pairs:
        return counts
    both = pl.Series([texts[p[side]] for p in pairs for side in ("copy", "of")])
    places = pl.Series(range(2 * len(pairs))).to_numpy().reshape(-1, 2)
    similar = jaccard(shingle(both, 5), places)
    for pair, value in zip(pairs, similar.tolist(), strict=True):
        if value < _NEAR:
            continue
        counts[pair["kind"]] += 1
        if pair["copy"] in of and of[pair["copy"]] == of.get(pair["of"]):
            counts[f"{pair['kind']}_found"] += 1
    planted = {p["copy"] for p in truth["planted"]} | {p["of"] for p in truth["planted"]}
    gone = clusters.filter(~pl.col("keeps"))["id"]
    counts["unplanned"] = sum(1 for row in gone if row not in planted)
    return counts


def split(sizes: list[dict[str, Any]]) -> None:
    """Tell bounded, fixed and growing seconds of each size apart; the smallest tells the start."""
    smallest = min(sizes, key=lambda size: size["posts"])
    start = smallest["seconds"] - sum(smallest["stages"].values())
    for size in sizes:
        size["bounded"] = sum(size["stages"].get(name, 0.0) for name in BOUNDED)
        size["growing"] = size["seconds"] - size["bounded"] - start


def exponent(small: dict[str, Any], large: dict[str, Any]) -> float:
    """Return the power of n with which growing time grows between two sizes."""
    ratio = large["growing"] / small["growing"]
    return math.log(ratio) / math.log(large["posts"] / small["posts"])


def result(sizes: list[dict[str, Any]]) -> Result:
    """Put the part of the table together."""
    split(sizes)
    last = sizes[-1]
    ways = [
        Measured(
            f"{size['posts']:,} posts",
            [size["seconds"]],
            [size["processor_seconds"]],
            size["peak_bytes"],
        )
        for size in sizes
    ]
    claims = []
    if last["posts"] >= CLAIMED:
        note = "whole job, empty cache"
        claims.append(Claim(ways[-1].name, seconds=SECONDS, memory=MEMORY, note=note))
    facts: dict[str, Any] = {"sizes": sizes, "recipe": RECIPE}
    if len(sizes) > 1:
        facts["exponents"] = [round(exponent(a, b), 3) for a, b in itertools.pairwise(sizes)]
        power = facts["exponents"][-1]
        claims.append(
            Claim(
                ways[-1].name,
                holds=power <= EXPONENT,
                note=f"time grows as n^{power:.2f} beyond the bounded stages, at most n^{EXPONENT}",
            )
        )
    planted = last["planted"]
    checked = [
        f"{planted['exact_found']} of {planted['exact']} planted exact copies and "
        f"{planted['near_found']} of {planted['near']} near ones (Jaccard >= {_NEAR}) that reached "
        f"dedup were joined at {last['posts']:,} posts"
    ]
    return Result(
        "growth",
        "Growth",
        f"`thousand run {RECIPE} --plain` on made dumps",
        ways,
        claims,
        checked,
        facts,
        machine(),
    )


def run_sizes(sizes: list[int], source: Path, home: Path, kept: Path | None = None) -> Result:
    """Run all sizes, smallest first."""
    measured: list[dict[str, Any]] = []
    for posts in sorted(sizes):
        folder = (kept or home) / f"posts-{posts}"
        if not (folder / "truth.json").exists():
            # Beside its place first: a dump that was broken off is not taken for a whole one.
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            dumps.make(part, posts, source)
            part.rename(folder)
        with tempfile.TemporaryDirectory(dir=home) as workspace:
            measured.append(run(folder, Path(workspace)))
        shown = measured[-1]
        print(
            f"{shown['posts']:>9,} posts  {shown['seconds']:7.1f} s  "
            f"{shown['processor_seconds']:7.1f} s of processor  "
            f"{shown['peak_bytes'] / 1e6:,.0f} MB  {shown['planted']}",
            flush=True,
        )
    return result(measured)


def main() -> None:
    """Run all sizes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--from", dest="source", type=Path, default=dumps.SAMPLE, metavar="DIR")
    parser.add_argument("--dumps", type=Path, help="keep the dumps here, and use what is there")
    parser.add_argument("--write", action="store_true", help="keep it in benchmarks/results")
    words = parser.parse_args()
    sizes = [int(size) for size in words.sizes.split(",")]
    with tempfile.TemporaryDirectory(prefix="thousand-growth-") as home:
        measured = run_sizes(sizes, words.source, Path(home), words.dumps)
    source = " --from DIR" * (words.source != dumps.SAMPLE)
    measured.facts["options"] = f"`--sizes {words.sizes}{source}`"
    if words.write:
        measured.write()


if __name__ == "__main__":
    main()
