"""What a selection method sees, and what it answers.

Rows come best first (quality, votes, earlier, id), so that an index is a rank and every tie that a
method breaks by the smaller index is broken the same way. Vectors lie on the grid of
pipeline.vectors: cosines are exact, and no thread count or block size can change a pick.
"""

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.recipe import Select
from pipeline.tables import BEST_FIRST
from pipeline.vectors import Matrix, Vectors

BLOCK = 2048

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """The rows of one group among which a method picks; `frame` and `vectors` are best first.

    `taken` holds the rows that were picked in other groups before.
    """

    group: str
    frame: pl.DataFrame
    vectors: Vectors
    settings: Select
    taken: Matrix
    taken_ids: Sequence[str] = ()

    @classmethod
    def of(
        cls, group: str, frame: pl.DataFrame, vectors: Vectors, settings: Select
    ) -> "Candidates":
        """Sort the rows of a group, each with its `vector_row` in `vectors`; nothing is taken yet."""
        best = frame.sort(
            ["quality", *BEST_FIRST], descending=[True, True, False, False], nulls_last=True
        )
        own = vectors.only(best["vector_row"].to_numpy())
        return cls(group, best, own, settings, own[:0])

    def __len__(self) -> int:
        """Rows there are to pick from."""
        return len(self.frame)

    @functools.cached_property
    def ids(self) -> list[str]:
        """The ids, best first."""
        return self.frame["id"].to_list()

    @functools.cached_property
    def quality(self) -> Floats:
        """The quality, 0 where there is none."""
        return self.frame["quality"].fill_null(0.0).to_numpy()

    def by_votes(self) -> list[int]:
        """Indices by votes, then the earlier, then id."""
        ranked = self.frame.with_row_index("place").sort(
            BEST_FIRST, descending=[True, False, False], nulls_last=True
        )
        return ranked["place"].to_list()

    def random(self, purpose: str) -> np.random.Generator:
        """Return a generator of its own for each seed, group and purpose."""
        return generator(self.settings.seed, self.group, purpose)


@dataclass(frozen=True)
class Pick:
    """What was picked, in order; why others were not, by index; and what is worth reporting."""

    order: list[int]
    why: dict[int, tuple[str, str]] = field(default_factory=dict)
    facts: dict[str, int] = field(default_factory=dict)


Method = Callable[[Candidates, int], Pick]


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return a random generator that depends on the seed and the names alone."""
    digest = hashlib.sha256("\0".join((str(seed), *names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def nearest(rows: Matrix | Vectors, among: Matrix) -> tuple[npt.NDArray[np.int64], Matrix]:
    """Return for each row the place of the nearest of `among` and the cosine, block by block."""
    places = np.zeros(len(rows), np.int64)
    best = np.full(len(rows), -1.0, np.float32)
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        part = rows[block]
        for other in range(0, len(among), BLOCK):
            products = part @ among[other : other + BLOCK].T
            top = products.argmax(axis=1)
            value = products[np.arange(len(top)), top]
            better = value > best[block]
            places[block] = np.where(better, other + top, places[block])
            best[block] = np.where(better, value, best[block])
    return places, np.minimum(best, 1.0)
