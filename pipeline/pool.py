"""Keep the rows that could still be picked, so that only a bounded number needs embedding.

Input: candidates. Output: the best rows of each group by votes, spread over its domains, in files
of at most ROWS_PER_FILE rows whose borders follow the sorted ids, with `domain_rows`: how many rows
their domain had before the cut, for the temperature of `select`. The rest leaves as over_quota.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline import previous, quotas
from pipeline.recipe import Part, Recipe
from pipeline.record import dropped_frame
from pipeline.stage import DROPPED_FOLDER, InputFile, Shard, ShardStats
from pipeline.tables import lot, ordered, read_columns, write

# A file is a shard of `embed`: few enough rows that all workers end at about the same time.
ROWS_PER_FILE = 500

PROMPTS = "prompts"  # rows that can only be test prompts
ANSWERS = "answers"


class PoolSettings(Part):
    """What the pool reads of the recipe: rows wanted by group, and how many more to keep."""

    answers: dict[str, int]
    prompts: dict[str, int]
    factor: float = 4
    temperature: float = 3
    refill: bool = False

    @classmethod
    def of(cls, recipe: Recipe) -> "PoolSettings":
        """Combine the parts `pool` and `select` of a recipe."""
        select = recipe.select
        answers = dict(select.train_quotas)
        for group, count in select.validation.items():
            answers[group] = answers.get(group, 0) + count
        return cls(
            answers=answers,
            prompts=dict(select.test),
            factor=recipe.pool.factor,
            temperature=recipe.pool.temperature,
            refill=select.on_shortfall == "refill",
        )


def only_prompt() -> pl.Expr:
    """Tell rows that can only serve as test prompts from those that can be trained on."""
    return pl.col("response").is_null() | (pl.col("split") == "test").fill_null(False)


@dataclass(frozen=True)
class PoolStage:
    """Global: one shard reads the small columns of all rows and the text of the kept ones."""

    settings: PoolSettings
    kept_from: tuple[InputFile, ...] = ()  # the last release, whose rows stay in the pool
    name: str = "pool"
    version: int = 2

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        """One shard, since a group's best rows are known only when all are seen."""
        return [Shard("all", tuple(ordered([*inputs, *self.kept_from])))]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        """Rank all rows, keep the pool, say of each other row why it is not in it."""
        domain = pl.col("domain").fill_null("unknown")
        columns: list[str | pl.Expr] = ["id", "group", domain, "votes", "created_at"]
        kind = pl.when(only_prompt()).then(pl.lit(PROMPTS)).otherwise(pl.lit(ANSWERS)).alias("kind")
        files, last = previous.apart(shard.files)
        rows = read_columns(files, [*columns, kind], stage=self.name)
        ranked, facts = rank(rows, self.settings)
        stays = (pl.col("place") <= pl.col("part")) | pl.col("id").is_in(last["id"].implode())
        kept = ranked.filter(stays).select("id", "domain_rows")
        dropped = ranked.filter(~stays)
        self._write_kept(files, kept, out)
        if len(dropped):
            books = dropped.select(
                "id", reason=pl.lit("over_quota"), detail=_detail(self.settings)
            ).sort("id")
            write(dropped_frame(books, self.name), out / DROPPED_FOLDER / f"{shard.name}.parquet")
        counts = {"over_quota": len(dropped)} if len(dropped) else {}
        return ShardStats(len(rows), len(kept), counts, facts)

    def _write_kept(self, files: Sequence[InputFile], kept: pl.DataFrame, out: Path) -> None:
        frames = [
            pl.scan_parquet(file.path).join(kept.lazy(), on="id").collect()
            for file in ordered(files)
        ]
        frame = pl.concat(frames).sort("id")
        for index in range(max(1, math.ceil(len(frame) / ROWS_PER_FILE))):
            part = frame.slice(index * ROWS_PER_FILE, ROWS_PER_FILE)
            write(part, out / f"all-{index:05d}.parquet")


def sizes(settings: PoolSettings, kind: str, available: Mapping[str, int]) -> dict[str, int]:
    """Return how many rows of each group the pool holds.

    With refill, the places that a scarce group leaves open go to the others before the factor is
    applied: the pool then always holds enough rows, if there are enough.
    """
    wanted = settings.prompts if kind == PROMPTS else settings.answers
    places, _ = quotas.fill(wanted, available, refill=settings.refill)
    return {group: math.ceil(count * settings.factor) for group, count in places.items()}


def rank(rows: pl.DataFrame, settings: PoolSettings) -> tuple[pl.DataFrame, dict[str, object]]:
    """Add to each row its `place` in its domain and the `part` of the pool that the domain has."""
    domain = ["kind", "group", "domain"]
    counts = rows.group_by(domain).len().sort(domain)
    parts: list[tuple[str, str, str, int, int]] = []
    facts: dict[str, object] = {}
    for kind in (ANSWERS, PROMPTS):
        of_kind = counts.filter(pl.col("kind") == kind)
        available = dict(of_kind.group_by("group").agg(pl.col("len").sum()).sort("group").rows())
        held = sizes(settings, kind, available)
        for group, total in available.items():
            room = dict(of_kind.filter(pl.col("group") == group).select("domain", "len").rows())
            weights = quotas.temper(room, settings.temperature)
            split = quotas.spread(weights, room, held[group])
            parts += [(kind, group, name, part, held[group]) for name, part in split.items()]
            facts[f"{kind}.{group}"] = {"rows": total, "kept": sum(split.values())}
    schema = {"kind": pl.String, "group": pl.String, "domain": pl.String}
    table = pl.DataFrame(parts, schema={**schema, "part": pl.Int64, "held": pl.Int64}, orient="row")
    place = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(domain).alias("place")
    # Votes decide; among rows without votes the lot does.
    drawn = rows.with_columns(lot(rows["id"]))
    voted = pl.col("votes").is_not_null()
    ranked = drawn.sort(
        "votes",
        pl.when(voted).then("created_at"),
        pl.when(voted).then("id"),
        "lot",
        descending=[True, False, False, False],
        nulls_last=True,
    ).drop("lot")
    ranked = ranked.with_columns(place, domain_rows=pl.len().cast(pl.Int64).over(domain))
    return ranked.join(table, on=domain, how="left"), facts


def _detail(settings: PoolSettings) -> pl.Expr:
    """Say where a row stood, in words."""
    what = pl.when(pl.col("kind") == PROMPTS).then(pl.lit("prompts of ")).otherwise(pl.lit(""))
    pool = pl.format("{}{}", what, pl.col("group"))
    unwanted = pl.format("the recipe asks for no {}", pool)
    full = pl.format(
        "the pool of {} holds {} rows, {} of them for {}; this row is number {} there by votes",
        pool,
        "held",
        "part",
        "domain",
        "place",
    )
    return pl.when(pl.col("held") == 0).then(unwanted).otherwise(full)
