"""Near-duplicates of texts: MinHash signatures, LSH bands, pairs verified by true Jaccard.

The sketch is datasketch's `affine32` scheme with its permutations, computed for a whole column at
once: a row of `signatures` equals `datasketch.MinHash(..., scheme="affine32").hashvalues` over
the same 32-bit shingle hashes (tested). Bands of equal signatures propose pairs; each pair is then
measured on its whole sets of shingles, so no false pair is ever reported.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
import xxhash
from datasketch import MinHash
from numpy.typing import NDArray

from pipeline.wordhash import hash_words

U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

_CHUNK = 1 << 20  # shingles that are hashed at a time
_ALL_PAIRS = 64  # rows of a bucket of which all pairs are tried
_HUBS = 8  # in a larger bucket each row is tried with so many others
_PERMUTATIONS = 112  # as many as FineWeb takes
_MAX_ROWS = 16
_RECALL = 0.95  # of pairs just at the threshold
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Shingles:
    """Hashes of the word n-grams of texts, one after the other; text i is `offsets[i:i+2]`.

    `bags` has a number for each text that depends on its words alone: equal texts, equal numbers.
    """

    hashes: U64
    offsets: NDArray[np.int64]
    bags: U64

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, text: int) -> U64:
        """Return the hashes of one text, in the order of the text."""
        return self.hashes[self.offsets[text] : self.offsets[text + 1]]


def shingle(texts: pl.Series, ngram: int) -> Shingles:
    """Cut texts into word n-grams, case folded; a shorter text is one shingle of all its words.

    A text without words (or null) has no shingles.
    """
    parts, counts = [np.zeros(0, np.uint64)], [np.zeros(1, np.int64)]
    bags = [np.zeros(0, np.uint64)]
    for words, lengths in hash_words(texts):
        parts.append(_roll(words, lengths, ngram))
        counts.append(np.where(lengths > 0, np.maximum(lengths - ngram + 1, 1), 0))
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(words)])
        bags.append(np.diff(sums[np.cumsum(lengths)], prepend=sums[:1]))
    return Shingles(np.concatenate(parts), np.cumsum(np.concatenate(counts)), np.concatenate(bags))


def _roll(words: U64, lengths: NDArray[np.int64], ngram: int) -> U64:
    """Hash the n-grams of some texts; of none does one lead into the next text."""
    short = (lengths > 0) & (lengths < ngram)
    if short.any():  # pad them, so that every text with words has one n-gram
        padded = np.where(short, ngram, lengths)
        row = np.zeros(int(padded.sum()), np.uint64)
        moved = np.repeat(np.cumsum(padded - lengths) - (padded - lengths), lengths)
        row[np.arange(len(words)) + moved] = words
        words, lengths = row, padded
    if not len(words):
        return words
    rolled = np.zeros(len(words) - ngram + 1, np.uint64)
    for step in range(ngram):
        rolled ^= words[step : len(words) - ngram + 1 + step]
        rolled *= _ODD
        rolled ^= rolled >> np.uint64(29)
    inside = np.ones(len(words), bool)
    last = np.cumsum(lengths[lengths > 0])
    for step in range(1, ngram):
        inside[last - step] = False
    return rolled[inside[: len(rolled)]]


def signatures(shingles: Shingles, permutations: int, seed: int) -> U32:
    """Return the MinHash signatures, texts by permutations; all ones for a text without words."""
    a, b = _permutations(permutations, seed)
    result = np.full((len(shingles), permutations), np.iinfo(np.uint32).max, np.uint32)
    filled = np.flatnonzero(np.diff(shingles.offsets))
    for rows in _chunks(filled, shingles.offsets):
        start, end = shingles.offsets[rows[0]], shingles.offsets[rows[-1] + 1]
        mixed = _mix((shingles.hashes[start:end] >> np.uint64(32)).astype(np.uint32))
        places = shingles.offsets[rows] - start
        buffer = np.empty_like(mixed)
        for k in range(permutations):
            np.multiply(mixed, a[k], out=buffer)
            np.add(buffer, b[k], out=buffer)
            result[rows, k] = np.minimum.reduceat(buffer, places)
    return result


@cache
def _permutations(count: int, seed: int) -> tuple[U32, U32]:
    a, b = MinHash(num_perm=count, seed=seed, scheme="affine32").permutations
    return a, b


def _mix(values: U32) -> U32:
    """MurmurHash3's finalizer, with which datasketch mixes before it permutes."""
    values = values ^ (values >> np.uint32(16))
    values = values * np.uint32(0x85EBCA6B)
    values = values ^ (values >> np.uint32(13))
    values = values * np.uint32(0xC2B2AE35)
    return values ^ (values >> np.uint32(16))


