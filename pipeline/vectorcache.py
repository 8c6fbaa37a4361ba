"""Vectors that were computed before, by text: `pipeline.rowcache` with one column of vectors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline import rowcache
from pipeline.rowcache import text_key
from pipeline.vectors import column

__all__ = ["lookup", "store", "text_key"]


def lookup(folder: Path, keys: Sequence[bytes]) -> dict[bytes, npt.NDArray[np.float16]]:
    """Return the vectors that are there."""
    found: dict[bytes, npt.NDArray[np.float16]] = {}
    for part in rowcache.lookup(folder, keys):
        found.update(zip(part["key"].to_list(), part["vector"].to_numpy(), strict=True))
    return found


def store(folder: Path, keys: Sequence[bytes], vectors: npt.NDArray[np.float16]) -> None:
    """Add one segment of vectors, a row for each key."""
    if keys:
        rowcache.store(folder, keys, pl.DataFrame({"vector": column("vector", vectors)}))
