"""Find the texts of evaluation sets in rows: the same prompt, words in a row, near copies.

Input: any frame with `id`, `prompt` and `response`, and the sets' texts. Output: HITS, a line for
each row, evaluation row and method, with the words that both have. Either text may hold the other:
a question of a set may stand in our response, and our text in an answer of the set.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.contamination.sets import read_sets
from pipeline.minhash import U64, band_keys, banding, candidate_pairs, jaccard, shingle, signatures
from pipeline.recipe.contamination import Contamination

HITS = pl.Schema(
    {
        "id": pl.String(),
        "set": pl.String(),
        "row": pl.String(),  # of the set
        "method": pl.String(),  # exact, 13-gram, 8-gram, minhash, embedding
        "ours": pl.String(),  # prompt or response
        "theirs": pl.String(),  # prompt or answer
        "similarity": pl.Float64(),
        "overlap": pl.String(),  # what both texts hold, in our words
    }
)
METHODS = ("exact", "13-gram", "8-gram", "minhash", "embedding")

_WORD = re.compile(r"[^\W]+", re.UNICODE)
_EXACT_WORDS = 3  # a shorter prompt ("Why?") says nothing
_NEAR_WORDS = 8  # shorter prompts with half of their words in common are often others
_NEAR_NGRAM = 2
_SEED = 1
_BOILERPLATE = 3  # a run of words in more rows of a set than this is its template
_SHOWN = 160


@dataclass(frozen=True)
class Index:
    """The texts of evaluation sets, ready to be looked for."""

    texts: pl.DataFrame
    settings: Contamination

    @classmethod
    def of(cls, paths: Sequence[Path | str], settings: Contamination | None = None) -> "Index":
        """Read the sets; raises SourceError naming the file that cannot be read."""
        return cls(read_sets([Path(path) for path in paths]), settings or Contamination())

    @cached_property
    def exact(self) -> dict[str, int]:
        """The first place of each prompt, by its words: case and punctuation do not count."""
        places: dict[str, int] = {}
        for place, (side, text) in enumerate(self.texts.select("side", "text").iter_rows()):
            words = plain(text)
            if side == "prompt" and words.count(" ") >= _EXACT_WORDS - 1:
                places.setdefault(words, place)
        return places

    def grams(self, length: int) -> tuple[U64, NDArray[np.int64]]:
        """Return hashes of word n-grams that tell a text, sorted, and the place of each's text.

        Left out are runs that the rows of a set have in common, runs with few different words
        (numbers, signs, refrains), and texts of fewer words.
        """
        return self._grams[length]

    @cached_property
    def _grams(self) -> dict[int, tuple[U64, NDArray[np.int64]]]:
        return {length: self._cut(length) for length in self.settings.ngrams}

    def _cut(self, length: int) -> tuple[U64, NDArray[np.int64]]:
        shingles = shingle(self.texts["text"], length)
        lengths = np.diff(shingles.offsets)
        places = np.repeat(np.arange(len(shingles)), lengths)
        telling = np.zeros(len(places), bool)
        for place, text in enumerate(self.texts["text"]):
            words = plain(text).split(" ")
            start = shingles.offsets[place]
            steps = min(len(words) - length + 1, int(lengths[place]))
            for step in range(steps):
                telling[start + step] = _tells(words[step : step + length])
        hashes, places = shingles.hashes[telling], places[telling]
        rows = self.texts.select((pl.col("set") + "\0" + pl.col("row")).rank("dense"))
        number = rows.to_series().to_numpy().astype(np.int64)[places]
        seen = np.unique(np.stack([hashes.view(np.int64), number]), axis=1)
        values, counts = np.unique(seen[0], return_counts=True)
        common = values[counts > _BOILERPLATE].view(np.uint64)
        kept = ~np.isin(hashes, common)
        order = np.argsort(hashes[kept], kind="stable")
        return hashes[kept][order], places[kept][order]


def plain(text: str) -> str:
    """Return the words of a text in lower case, with one space between."""
    return " ".join(_WORD.findall(text.lower()))


def _tells(words: Sequence[str]) -> bool:
    """Tell whether a run of words is more than a list of numbers, a refrain or a phrase."""
    spoken = {word for word in words if word[0].isalpha() and len(word) > 1}
    long = sum(len(word) > 3 for word in spoken)
    return len(spoken) >= 0.6 * len(words) and long >= 0.3 * len(words)


def find(frame: pl.DataFrame, index: Index) -> pl.DataFrame:
    """Return HITS by exact prompt, word n-grams and MinHash, sorted by id and strength of method.

    A pair of rows is reported once, by the strongest method that finds it.
    """
    ours = frame.select("id", "prompt", "response")
    found = [_same(ours, index)]
    found += [_runs(ours, index, length) for length in sorted(index.settings.ngrams, reverse=True)]
    if index.settings.jaccard is not None:
        found.append(_near(ours, index, index.settings.jaccard))
    return strongest(pl.concat(found))


def strongest(hits: pl.DataFrame) -> pl.DataFrame:
    """Keep of each pair of rows the hit by the strongest method."""
    order = {name: place for place, name in enumerate(METHODS)}
    rank = pl.col("method").replace_strict(order, default=len(order), return_dtype=pl.Int64)
    return (
        hits.with_columns(rank.alias("__rank"))
        .sort("id", "__rank", "set", "row", "ours", maintain_order=True)
        .unique(["id", "set", "row"], keep="first", maintain_order=True)
        .drop("__rank")
    )


def evidence(hits: pl.DataFrame) -> pl.DataFrame:
    """Say for each row in a sentence what was found first: columns `id` and `detail`."""
    line = pl.format(
        "the {} of row {} of {} in our {} ({}, {}): {}",
        pl.col("theirs"),
        pl.col("row"),
        pl.col("set"),
        pl.col("ours"),
        pl.col("method"),
        pl.col("similarity").round(2),
        pl.col("overlap"),
    )
    return hits.group_by("id", maintain_order=True).agg(line.first().alias("detail"))


def hits_of(lines: list[tuple[object, ...]]) -> pl.DataFrame:
    """Make the table HITS of its lines."""
    return pl.DataFrame(lines, schema=HITS, orient="row")


def _same(ours: pl.DataFrame, index: Index) -> pl.DataFrame:
    lines: list[tuple[object, ...]] = []
    for name, prompt in ours.select("id", "prompt").iter_rows():
        place = index.exact.get(plain(prompt)) if prompt else None
        if place is not None:
            found = index.texts.row(place)
            lines.append(
                (name, found[0], found[1], "exact", "prompt", found[2], 1.0, short(prompt))
            )
    return hits_of(lines)


def _runs(ours: pl.DataFrame, index: Index, length: int) -> pl.DataFrame:
    """Find runs of words. A long run is a hit; of a short one much of the question must be there."""
    known, places = index.grams(length)
    lines: list[tuple[object, ...]] = []
    if not len(known):
        return hits_of(lines)
    need = 0.0 if length >= index.settings.long_run else index.settings.covered
    per_text = np.bincount(places, minlength=len(index.texts))
    for side in ("prompt", "response"):
        shingles = shingle(ours[side], length)
        at = np.searchsorted(known, shingles.hashes)
        is_known = known[np.minimum(at, len(known) - 1)] == shingles.hashes
        hit_rows = np.repeat(np.arange(len(shingles)), np.diff(shingles.offsets))[is_known]
        for row in np.unique(hit_rows).tolist():
            begin, end = shingles.offsets[row], shingles.offsets[row + 1]
            here = np.flatnonzero(is_known[begin:end])
            words = _WORD.findall(ours[side][row])
            if len(words) < length:
                continue
            matched: dict[int, list[tuple[int, int]]] = {}
            for step in here.tolist():
                value = shingles.hashes[begin + step]
                low, high = np.searchsorted(known, value), np.searchsorted(known, value, "right")
                for place in places[low:high].tolist():
                    matched.setdefault(place, []).append((step, int(value)))
            for place, steps in sorted(matched.items()):
                share = len({value for _, value in steps}) / per_text[place]
                if share < need:
                    continue
                first = steps[0][0]
                last = first
                for step, _ in steps[1:]:
                    if step != last + 1:
                        break
                    last = step
                overlap = short(" ".join(words[first : last + length]))
                found = index.texts.row(place)
                method = f"{length}-gram"
                lines.append(
                    (ours["id"][row], found[0], found[1], method, side, found[2], share, overlap)
                )
    return hits_of(lines)


def _near(ours: pl.DataFrame, index: Index, threshold: float) -> pl.DataFrame:
    """Find prompts with nearly the same pairs of words, by MinHash; each pair is measured."""
    theirs = index.texts.with_row_index("place").filter(pl.col("side") == "prompt")
    asked = ours["prompt"].fill_null("")
    texts = pl.concat([theirs["text"], asked])
    shingles = shingle(texts, _NEAR_NGRAM)
    bands, rows = banding(threshold)
    keys = band_keys(signatures(shingles, bands * rows, _SEED), bands)
    # Texts of few words are their own words alone: they would all be near one another.
    long = np.diff(shingles.offsets) >= _NEAR_WORDS - _NEAR_NGRAM + 1
    where = np.flatnonzero(long)
    pairs = where[candidate_pairs(keys[where].T)]
    border = len(theirs)
    pairs = pairs[(pairs[:, 0] < border) & (pairs[:, 1] >= border)]
    lines: list[tuple[object, ...]] = []
    for (left, right), value in zip(pairs.tolist(), jaccard(shingles, pairs), strict=True):
        if value >= threshold:
            found = index.texts.row(int(theirs["place"][left]))
            ours_row = ours.row(right - border)
            shown = short(ours_row[1])
            lines.append(
                (
                    ours_row[0],
                    found[0],
                    found[1],
                    "minhash",
                    "prompt",
                    "prompt",
                    float(value),
                    shown,
                )
            )
    return hits_of(lines)


def short(text: str) -> str:
    """Show a text in one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