def _chunks(rows: NDArray[np.int64], offsets: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Split rows so that each part has about _CHUNK shingles."""
    if len(rows):
        borders = np.searchsorted(
            offsets[rows] - offsets[rows[0]], np.arange(_CHUNK, offsets[-1] + 1, _CHUNK)
        )
        for part in np.split(rows, np.unique(borders)):
            if len(part):
                yield part


def banding(threshold: float) -> tuple[int, int]:
    """Choose (bands, hashes per band) of at most 112 hashes for a similarity threshold.

    A pair of similarity t agrees in a band of r hashes with probability t^r; the longest bands are
    taken with which 95 % of the pairs at the threshold agree in one. What is proposed needlessly
    costs time alone, since every pair is measured.
    """
    for rows in range(_MAX_ROWS, 1, -1):
        bands = _PERMUTATIONS // rows
        if 1 - (1 - threshold**rows) ** bands >= _RECALL:
            return bands, rows
    return _PERMUTATIONS, 1


def band_keys(signature: U32, bands: int) -> U64:
    """Hash each band of the signatures to one number: texts by bands."""
    rows = signature.shape[1] // bands
    parts = signature.reshape(len(signature), bands, rows).astype(np.uint64)
    keys = np.zeros((len(signature), bands), np.uint64)
    for row in range(rows):
        keys ^= parts[:, :, row]
        keys *= _ODD
        keys ^= keys >> np.uint64(31)
    return keys


def candidate_pairs(bands: Iterable[U64]) -> NDArray[np.int64]:
    """Return pairs (i < j) of rows that agree in at least one band, sorted, each once.

    A band holds a key for each row; one is looked at after the other, so they may be read lazily.
    In a bucket of more than 64 rows not all pairs are tried: each row is paired with the first 8
    of the bucket and with the 8 before it.
    """
    pairs = np.zeros((0, 2), np.int64)
    for keys in bands:
        rows = len(keys)
        codes = [pairs[:, 0] * rows + pairs[:, 1]]
        order = np.argsort(keys, kind="stable")
        ranked = keys[order]
        border = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1], [True]]))
        sizes = np.diff(border)
        for size in np.unique(sizes[sizes > 1]):
            starts = border[:-1][sizes == size]
            members = order[starts[:, None] + np.arange(size)]
            left, right = _within(int(size))
            codes.append((members[:, left].astype(np.int64) * rows + members[:, right]).ravel())
        unique = np.unique(np.concatenate(codes))
        pairs = np.stack([unique // max(rows, 1), unique % max(rows, 1)], axis=1)
    return pairs


def _within(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if size <= _ALL_PAIRS:
        left, right = np.triu_indices(size, 1)
        return left.astype(np.int64), right.astype(np.int64)
    pairs = {(hub, row) for row in range(size) for hub in range(min(_HUBS, row))}
    pairs |= {(row - back, row) for row in range(size) for back in range(1, min(_HUBS, row) + 1)}
    array = np.array(sorted(pairs), np.int64)
    return array[:, 0], array[:, 1]


def jaccard(shingles: Shingles, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the true Jaccard similarity of the shingle sets of each pair of texts."""
    sets = {int(text): np.unique(shingles.of(int(text))) for text in np.unique(pairs)}
    result = np.zeros(len(pairs))
    for number, (one, other) in enumerate(pairs.tolist()):
        first, second = sets[one], sets[other]
        common = len(np.intersect1d(first, second, assume_unique=True))
        union = len(first) + len(second) - common
        result[number] = common / union if union else 0.0
    return result


def exact_keys(texts: Sequence[str | None]) -> list[str | None]:
    """Return a 128-bit digest of each text, case and white space aside; null for no text."""
    return [
        xxhash.xxh3_128_hexdigest(" ".join(text.casefold().split()).encode()) if text else None
        for text in texts
    ]
