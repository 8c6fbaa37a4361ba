"""Rows that must not be released: nobody to thank for them, or a licence that is refused."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

import polars as pl

from filters.rule import Rule

_NAMES = ("url", "author", "licence")


def unattributed() -> Rule:
    """Drop rows without url, author or licence: no attribution, no release."""
    empty = [pl.col(name).is_null() | (pl.col(name).str.strip_chars() == "") for name in _NAMES]
    missing = pl.concat_str(
        [pl.when(mask).then(pl.lit(name)) for mask, name in zip(empty, _NAMES, strict=True)],
        separator=", ",
        ignore_nulls=True,
    )
    return Rule(
        code="licence",
        fails=pl.any_horizontal(empty),
        detail=pl.format("without {}", missing),
        needs=frozenset(_NAMES),
        cost=1,
        source="Creative Commons licences 2.5 to 4.0, attribution",
    )


def refused_licence(patterns: Iterable[str]) -> Rule:
    """Drop rows whose licence matches a pattern with wildcards such as `*-NC-*`."""
    names = sorted(patterns)
    regex = "|".join(fnmatch.translate(name).replace(r"\z", r"\Z") for name in names)
    pattern = regex.replace("(?s:", "(?is:").replace(r"\Z", r"$") or r"[^\s\S]"
    return Rule(
        code="licence",
        fails=pl.col("licence").str.contains(pattern),
        detail=pl.format(f"{{}}, refused: {', '.join(names)}", "licence"),
        needs=frozenset({"licence"}),
        cost=1,
        source="the recipe, release.refuse_licences",
    )
