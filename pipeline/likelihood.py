"""Let a causal language model read the rows that can still be picked.

Input: the pool, with vectors. Output: the same rows with the columns of `pipeline.lm.score`, each
name with `lm_` before it, where the recipe names a model, and with `response_state`, where its
learned score needs a model's states. Read are the best of each group by the other parts of the
score, as many as `score.lm.factor` times its quota; the others have nulls. What was read is cached
by content. Where the recipe sets limits for a source, all its rows are scored, and those beyond
leave. Scores that decide nothing are made of fewer rows, and in float32 of fewer tokens (decision 0063).
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from pipeline import quotas
from pipeline.encoder import resolve_device, resolve_dtype
from pipeline.lm.find import find_model
from pipeline.lm.states import Reading, check_reading, states
from pipeline.lm.threshold import SIDES, beyond
from pipeline.pool import PoolSettings, only_prompt
from pipeline.recipe import LanguageModel, Part, Recipe, Weights
from pipeline.recipe.score import FACTOR, FACTOR_SHOWN, MAX_TOKENS, TOKENS_SHOWN
from pipeline.score.combine import combine
from pipeline.score.learned import STATE, reading_for
from pipeline.score.parts import PARTS
from pipeline.score.stage import measure
from pipeline.stage import InputFile, Shard, ShardStats
from pipeline.tables import BOOKS, count_reasons, lot, ordered, write, write_dropped
from pipeline.vectors import column

PREFIX = "lm_"
# A shard is so many rows of one file: few enough that all workers end at about the same time.
ROWS_PER_SHARD = 250


class LikelihoodSettings(Part):
    """What the stage reads of the recipe."""

    lm: LanguageModel = LanguageModel()
    weights: Weights = Weights()
    answers: dict[str, int]
    refill: bool = False
    reading: Reading | None = None  # what the learned score needs

    @property
    def scores_decide(self) -> bool:
        """Whether anything depends on the model's scores: a part of the quality, or a limit."""
        counted = self.weights.ifd or self.weights.perplexity
        return bool(counted or self.lm.machine_text_limits)

    @property
    def factor(self) -> float:
        """Rows to read per row of the quota."""
        learned = self.reading is not None and self.weights.learned > 0
        return self.lm.factor or (FACTOR if self.scores_decide or learned else FACTOR_SHOWN)

    def max_tokens(self, dtype: str) -> int:
        """Return how many tokens of prompt and response are read in this number type."""
        slow = dtype == "float32" and resolve_device(self.lm.device) == "cpu"
        shown = TOKENS_SHOWN if slow else MAX_TOKENS
        return self.lm.max_tokens or (MAX_TOKENS if self.scores_decide else shown)


