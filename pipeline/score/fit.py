"""Fit: how near the answer is to its question, by the cosine of their vectors."""

import numpy as np
import polars as pl

from pipeline.vectors import PROMPT, RESPONSE, cosines, matrix


def measure(frame: pl.DataFrame) -> pl.Series:
    """Return the cosine of prompt and response; null for a row without a response."""
    there = frame[RESPONSE].is_not_null()
    values = np.full(len(frame), np.nan)
    both = frame.filter(there)
    if len(both):
        values[there.to_numpy()] = cosines(matrix(both[PROMPT]), matrix(both[RESPONSE]))
    return pl.Series("fit", values).fill_nan(None)
