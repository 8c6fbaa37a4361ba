"""The kinds of evidence, one module each. A new scorer is a module, a line here and a weight.

A part measures each row alone (so that text is read file by file), then the numbers are ranked
inside the row's group and the rank is shaped into [0, 1]. Groups differ in length, votes and form
by their nature: a recipe with quotas asks which row of a group is better, not which group is.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.score import accepted, fit, judge, length, likelihood, structure, votes


def as_it_is(value: pl.Expr) -> pl.Expr:
    """Take a number as it is, a rank as the score."""
    return value


@dataclass(frozen=True)
class Evidence:
    """One kind of evidence.

    `measure` gives a number for each row of a frame, null where the row has no such evidence.
    `shape` turns that number, or with `ranked` its rank in the group in (0, 1), into [0, 1].
    """

    name: str
    measure: Callable[[pl.DataFrame], pl.Series]
    shape: Callable[[pl.Expr], pl.Expr]
    ranked: bool = True
    order: Callable[[pl.Expr], pl.Expr] = as_it_is  # of a number: what is ranked
    reads: str | None = None  # a column of an optional stage; a run without it has no such part


def parts_for(columns: Collection[str], known: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Return the parts, of those known, that rows with these columns can have."""
    return tuple(part for part in known if part.reads is None or part.reads in columns)


PARTS = (
    Evidence("votes", votes.measure, as_it_is),
    Evidence("accepted", accepted.measure, as_it_is, ranked=False),
    Evidence("structure", structure.measure, as_it_is),
    Evidence("length", length.measure, length.shape),
    Evidence("judge", judge.measure, as_it_is, reads="judge_mark"),
    Evidence("fit", fit.measure, as_it_is),
    Evidence("ifd", likelihood.ifd, as_it_is, order=likelihood.misled_last, reads=likelihood.IFD),
    Evidence("perplexity", likelihood.perplexity, likelihood.low, reads=likelihood.PERPLEXITY),
)
