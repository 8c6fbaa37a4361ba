import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipeline import wordhash
from pipeline.wordhash import hash_words

# Letters of several alphabets, digits, marks that join and marks that part, a letter of two bytes
# whose lower case is two letters, and one beyond the first plane.
TEXTS = st.lists(st.text("aBé_1ß-'. \n漢字İ\u0301𝒳٣", max_size=30), max_size=8)


def words_of(texts: pl.Series) -> list[list[str]]:
    return texts.str.to_lowercase().str.extract_all(r"[\p{L}\p{N}_]+").to_list()


def hashed(texts: pl.Series) -> tuple[list[int], list[int]]:
    chunks = list(hash_words(texts))
    hashes = [int(value) for values, _ in chunks for value in values]
    return hashes, [int(count) for _, counts in chunks for count in counts]


@given(TEXTS)
def test_words_are_those_of_the_pattern_and_equal_ones_hash_equally(texts: list[str]):
    column = pl.Series(texts, dtype=pl.String)
    expected = words_of(column)
    hashes, counts = hashed(column)
    assert counts == [len(words) for words in expected]
    flat = [word for words in expected for word in words]
    of_word = dict(zip(flat, hashes, strict=True))
    assert [of_word[word] for word in flat] == hashes
    assert len(set(of_word.values())) == len(of_word)


@given(TEXTS)
def test_a_hash_depends_on_the_word_alone_not_on_chunks(texts: list[str]):
    column = pl.Series(texts, dtype=pl.String)
    alone = [hashed(column[row : row + 1])[0] for row in range(len(column))]
    assert hashed(column)[0] == [value for values in alone for value in values]


def test_texts_longer_than_a_chunk():
    word = "ab " * wordhash._CHUNK
    hashes, counts = hashed(pl.Series([word, None, "ab"]))
    assert counts == [wordhash._CHUNK, 0, 1]
    assert len(np.unique(hashes)) == 1
