"""Vectors as columns, on a grid on which cosines are exact.

A stored vector is normalised and rounded to multiples of 1/2048. Float16 holds each such number
exactly, and the products of two vectors are multiples of 2^-22 that sum to at most about 1: float32
holds every partial sum exactly, so that a cosine is the same to the last bit whatever the order of
summation, the number of threads or the library. The price is an error of about 0.0002 in a cosine.
docs/decisions/0003-embeddings.md has the measurements.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.errors import StageError
from pipeline.stage import InputFile

STEPS = 2048

PROMPT = "prompt_vector"
RESPONSE = "response_vector"

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Vectors:
    """Rows of a shared float16 store, at half the memory of float32; what is asked for is float32.

    `vectors[start:stop]` and `vectors[places]` are matrices, `vectors[place]` is one vector.
    """

    store: npt.NDArray[np.float16]
    rows: npt.NDArray[np.int64]  # of the store

    def __len__(self) -> int:
        """Vectors there are."""
        return len(self.rows)

    def __getitem__(self, places: int | slice | Sequence[int] | npt.NDArray[np.int64]) -> Matrix:
        """Return these vectors as float32."""
        chosen = places if isinstance(places, int | slice) else np.asarray(places, np.int64)
        return self.store[self.rows[chosen]].astype(np.float32)

    def only(self, places: Sequence[int] | npt.NDArray[np.int64]) -> "Vectors":
        """Return a view of some of them, in this order."""
        return Vectors(self.store, self.rows[np.asarray(places, np.int64)])

    @classmethod
    def of(cls, store: npt.NDArray[np.float16]) -> "Vectors":
        """Take all the rows of a matrix."""
        return cls(store, np.arange(len(store)))

    @classmethod
    def read(cls, files: Sequence[InputFile], vector: pl.Expr, ids: pl.Series) -> "Vectors":
        """Read the vector of each id, file by file.

        Raises StageError unless each id stands in the files once, and no other does.
        """
        places = pl.DataFrame({"id": ids}).with_row_index("place")
        store = np.zeros((0, 0), np.float16)
        seen = 0
        for file in files:
            part = pl.scan_parquet(file.path).select("id", vector.alias("vector")).collect()
            here = part.select("id").join(places, on="id", how="left", maintain_order="left")
            values = _array(part["vector"])
            if not store.size:
                store = np.zeros((len(ids), values.shape[1]), np.float16)
            if here["place"].null_count():
                raise StageError(f"{file.label} holds a vector of a row that is not there.")
            store[here["place"].to_numpy()] = values
            seen += len(part)
        if seen != len(ids):
            raise StageError(f"There are {seen} vectors for {len(ids)} rows.")
        return cls.of(store)


def snap(values: npt.NDArray[Any]) -> npt.NDArray[np.float16]:
    """Normalise the rows of a matrix and round them to the grid."""
    exact = values.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1, keepdims=True)
    exact /= np.where(norms == 0, 1.0, norms)
    return (np.rint(exact * STEPS) / STEPS).astype(np.float16)


def column(name: str, values: npt.NDArray[np.float16]) -> pl.Series:
    """Make a column of vectors out of the rows of a matrix."""
    return pl.Series(name, values, dtype=pl.Array(pl.Float16, values.shape[1]))


def matrix(series: pl.Series) -> Matrix:
    """Return a column of vectors, none of them null, as float32 rows."""
    return np.ascontiguousarray(_array(series), dtype=np.float32)


def _array(series: pl.Series) -> npt.NDArray[np.float16]:
    if not isinstance(series.dtype, pl.Array):
        raise StageError(f"The column {series.name!r} holds {series.dtype}, not vectors.")
    if series.null_count():
        raise StageError(f"The column {series.name!r} lacks {series.null_count()} vectors.")
    if not len(series):
        return np.zeros((0, series.dtype.size), np.float16)
    return series.to_numpy()


def of_rows(frame: pl.DataFrame) -> Matrix:
    """Return the vectors that stand for whole rows: of the response, else of the prompt."""
    return matrix(frame.select(pl.coalesce(RESPONSE, PROMPT).alias("vector"))["vector"])


def cosines(left: Matrix, right: Matrix) -> Matrix:
    """Return the cosine of each row of `left` with the row of `right` at the same place."""
    products: Matrix = np.einsum("ij,ij->i", left, right)
    return np.minimum(products, 1.0)
