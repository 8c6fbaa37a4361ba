"""Compare our near-duplicate search with datasketch's own objects, in one run on the same texts.

    python benchmarks/near_duplicates.py FILE.parquet... [--column response] [--rows 20000]

Parquet files with a column of texts, such as the kept files of the stage `filter`.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray

from pipeline.minhash import (
    Shingles,
    band_keys,
    candidate_pairs,
    jaccard,
    shingle,
    signatures,
)

NGRAM, BANDS, ROWS, SEED, THRESHOLD = 5, 14, 8, 1, 0.75


def timed(what: str, texts: int, work: Callable[[], object]) -> object:
    """Run `work` once and print how long it took."""
    started = time.perf_counter()
    answer = work()
    seconds = time.perf_counter() - started
    print(f"{what:<52} {seconds:7.2f} s  {texts / seconds:9,.0f} texts/s")
    return answer


def sketch(shingles: Shingles) -> list[MinHash]:
    """Make datasketch's object of each text, from the same 32-bit hashes as ours."""
    made = []
    for text in range(len(shingles)):
        hashes = (shingles.of(text) >> np.uint64(32)).astype(np.uint32)
        one = MinHash(BANDS * ROWS, seed=SEED, scheme="affine32", hashfunc=int)
        one.update_batch(hashes.tolist())
        made.append(one)
    return made


def look_up(sketches: list[MinHash]) -> NDArray[np.int64]:
    """Find candidate pairs with MinHashLSH, one query for each text."""
    index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    for number, one in enumerate(sketches):
        index.insert(number, one)
    pairs = {
        (min(number, other), max(number, other))
        for number, one in enumerate(sketches)
        for other in index.query(one)
        if other != number
    }
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def main() -> None:
    """Print the times and the pairs of both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--column", default="response")
    parser.add_argument("--rows", type=int, default=20_000)
    words = parser.parse_args()
    frame = pl.concat(pl.read_parquet(path, columns=[words.column]) for path in words.files)
    texts = frame[words.column].drop_nulls().head(words.rows)
    texts = texts.filter(texts.str.contains(r"\p{L}"))
    count = len(texts)
    print(f"{count} texts of {texts.str.len_chars().mean():.0f} characters on average")
    shingles = timed("word 5-grams, one flat array", count, lambda: shingle(texts, NGRAM))
    assert isinstance(shingles, Shingles)
    matrix = timed(
        "ours: signatures of all texts at once",
        count,
        lambda: signatures(shingles, BANDS * ROWS, SEED),
    )
    ours = timed("ours: bands and pairs", count, lambda: candidate_pairs(band_keys(matrix, BANDS)))
    sketches = timed(
        "datasketch: MinHash.update_batch for each text", count, lambda: sketch(shingles)
    )
    theirs = timed("datasketch: MinHashLSH, insert and query", count, lambda: look_up(sketches))
    same = all((one.hashvalues == row).all() for one, row in zip(sketches, matrix, strict=True))
    print(f"signatures are equal: {same}")
    for name, pairs in (("ours", ours), ("MinHashLSH", theirs)):
        measured = jaccard(shingles, pairs)
        print(f"{name}: {len(pairs)} pairs proposed, {(measured >= THRESHOLD).sum()} verified")


if __name__ == "__main__":
    main()
