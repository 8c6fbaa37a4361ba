"""What a rule is, and how a frame of candidates is judged by a list of them.

Input: a DataFrame or LazyFrame of candidates and rules from the other modules of this package.
Output: the same rows in the same order with `reason` (null: kept) and `detail`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import or_
from typing import TypeVar

import polars as pl

from filters.text import DERIVED

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

REASON = "reason"
DETAIL = "detail"
_ROW = "__row__"


@dataclass(frozen=True, eq=False)
class Rule:
    """One reason to drop a row.

    `fails` is Boolean, true where the row breaks the rule; null counts as passing. `detail` is
    the evidence for people, evaluated on failing rows only ("843 characters, at least 1200").
    `needs` are the columns that both read: where one is missing, the rule does not apply.
    `cost` orders the rules: 1 reads a number, 10 scans a text, 100 asks a model.
    `scope` limits the rule to some rows; see `only` and `excepting`.
    """

    code: str
    fails: pl.Expr
    detail: pl.Expr
    needs: frozenset[str]
    cost: int
    source: str
    scope: pl.Expr | None = None

    def only(self, column: str, values: Iterable[str]) -> Rule:
        """Judge only rows that hold one of these values, e.g. one rule for one group."""
        return self._within(column, pl.col(column).is_in(sorted(values)).fill_null(False))

    def excepting(self, column: str, values: Iterable[str]) -> Rule:
        """Judge all rows but those that hold one of these values."""
        return self._within(column, ~pl.col(column).is_in(sorted(values)).fill_null(False))

    def applies_to(self, schema: pl.Schema) -> bool:
        """Whether all columns are there; a column of nulls without a type counts as missing."""
        return all(_column_of(schema, name) is not None for name in self.needs)

    def _within(self, column: str, scope: pl.Expr) -> Rule:
        both = scope if self.scope is None else self.scope & scope
        return replace(self, scope=both, needs=self.needs | {column})


def judge(frame: Frame, rules: Sequence[Rule]) -> Frame:
    """Add `reason` and `detail` of the first rule that each row breaks, cheapest rules first.

    Row order is kept. Rules of equal cost go in the order given. A row that one rule dropped is
    not shown to the next one, so costly rules see only what the cheap ones left. Columns
    `reason` and `detail` of an earlier judgement are replaced. A LazyFrame stays lazy.
    """
    if isinstance(frame, pl.LazyFrame):
        empty = frame.collect_schema().to_frame()
        return frame.map_batches(
            partial(_judge, rules=rules),
            schema=_judge(empty, rules=()).schema,
            predicate_pushdown=False,
            projection_pushdown=False,
            streamable=True,
        )
    return _judge(frame, rules=rules)


def judge_all(frame: Frame, rules: Sequence[Rule]) -> Frame:
    """One Boolean column per reason code, true where the row breaks a rule of that code.

    Every rule sees every row. The columns come alone, without the candidate's own (some codes,
    such as `licence`, are also column names), in row order; a column of nulls says that the
    rule does not apply because a column is missing.
    """
    lazy = frame.lazy()
    schema = lazy.collect_schema()
    verdicts = {code: pl.lit(None, dtype=pl.Boolean) for code in _codes(rules)}
    for code in verdicts:
        broken = [_breaks(rule) for rule in rules if rule.code == code and rule.applies_to(schema)]
        if broken:
            verdicts[code] = reduce(or_, broken)
    derived = [expr.alias(name) for name, expr in _derivations(schema, rules)]
    row = pl.row_index(_ROW)  # carries the row count where every verdict is a literal
    judged = lazy.with_columns(derived).select(
        row, **{f"{_ROW}{code}": verdict for code, verdict in verdicts.items()}
    )
    judged = judged.select(pl.col(f"{_ROW}{code}").alias(code) for code in verdicts)
    return judged.collect() if isinstance(frame, pl.DataFrame) else judged


def _judge(frame: pl.DataFrame, *, rules: Sequence[Rule]) -> pl.DataFrame:
    frame = frame.drop(REASON, DETAIL, strict=False)
    applicable = sorted(
        (rule for rule in rules if rule.applies_to(frame.schema)), key=lambda rule: rule.cost
    )
    derivations = dict(_derivations(frame.schema, applicable))
    columns = {_column_of(frame.schema, name) for rule in applicable for name in rule.needs}
    alive = frame.with_row_index(_ROW)
    alive = alive.select(_ROW, *(name for name in frame.columns if name in columns))
    dropped = [
        pl.DataFrame(schema={_ROW: alive.schema[_ROW], REASON: pl.String, DETAIL: pl.String})
    ]
    for rule in applicable:
        alive = alive.with_columns(
            derivations.pop(name).alias(name) for name in rule.needs if name in derivations
        )
        judged = alive if rule.scope is None else alive.filter(rule.scope)
        broken = judged.filter(rule.fails)
        if broken.is_empty():
            continue
        dropped.append(
            broken.select(
                _ROW,
                pl.lit(rule.code).alias(REASON),
                rule.detail.cast(pl.String).alias(DETAIL),
            )
        )
        alive = alive.join(broken.select(_ROW), on=_ROW, how="anti")
    verdicts = pl.concat(dropped)
    return (
        frame.with_row_index(_ROW)
        .join(verdicts, on=_ROW, how="left", maintain_order="left")
        .drop(_ROW)
    )


def _codes(rules: Sequence[Rule]) -> list[str]:
    return list(dict.fromkeys(rule.code for rule in rules))


def _breaks(rule: Rule) -> pl.Expr:
    broken = rule.fails.fill_null(False)
    return broken if rule.scope is None else broken & rule.scope


def _column_of(schema: pl.Schema, name: str) -> str | None:
    """The column of the frame that a needed name reads, or None where there is none."""
    if schema.get(name, pl.Null()) != pl.Null():
        return name
    base = DERIVED.get(name, (name,))[0]
    return base if schema.get(base, pl.Null()) != pl.Null() else None


def _derivations(schema: pl.Schema, rules: Sequence[Rule]) -> list[tuple[str, pl.Expr]]:
    """The derived columns that applicable rules need and the frame does not hold."""
    needed = {name for rule in rules if rule.applies_to(schema) for name in rule.needs}
    return [
        (name, expr)
        for name, (_, expr) in DERIVED.items()
        if name in needed and _column_of(schema, name) != name
    ]
