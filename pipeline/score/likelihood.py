"""Likelihood: what a causal language model makes of a response, as the stage of that name measured.

Cherry (arXiv 2308.12032) keeps rows of high IFD and removes those above 1, where the prompt makes
the response less likely: they stand below all others here.
"""

import polars as pl

IFD = "lm_ifd"
PERPLEXITY = "lm_perplexity_given_prompt"


def ifd(frame: pl.DataFrame) -> pl.Series:
    """Return the ratio of mean losses, and for rows above 1 its negative; null if not scored."""
    value = pl.col(IFD)
    return frame.select(pl.when(value <= 1).then(value).otherwise(-value).alias("ifd"))["ifd"]


def perplexity(frame: pl.DataFrame) -> pl.Series:
    """Return the perplexity of the response after its prompt; null if not scored."""
    return frame[PERPLEXITY]


def low(rank: pl.Expr) -> pl.Expr:
    """Give the lowest the best score."""
    return 1 - rank
