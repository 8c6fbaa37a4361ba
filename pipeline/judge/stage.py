"""Let a judge grade a bounded number of rows of each group, where the recipe names an endpoint.

Input: the pool with topics. Output: the same rows with `judge_mark`, null where a row was not judged;
the table `judge` says how each mark was read, and why a row has none. No row leaves by its mark; with
`judge.safety` those leave that the judge finds unsafe. Replies are
cached outside the run, so a stage that broke off or is made again pays for nothing twice.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import ModelError
from pipeline.filter import refusals
from pipeline.judge import safety
from pipeline.judge.asking import Asker, estimate, request_of
from pipeline.judge.pointwise import TABLE, grade_rows, question
from pipeline.judge.verdict import FAILURES
from pipeline.pool import only_prompt
from pipeline.recipe import Judge, Part, Recipe
from pipeline.recipe.judge import Scale
from pipeline.stage import InputFile, Shard, ShardStats
from pipeline.tables import (
    BOOKS,
    TABLES_FOLDER,
    count_reasons,
    each_file,
    lot,
    ordered,
    read_columns,
    write,
    write_dropped,
)

logger = logging.getLogger(__name__)

MARK = "judge_mark"
_TEXTS = ("id", "system", "history", "prompt", "response")
_MARKED = ("source", "tags")  # by which authored refusals are known


class JudgeSettings(Part):
    """What decides a mark. Where the model is served, and how fast it is asked, does not."""

    model: str | None
    scale: Scale
    style: str
    prefill: bool
    min_mass: float
    logprobs: bool
    max_chars: int
    max_reply_tokens: int | None
    rows_per_group: int
    safety: bool
    budget_calls: int | None
    budget_tokens: int | None


@dataclass(frozen=True)
class JudgeStage:
    """Global, since the rows with most votes of a group are in all files."""

    settings: JudgeSettings
    judge: Judge = field(default_factory=Judge)
    cache: Path | None = None
    name: str = "judge"
    version: int = 4

    @classmethod
    def of(cls, recipe: Recipe, cache: Path | None = None) -> "JudgeStage":
        """Make the stage of a recipe; a run leaves it out where no endpoint is named."""
        decides = recipe.judge.model_dump(include=set(JudgeSettings.model_fields))
        return cls(JudgeSettings(**decides), recipe.judge, cache)

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        """One shard: which rows are judged depends on the whole group."""
        return [Shard("all", tuple(ordered(inputs)))]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        """Choose the rows, judge them, write file by file and the table of marks.

        Raises ModelError if calls failed for reasons that another day may not have: a mark that
        depends on the weather would make the release depend on it. And if no row got a mark at
        all: the recipe would name a judge, and the score have nothing of it.
        """
        columns: list[str | pl.Expr] = ["id", "group", "votes", only_prompt().alias("bare")]
        rows = read_columns(shard.files, columns, stage=self.name)
        every = read_columns(shard.files, [*_TEXTS, *_MARKED], stage=self.name)
        unsafe, paid = self._unsafe(every.join(rows.filter(~pl.col("bare")), on="id", how="semi"))
        total = len(rows)
        rows = rows.join(unsafe, on="id", how="anti", maintain_order="left")
        chosen = self._choose(rows)
        texts = every.select(_TEXTS).join(chosen, on="id").sort("turn")
        affordable = texts.head(self._affordable(texts, *paid))
        table = self._judged(affordable)
        unpaid = pl.DataFrame(
            {"id": texts["id"][len(affordable) :]}, schema={"id": pl.String}
        ).with_columns(reason=pl.lit("budget"), cut=pl.lit(False))
        table = pl.concat([table, unpaid], how="diagonal").select(TABLE.names())
        marks = table.select("id", pl.col("mark").alias(MARK))
        for frame, name in each_file(shard):
            stays = frame.join(unsafe, on="id", how="anti", maintain_order="left")
            write(stays.join(marks, on="id", how="left", maintain_order="left"), out / name)
        write_dropped(unsafe, self.name, shard, out)
        write(table.sort("id"), out / TABLES_FOLDER / "judge.parquet")
        return ShardStats(total, len(rows), count_reasons(unsafe), _facts(table))

    def _choose(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the ids to judge with their turn: the best of each group, then the second, ..."""
        drawn = rows.with_columns(lot(rows["id"])).filter(~pl.col("bare"))
        ranked = drawn.sort("votes", "lot", descending=[True, False], nulls_last=True)
        place = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("group").alias("place")
        chosen = ranked.with_columns(place).filter(pl.col("place") <= self.settings.rows_per_group)
        return chosen.sort("place", "group").select("id").with_row_index("turn")

    def _unsafe(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, tuple[int, int]]:
        """Return the books of the rows that do harm, and the calls and tokens that it costs.

        Authored refusals are not asked about: they speak of harm on purpose.
        """
        if not self.settings.safety:
            return pl.DataFrame(schema=BOOKS), (0, 0)
        rows = rows.filter(~refusals(rows))
        asked = safety.questions(rows, self.judge)
        paid = safety.price(asked, self.judge)
        with self._asking() as asker:
            verdicts = asker.ask(asked)
        _refuse_gaps([verdict.reason for verdict in verdicts], asker.details)
        return safety.unsafe_rows(rows, verdicts, self.judge.model), paid

    def _affordable(self, texts: pl.DataFrame, paid_calls: int, paid_tokens: int) -> int:
        """Return for how many rows the budget is enough, by the length of what would be asked.

        What lies in the cache counts like the rest: a run that goes on must judge the same rows.
        """
        calls, tokens = self.settings.budget_calls, self.settings.budget_tokens
        count = len(texts) if calls is None else min(calls - paid_calls, len(texts))
        if tokens is None:
            return count
        spent = paid_tokens
        for place, row in enumerate(texts.head(count).iter_rows(named=True)):
            spent += estimate(request_of(question(row, self.judge), self.judge))
            if spent > tokens:
                return place
        return count

    def _judged(self, texts: pl.DataFrame) -> pl.DataFrame:
        with self._asking() as asker:
            table = grade_rows(texts, asker)
            bill = asker.bill
        _refuse_gaps(table["reason"].to_list(), asker.details)
        logger.info(
            "stage=%s rows=%d from_cache=%d calls=%d tokens=%d",
            self.name,
            len(table),
            bill.from_cache,
            bill.calls,
            bill.tokens,
        )
        return table

    def _asking(self) -> Asker:
        """Return an asker without a budget: it was laid out before, and a try may be made again."""
        if self.cache is None or self.judge.endpoint is None:
            raise ModelError("The judge has no endpoint; set judge.endpoint and judge.model.")
        unlimited = self.judge.model_copy(update={"budget_calls": None, "budget_tokens": None})
        return Asker(unlimited, self.cache)


