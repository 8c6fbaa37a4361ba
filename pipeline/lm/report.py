"""Score a whole file and sum it up: the work of `thousand score`."""

import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.console import row_bar
from pipeline.cores import cores
from pipeline.instructions import read_instructions
from pipeline.lm.load import load_model
from pipeline.lm.score import SCORES, rows_of, score
from pipeline.lm.threshold import SIDES, thresholds
from pipeline.recipe import LanguageModel
from pipeline.recipe.score import MAX_TOKENS

_SHOWN = (
    "tokens",
    "perplexity",
    "perplexity_given_prompt",
    "ifd",
    "ifd_perplexity",
    "min_k",
    "curvature",
)


@dataclass(frozen=True)
class Scored:
    """The scores of a file; `table` has a row per record: its id, then the columns of SCORES."""

    path: Path
    model: str
    dtype: str
    device: str
    max_tokens: int
    table: pl.DataFrame
    sources: pl.Series
    seconds: float
    rate: float | None = None
    by: str = "perplexity"
    limits: dict[str, float | None] = field(default_factory=dict)

    def with_limits(self, rate: float, by: str) -> "Scored":
        """Add the limits of machine text, with the rows as human text."""
        table = self.table.with_columns(self.sources.alias("source"))
        return replace(self, rate=rate, by=by, limits=thresholds(table, rate, by))

    @property
    def scored(self) -> int:
        """How many rows have numbers."""
        return self.table["error"].null_count()

    def to_json(self) -> dict[str, Any]:
        """Return the contract's object."""
        errors = self.table["error"].drop_nulls()
        return {
            "rows": len(self.table),
            "scored": self.scored,
            "cut": int(self.table["cut"].sum()),
            "errors": dict(errors.value_counts().sort("error").iter_rows()),
            "misaligned": int((self.table["ifd"] > 1).sum()),
            "model": self.model,
            "dtype": self.dtype,
            "device": self.device,
            "max_tokens": self.max_tokens,
            "scores": {name: self._spread(name) for name in _SHOWN},
            "machine_text_limits": self.limits,
            "seconds": round(self.seconds, 2),
        }

    def _spread(self, name: str) -> dict[str, float | None]:
        column = self.table[name].cast(pl.Float64)
        points = {"p10": 0.1, "median": 0.5, "p90": 0.9}
        return {
            key: None if (value := column.quantile(share, "linear")) is None else round(value, 4)
            for key, share in points.items()
        }

    def render(self) -> str:
        """Say it for people."""
        answer = self.to_json()
        lines = [
            f"{self.path}: {answer['scored']:,} of {answer['rows']:,} rows scored by {self.model} "
            f"({self.dtype}, {self.device}) in {self.seconds:.1f} s",
            f"cut to {self.max_tokens:,} tokens: {answer['cut']:,}; less likely with their prompt than without "
            f"(IFD above 1): {answer['misaligned']:,}",
            *(f"not scored, {error}: {count:,}" for error, count in answer["errors"].items()),
        ]
        if self.scored:
            lines += ["", f"{'':<24} {'10 %':>11} {'median':>11} {'90 %':>11}"]
            lines += [_line(name, spread) for name, spread in answer["scores"].items()]
        if self.limits:
            lines += ["", f"{self.by} that {self.rate:.1%} of a source lie {SIDES[self.by]}:"]
        for source, limit in self.limits.items():
            told = f"{limit:.4f}" if limit is not None else "too few rows for this rate"
            lines.append(f"  {source}: {told}")
        return "\n".join(lines)


def _line(name: str, spread: dict[str, float | None]) -> str:
    digits = 0 if name == "tokens" else 3
    numbers = ("-" if value is None else f"{value:,.{digits}f}" for value in spread.values())
    return " ".join([f"{name:<24}", *(f"{number:>11}" for number in numbers)])


def score_file(
    path: Path,
    settings: LanguageModel,
    limit: int | None,
    cache: Path,
    *,
    bar: bool = False,
) -> Scored:
    """Score the rows of an instruction set or a release."""
    started = time.perf_counter()
    frame = read_instructions(path)
    frame = frame if limit is None else frame.head(limit)
    assert settings.model is not None
    model = load_model(settings.model, settings.dtype, settings.device, cache)
    window = settings.max_tokens or MAX_TOKENS
    with row_bar(len(frame)) if bar else nullcontext(None) as done:
        scores = score(
            model,
            rows_of(frame),
            max_tokens=window,
            cache=cache,
            threads=cores(),
            done=done,
        )
    table = frame.select("id").hstack(scores.select(list(SCORES)))
    seconds = time.perf_counter() - started
    name, sources = settings.model, frame["source"]
    return Scored(path, name, model.dtype, model.device, window, table, sources, seconds)
