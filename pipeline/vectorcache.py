"""Vectors that were computed before, by text: append-only Parquet segments in one folder.

A segment is written under another name and renamed, never changed afterwards: several processes
can add at once, and a killed one leaves nothing that counts. The cache only ever saves time.
"""

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PolarsError

from pipeline.vectors import column

logger = logging.getLogger(__name__)

_KEY_BYTES = 16


def text_key(text: str) -> bytes:
    """Key of a text; 128 bits of its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_KEY_BYTES]


def lookup(folder: Path, keys: Sequence[bytes]) -> dict[bytes, npt.NDArray[np.float16]]:
    """Return the vectors that are there; a segment that cannot be read is passed over."""
    wanted = pl.LazyFrame({"key": sorted(set(keys))}, schema={"key": pl.Binary})
    found: dict[bytes, npt.NDArray[np.float16]] = {}
    for path in sorted(folder.glob("*.parquet")):
        try:
            part = pl.scan_parquet(path).join(wanted, on="key", how="semi").collect()
        except (PolarsError, OSError) as error:
            logger.warning("cache=%s unreadable=%s", path.name, error)
            continue
        if len(part):
            found.update(zip(part["key"].to_list(), part["vector"].to_numpy(), strict=True))
    return found


def store(folder: Path, keys: Sequence[bytes], vectors: npt.NDArray[np.float16]) -> None:
    """Add one segment; its name is the digest of its keys, so that the same rows are one file."""
    if not keys:
        return
    folder.mkdir(parents=True, exist_ok=True)
    order = sorted(range(len(keys)), key=lambda place: keys[place])
    sorted_keys = [keys[place] for place in order]
    name = hashlib.sha256(b"".join(sorted_keys)).hexdigest()[:24]
    temporary = folder / f".{name}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    frame = pl.DataFrame(
        {
            "key": pl.Series("key", sorted_keys, pl.Binary),
            "vector": column("vector", vectors[order]),
        }
    )
    with temporary.open("wb") as handle:
        frame.write_parquet(handle, compression="uncompressed")
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(folder / f"{name}.parquet")
