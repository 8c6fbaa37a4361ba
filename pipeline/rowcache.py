"""Rows that were computed before, by a key: append-only Parquet segments in one folder.

A segment is written under another name and renamed, never changed afterwards: several processes
can add at once, and a killed one leaves nothing that counts. The cache only ever saves time.
"""

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

logger = logging.getLogger(__name__)

KEY = "key"
_KEY_BYTES = 16


def text_key(*texts: str) -> bytes:
    """Key of a text, or of several in their order; 128 bits of SHA-256."""
    total = hashlib.sha256(texts[0].encode("utf-8", "surrogatepass"))
    for text in texts[1:]:
        # A text's own length goes before it, so that no two cuts of one text are the same.
        part = text.encode("utf-8", "surrogatepass")
        total.update(f"\0{len(part)}\0".encode() + part)
    return total.digest()[:_KEY_BYTES]


def lookup(folder: Path, keys: Sequence[bytes]) -> Iterator[pl.DataFrame]:
    """Yield the rows that are there, with `key`; a segment that cannot be read is passed over."""
    wanted = pl.LazyFrame({KEY: sorted(set(keys))}, schema={KEY: pl.Binary})
    for path in sorted(folder.glob("*.parquet")):
        try:
            part = pl.scan_parquet(path).join(wanted, on=KEY, how="semi").collect()
        except (PolarsError, OSError) as error:
            logger.warning("cache=%s unreadable=%s", path.name, error)
            continue
        if len(part):
            yield part


def store(folder: Path, keys: Sequence[bytes], rows: pl.DataFrame) -> None:
    """Add one segment; its name is the digest of its keys, so that the same rows are one file."""
    if not keys:
        return
    folder.mkdir(parents=True, exist_ok=True)
    frame = rows.with_columns(pl.Series(KEY, keys, pl.Binary)).sort(KEY)
    frame = frame.select(KEY, *rows.columns)
    name = hashlib.sha256(b"".join(frame[KEY].to_list())).hexdigest()[:24]
    temporary = folder / f".{name}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    with temporary.open("wb") as handle:
        frame.write_parquet(handle, compression="uncompressed")
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(folder / f"{name}.parquet")
