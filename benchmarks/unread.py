"""What becomes of rows that a bounded reading did not reach: three ways to count what they lack.

    thousand run relaxed --dumps DUMPS --set score.learned=FOLDER --set score.lm.factor=100
    python benchmarks/unread.py RUN --set score.learned=FOLDER

RUN is the folder of a run in which a language model read every row that could be picked. Of its
readings all but the first `factor` times the quota are hidden, in the order in which the stage
`likelihood` reads. The stage `select` then picks by what is left, and the picked rows are looked at
with everything known: how many were unread, their mean quality, and how many of them would also be
picked if all were read.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from ablation import table

from pipeline.likelihood import LikelihoodStage, best
from pipeline.loading import load
from pipeline.manifest import digest_file
from pipeline.recipe import Recipe
from pipeline.score.combine import combine
from pipeline.score.learned import STATE
from pipeline.score.parts import Evidence
from pipeline.score.stage import known_parts, measure
from pipeline.select import SelectStage
from pipeline.stage import InputFile, run_stage

FACTORS = (1.0, 1.5, 2.0, 3.0)
BY_A_MODEL = ("learned", "ifd", "perplexity")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--recipe", default="relaxed")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    words = parser.parse_args()
    recipe = load(words.recipe, words.set)
    files = sorted((words.run / "likelihood").glob("*.parquet"))
    rows = pl.concat([pl.read_parquet(path) for path in files]).sort("id")
    known = known_parts(recipe.score)
    measured = measure(rows, known)
    parts = [part for part in known if part.name in measured.columns]
    hidden = [part.name for part in parts if part.name in BY_A_MODEL]
    weights = recipe.score.weights.model_dump()
    rows = rows.drop(STATE, strict=False)
    whole = combine(measured, weights, parts)
    truth = picked(rows, whole["quality"], recipe)
    lines = [line("", "all read", truth, pl.lit(value=True), whole, truth)]
    for factor in FACTORS:
        read = pl.col("id").is_in(first(files, recipe, factor))
        masked = measured.with_columns(pl.when(read).then(name).alias(name) for name in hidden)
        scores = combine(masked, weights, parts)
        ways = {
            "left out of its mean": left_out(weights, parts),
            "the middle of its group": pl.col("quality"),
            "the same, and after all that were read": (pl.col("quality") + read) / 2,
        }
        for way, counted in ways.items():
            ids = picked(rows, scores.select(counted.alias("quality"))["quality"], recipe)
            lines.append(line(f"{factor:g}", way, ids, read, whole, truth))
    head = ["factor", "a part that was not read", "unread", "quality", "same rows"]
    print(f"{len(truth):,} rows picked.\n\n{table(head, lines)}")


def first(files: Sequence[Path], recipe: Recipe, factor: float) -> frozenset[str]:
    """The rows that the stage would have read."""
    lm = recipe.score.lm.model_copy(update={"factor": factor})
    settings = LikelihoodStage.of(recipe).settings.model_copy(update={"lm": lm})
    return best(tuple((path, "") for path in files), settings.model_dump_json())


def picked(rows: pl.DataFrame, quality: pl.Series, recipe: Recipe) -> pl.Series:
    """The ids that `select` picks to train on, and to validate."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "all.parquet"
        rows.with_columns(quality).write_parquet(path)
        file = InputFile(path, digest_file(path), path.name)
        run_stage(SelectStage.of(recipe), [file], Path(scratch) / "select")
        found = pl.read_parquet(Path(scratch) / "select" / "all.parquet")
    return found.filter(pl.col("split") != "test")["id"]


def line(
    factor: str, way: str, ids: pl.Series, read: pl.Expr, whole: pl.DataFrame, truth: pl.Series
) -> list[str]:
    """A line of the table."""
    found = whole.filter(pl.col("id").is_in(ids.implode()))
    unread = len(found.filter(~read))
    same = len(set(ids) & set(truth))
    return [factor, way, f"{unread:,}", f"{found['quality'].mean():.4f}", f"{same:,}"]


def left_out(weights: Mapping[str, float], parts: Sequence[Evidence]) -> pl.Expr:
    """The mean of the parts that a row has."""
    own = [(pl.col("quality_parts").struct.field(part.name), weights[part.name]) for part in parts]
    total = pl.sum_horizontal(value.is_not_null() * weight for value, weight in own)
    mean = pl.sum_horizontal(value * weight for value, weight in own) / total
    return pl.when(total > 0).then(mean)


if __name__ == "__main__":
    main()