@dataclass(frozen=True)
class LikelihoodStage:
    """Each shard ranks the whole pool and scores its own rows."""

    settings: LikelihoodSettings
    cache: Path | None = None
    threads: int = 1
    name: str = "likelihood"
    version: int = 1

    @classmethod
    def of(cls, recipe: Recipe, cache: Path | None = None) -> "LikelihoodStage":
        """Make the stage of a recipe; `cache` holds scores and unpacked models."""
        wanted = PoolSettings.of(recipe)
        settings = LikelihoodSettings(
            lm=recipe.score.lm,
            weights=recipe.score.weights,
            answers=wanted.answers,
            refill=wanted.refill,
            reading=reading_for(recipe.score.learned),
        )
        return cls(settings, cache)

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        """Cut each file into pieces of some rows; every piece needs all files for the ranks."""
        files = tuple(ordered(inputs))
        lm, reading = self.settings.lm, self.settings.reading
        dtype = resolve_dtype(lm.dtype, lm.device)
        options = [("dtype", dtype)]
        if lm.model:
            options.append(("model", find_model(lm.model).digest))
            options.append(("max_tokens", str(self.settings.max_tokens(dtype))))
        if reading:
            check_reading(reading)
        shards = []
        for number, file in enumerate(files):
            rows = pl.scan_parquet(file.path).select(pl.len()).collect().item()
            for piece in range(max(1, math.ceil(rows / ROWS_PER_SHARD))):
                place = (("file", str(number)), ("piece", str(piece)))
                name = f"all-{number:05d}-{piece:02d}"
                shards.append(Shard(name, files, (*options, *place)))
        return shards

    def work(self, shard: Shard, out: Path) -> ShardStats:
        """Score the rows of one piece that are among the best of their group."""
        paths = tuple((file.path, file.sha256) for file in shard.files)
        chosen = best(paths, self.settings.model_dump_json())
        start = int(shard.option("piece")) * ROWS_PER_SHARD
        frame = pl.read_parquet(shard.files[int(shard.option("file"))].path).sort("id")
        frame = frame.slice(start, ROWS_PER_SHARD)
        wanted = frame.filter(pl.col("id").is_in(chosen))
        dtype = shard.option("dtype")
        facts: dict[str, int | str] = {"scored": len(wanted)}
        if name := self.settings.lm.model:
            scores = self._scores(wanted, name, dtype, int(shard.option("max_tokens")))
            named = scores.rename(lambda column: f"{PREFIX}{column}")
            frame = _joined(frame, wanted, named)
            facts |= {
                "dtype": dtype,
                "max_tokens": int(shard.option("max_tokens")),
                "cut": int(scores["cut"].sum()),
                "errors": len(scores) - scores["error"].null_count(),
            }
        if self.settings.reading:
            frame = _joined(frame, wanted, self._states(wanted, self.settings.reading))
        books = self._machine_text(frame)
        kept = frame.join(books, on="id", how="anti", maintain_order="left")
        write(kept, out / f"{shard.name}.parquet")
        write_dropped(books, self.name, shard, out)
        return ShardStats(len(frame), len(kept), count_reasons(books), facts)

    def _scores(self, wanted: pl.DataFrame, name: str, dtype: str, max_tokens: int) -> pl.DataFrame:
        from pipeline.lm.load import load_model
        from pipeline.lm.score import SCORES, rows_of, score

        if not len(wanted):
            return pl.DataFrame(schema=SCORES)
        return score(
            load_model(name, dtype, self.settings.lm.device, self.cache),
            rows_of(wanted),
            max_tokens=max_tokens,
            cache=self.cache,
            threads=self.threads,
        )

    def _states(self, wanted: pl.DataFrame, reading: Reading) -> pl.DataFrame:
        from pipeline.lm.load import load_model
        from pipeline.lm.score import rows_of

        found = np.zeros((0, reading.width), np.float16)
        if len(wanted):
            device = self.settings.lm.device
            model = load_model(reading.model, reading.dtype, device, self.cache)
            found = states(model, rows_of(wanted), reading, cache=self.cache, threads=self.threads)
        whole = pl.Series(np.isfinite(found).all(axis=1))
        return pl.DataFrame({STATE: column(STATE, found)}).with_columns(
            pl.when(whole).then(STATE).alias(STATE)
        )

    def _machine_text(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the books of rows that lie beyond the limit of their source."""
        by, limits = self.settings.lm.machine_text_by, self.settings.lm.machine_text_limits
        if not limits:
            return pl.DataFrame(schema=BOOKS)
        limit = pl.col("source").replace_strict(limits, default=None, return_dtype=pl.Float64)
        out = frame.filter(beyond(by, limit))
        edge = "at most" if SIDES[by] == "above" else "at least"
        said = [
            f"{by} {value:.2f}, {edge} {limits[source]:.2f} for {source}"
            for source, value in out.select("source", f"{PREFIX}{by}").iter_rows()
        ]
        return out.select("id", reason=pl.lit("machine_text")).with_columns(
            pl.Series("detail", said, pl.String)
        )


def _joined(frame: pl.DataFrame, wanted: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Add what was found of the rows that were read; the others have nulls."""
    named = found.with_columns(wanted["id"])
    return frame.join(named, on="id", how="left", maintain_order="left")


@functools.lru_cache(maxsize=2)
def best(files: tuple[tuple[Path, str], ...], text: str) -> frozenset[str]:
    """Return the ids of the rows to score: the best of each group by the parts without a model."""
    settings = LikelihoodSettings.model_validate_json(text)
    frames = [pl.read_parquet(path) for path, _ in files]
    measured = pl.concat([measure(frame) for frame in frames])
    ranked = pl.concat(
        [
            frame.select(
                "id", "group", "source", answers=~only_prompt() & pl.col("response").is_not_null()
            )
            for frame in frames
        ]
    )
    weights = settings.weights.model_dump()
    scores = combine(measured, weights, [part for part in PARTS if part.reads is None])
    rows = ranked.filter("answers").join(scores.select("id", "quality"), on="id")
    available = dict(rows.group_by("group").len().sort("group").iter_rows())
    places, _ = quotas.fill(settings.answers, available, refill=settings.refill)
    held = {group: math.ceil(count * settings.factor) for group, count in places.items()}
    rows = rows.with_columns(lot(rows["id"])).sort(
        "quality", "lot", descending=[True, False], nulls_last=True
    )
    place = pl.int_range(pl.len()).over("group")
    limit = pl.col("group").replace_strict(held, default=0, return_dtype=pl.Int64)
    watched = pl.col("source").is_in(sorted(settings.lm.machine_text_limits))
    return frozenset(rows.filter((place < limit) | watched)["id"])
