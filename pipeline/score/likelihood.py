"""Likelihood: what a causal language model makes of a response, as the stage of that name measured.

Cherry (arXiv 2308.12032) keeps rows of high IFD and removes those above 1, where the prompt makes
the response less likely: they stand below all others here.
"""

import polars as pl

IFD = "lm_ifd"
PERPLEXITY = "lm_perplexity_given_prompt"


def ifd(frame: pl.DataFrame) -> pl.Series:
    """Return the ratio of mean losses; null if not scored."""
    return frame[IFD]


def misled_last(value: pl.Expr) -> pl.Expr:
    """Put rows above 1 below all others, the highest lowest."""
    return pl.when(value <= 1).then(value).otherwise(-value)


def perplexity(frame: pl.DataFrame) -> pl.Series:
    """Return the perplexity of the response after its prompt; null if not scored."""
    return frame[PERPLEXITY]


def low(rank: pl.Expr) -> pl.Expr:
    """Give the lowest the best score."""
    return 1 - rank
