"""Hash the words of a column of texts, all words at once and no word as an object of its own.

A word is a run of letters, digits and underscores, in lower case. Its hash is a polynomial of its
code points modulo 2^64 (so that differences of running sums give it), mixed as MurmurHash3 ends.
Collisions of natural words are those of chance; texts that are made to collide are not resisted.
"""

from collections.abc import Iterator
from functools import cache, lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

_CHUNK = 1 << 17  # characters hashed at a time: their sums stay in the cache of a core
_BASE = 0x9E3779B97F4A7C15
_ASCII = 128


def hash_words(texts: pl.Series) -> Iterator[tuple[U64, NDArray[np.int64]]]:
    """Yield, for some texts after others, the hashes of all their words and the words of each text.

    Null and a text without words count 0.
    """
    lowered = _folded(texts.fill_null(""))
    sizes = lowered.str.len_chars().to_numpy().astype(np.int64) + 1  # a line end between two texts
    for first, last in _chunks(sizes):
        joined = "\n".join(lowered[first:last].to_list())
        if joined.isascii():
            codes: NDArray[np.unsignedinteger] = np.frombuffer(joined.encode(), np.uint8)
            found = _is_word()[:_ASCII][codes]
        else:
            codes = np.frombuffer(joined.encode("utf-32-le"), np.uint32)
            found = _is_word()[codes]
        borders = np.flatnonzero(np.diff(found, prepend=False, append=False))
        starts, ends = borders[::2], borders[1::2]
        powers, inverse = _powers(max(_CHUNK, 1 << len(codes).bit_length()))
        sums = np.zeros(len(codes) + 1, np.uint64)
        np.cumsum((codes + np.uint64(1)) * powers[: len(codes)], out=sums[1:])
        words = _mix((sums[ends] - sums[starts]) * inverse[starts])
        yield words, np.diff(np.searchsorted(starts, np.cumsum(sizes[first:last])), prepend=0)


def _folded(texts: pl.Series) -> pl.Series:
    """Fold the case of texts; where all is ASCII, lower case is the same and faster."""
    lowered = texts.str.to_lowercase()
    odd = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()
    if not len(odd):
        return lowered
    return lowered.scatter(odd, [text.casefold() for text in texts.gather(odd)])


def _chunks(sizes: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Split texts into runs of about _CHUNK characters, at least one text each."""
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        start = ends[first] - sizes[first]
        last = max(first + 1, int(np.searchsorted(ends, start + _CHUNK, "right")))
        yield first, last
        first = last


@cache
def _is_word() -> NDArray[np.bool_]:
    """Tell of each code point whether it belongs to a word."""
    known = [chr(code).isalnum() for code in range(0x110000)]
    known[ord("_")] = True
    return np.array(known)


@lru_cache(maxsize=2)
def _powers(size: int) -> tuple[U64, U64]:
    """Return the powers of the base and of its inverse modulo 2^64, from the power 0 on."""
    rows = []
    for base in (_BASE, pow(_BASE, -1, 1 << 64)):
        factors = np.full(size, base, np.uint64)
        factors[0] = 1
        rows.append(np.cumprod(factors))
    return rows[0], rows[1]


def _mix(values: U64) -> U64:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        values = (values ^ (values >> np.uint64(33))) * np.uint64(factor)
    return values ^ (values >> np.uint64(33))
