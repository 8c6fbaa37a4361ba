"""The sketch agrees with datasketch, and verified similarity with plain sets."""

import numpy as np
import polars as pl
from datasketch import LeanMinHash, MinHash
from hypothesis import given
from hypothesis import strategies as st

from pipeline.minhash import (
    band_keys,
    banding,
    candidate_pairs,
    exact_keys,
    jaccard,
    shingle,
    signatures,
)

words = st.lists(st.sampled_from("the cat sat on a mat and ate one more rat".split()), max_size=30)  # noqa: SIM905
texts = st.lists(words.map(" ".join), min_size=1, max_size=8)


def plain_shingles(text: str, ngram: int) -> set[tuple[str, ...]]:
    tokens = text.lower().split()
    if not tokens:
        return set()
    size = min(ngram, len(tokens))
    return {tuple(tokens[n : n + size]) for n in range(len(tokens) - size + 1)}


@given(texts, st.integers(1, 6))
def test_shingles_are_the_word_ngrams(documents: list[str], ngram: int) -> None:
    shingles = shingle(pl.Series(documents), ngram)
    for number, text in enumerate(documents):
        assert len(set(shingles.of(number).tolist())) == len(plain_shingles(text, ngram))


@given(texts, st.integers(1, 6))
def test_jaccard_is_that_of_plain_sets(documents: list[str], ngram: int) -> None:
    shingles = shingle(pl.Series(documents), ngram)
    pairs = np.array([(0, other) for other in range(len(documents))])
    for (one, other), value in zip(pairs.tolist(), jaccard(shingles, pairs), strict=True):
        first, second = (plain_shingles(documents[n], ngram) for n in (one, other))
        union = first | second
        assert value == (len(first & second) / len(union) if union else 0.0)


def test_signatures_are_those_of_datasketch() -> None:
    documents = ["the quick brown fox jumps over the lazy dog", "one two", "", "x y z " * 500]
    shingles = shingle(pl.Series(documents), 5)
    ours = signatures(shingles, 112, seed=1)
    for number in range(len(documents)):
        theirs = MinHash(112, seed=1, scheme="affine32", hashfunc=int)
        theirs.update_batch([int(value) >> 32 for value in shingles.of(number)])
        assert (theirs.hashvalues == ours[number]).all()
        loaded = LeanMinHash(seed=1, hashvalues=ours[number], scheme="affine32")
        assert loaded == LeanMinHash(theirs)


@given(st.floats(0.05, 1))
def test_bands_propose_nearly_all_pairs_at_the_threshold(threshold: float) -> None:
    bands, rows = banding(threshold)
    assert bands * rows <= 112
    assert 1 - (1 - threshold**rows) ** bands >= 0.95


def test_equal_bands_propose_a_pair_once() -> None:
    keys = np.array([[1, 10], [1, 10], [2, 20], [3, 20]], np.uint64)
    assert candidate_pairs(keys.T).tolist() == [[0, 1], [2, 3]]


def test_a_huge_bucket_does_not_cost_its_square() -> None:
    keys = np.zeros((5000, 1), np.uint64)
    pairs = candidate_pairs(keys.T)
    assert len(pairs) < 17 * 5000
    reached = {0}
    for one, other in pairs.tolist():
        if one in reached:
            reached.add(other)
    assert len(reached) == 5000


def test_near_copies_are_proposed() -> None:
    rng = np.random.default_rng(0)
    vocabulary = [f"word{n}" for n in range(5000)]
    documents = []
    for _ in range(200):
        text = rng.choice(vocabulary, 200)
        copy = text.copy()
        copy[[50, 150]] = rng.choice(vocabulary, 2)  # about 0.9 Jaccard on 5-grams
        documents += [" ".join(text), " ".join(copy)]
    keys = band_keys(signatures(shingle(pl.Series(documents), 5), 112, 1), 14)
    pairs = {tuple(pair) for pair in candidate_pairs(keys.T).tolist()}
    planted = {(n, n + 1) for n in range(0, 400, 2)}
    assert len(planted & pairs) >= 198
    assert len(pairs - planted) <= 2


def test_exact_keys_leave_out_case_and_white_space() -> None:
    one, other, third, nothing = exact_keys(["Hello  World\n", "hello world", "hello, world", None])
    assert one == other != third
    assert nothing is None