def _refuse_gaps(reasons: Sequence[str | None], details: Mapping[str, str]) -> None:
    """Raise ModelError if rows were left unanswered, or if not one of them got a verdict."""
    asked = Counter(reason for reason in reasons if reason != "no_response")
    if lost := asked["unanswered"]:
        raise ModelError(
            f"The judge left {lost} of {len(reasons)} rows unanswered after all tries "
            f"({details['unanswered']}); the other replies are kept, run again."
        )
    if asked and not asked[None]:
        ((found, count),) = asked.most_common(1)
        reason = found or ""
        said = f": {details[reason]}" if reason in details else ""
        raise ModelError(
            f"The judge gave no verdict on any of {asked.total():,} rows, on {count:,} of them "
            f"because {FAILURES[reason]} ({reason}{said}); see judge.prefill and judge.style, "
            "or name another model."
        )


def _facts(table: pl.DataFrame) -> dict[str, Any]:
    """Count the marks, and the failures by reason, which a run warns of."""
    failures = dict(table["reason"].drop_nulls().value_counts().sort("reason").iter_rows())
    judged = table["mark"].count()
    facts: dict[str, Any] = {"judged": judged, "failures": failures}
    if failures:
        why = ", ".join(f"{reason} {count:,}" for reason, count in failures.items())
        facts["warnings"] = [
            f"The judge marked {judged:,} of {len(table):,} rows; the others have no mark: {why}."
        ]
    return facts
