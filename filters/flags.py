"""Rules that read a flag, a date or a licence and need no reading of the text.

None of these is LIMA's: they follow from where the data comes from (Reddit's removed posts and
its over-18 flag, the licences of Stack Exchange) and from what a release promises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

import polars as pl

from filters.rule import Rule

_REMOVED = r"(?i)^\s*\[\s*(?:deleted|removed)(?: by [\w ]+?)?\s*\]\s*$"


def no_answer() -> Rule:
    """Drop rows without a response. Test prompts have none by nature: use `excepting`."""
    response = pl.col("response")
    return Rule(
        code="no_answer",
        fails=response.is_null() | (response.str.strip_chars() == ""),
        detail=pl.lit("no response"),
        needs=frozenset({"response"}),
        cost=1,
        source="docs/reference: a training row is a prompt and its response",
    )


def removed(columns: Iterable[str] = ("prompt", "response")) -> Rule:
    """Drop rows whose whole text is Reddit's "[removed]" or "[deleted]"."""
    names = sorted(columns)
    gone = [pl.col(name).str.contains(_REMOVED) for name in names]
    first = pl.coalesce(
        pl.when(mask).then(pl.col(name)) for mask, name in zip(gone, names, strict=True)
    )
    return Rule(
        code="removed",
        fails=pl.any_horizontal(gone),
        detail=first.str.strip_chars(),
        needs=frozenset(names),
        cost=3,
        source="Reddit: the text that stands in place of a removed or deleted post",
    )


def adult() -> Rule:
    """Drop rows that their source marks as adult (Reddit: `over_18`)."""
    return Rule(
        code="adult",
        fails=pl.col("adult"),
        detail=pl.lit("marked as adult by its source"),
        needs=frozenset({"adult"}),
        cost=1,
        source="Reddit: over_18",
    )


def licence(allowed: Iterable[str] = ()) -> Rule:
    """Drop rows without a licence, or with one that is not allowed.

    "CC BY-SA" allows each of its versions, but not "CC BY-SA-NC"; no names allow any licence.
    """
    column = pl.col("licence").str.strip_chars()
    names = sorted(allowed)
    any_of = "|".join(re.escape(name) for name in names)
    known = column.str.contains(rf"^(?:{any_of})(?: |$)" if names else r"\S")
    wanted = ", ".join(names) or "any"
    return Rule(
        code="licence",
        fails=~known.fill_null(False),
        detail=pl.format(
            "{}, allowed: {}", column.replace("", "none").fill_null("none"), pl.lit(wanted)
        ),
        needs=frozenset({"licence"}),
        cost=1,
        source="a release names the licence of every row",
    )


def after_cutoff(cutoff: date) -> Rule:
    """Drop rows written on the cutoff day or later, e.g. to leave out text of the model age."""
    day = pl.col("created_at").dt.date()
    return Rule(
        code="after_cutoff",
        fails=day >= cutoff,
        detail=pl.format(
            f"written {{}}, cutoff {cutoff.isoformat()}", day.dt.to_string("%Y-%m-%d")
        ),
        needs=frozenset({"created_at"}),
        cost=1,
        source="Curse of Recursion (arXiv 2305.17493): text after 2022-11 may be a model's",
    )
