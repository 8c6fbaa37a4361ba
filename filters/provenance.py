"""Rows that must not be released: nobody to thank, a refused licence, a model for an author."""

from __future__ import annotations

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


def refused_licence(refused: Iterable[str]) -> Rule:
    """Drop rows with one of these licences, written as in the column."""
    return Rule(
        code="licence",
        fails=pl.col("licence").is_in(sorted(refused)),
        detail=pl.format("{}, refused by the recipe", "licence"),
        needs=frozenset({"licence"}),
        cost=1,
        source="the recipe, release.refuse_licences",
    )


def model_origin() -> Rule:
    """Drop rows whose response a model wrote; see `select.max_model_share`."""
    return Rule(
        code="model_origin",
        fails=pl.col("origin").str.to_lowercase() == "model",
        detail=pl.lit("written by a model; select.max_model_share is 0"),
        needs=frozenset({"origin"}),
        cost=1,
        source="The False Promise of Imitating Proprietary LLMs (arXiv 2305.15717)",
    )
