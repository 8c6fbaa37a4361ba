"""Find questions of evaluation sets in other words: neighbours among the vectors of prompts.

Input: rows with `prompt_vector` and the sets' prompts. Only the pool has vectors, so this runs
after `embed`, where the number of rows is bounded.
"""

import numpy as np
import polars as pl

from pipeline.contamination.match import Index, hits_of, plain, short
from pipeline.encoder import load_encoder
from pipeline.recipe import Embed
from pipeline.selection.candidates import nearest
from pipeline.vectors import PROMPT, Matrix, matrix

_WORDS = 4  # a shorter question has too many neighbours


def find_neighbours(
    frame: pl.DataFrame, index: Index, embed: Embed, dtype: str, threads: int = 1
) -> pl.DataFrame:
    """Return HITS of rows whose prompt lies within `cosine` of a prompt of a set."""
    threshold = index.settings.cosine
    asked = index.texts.filter((pl.col("side") == "prompt") & long_enough(index.texts["text"]))
    if threshold is None or not len(asked) or not len(frame):
        return hits_of([])
    encoder = load_encoder(embed, dtype, threads)
    theirs = encoder.encode(asked["text"].to_list()).astype(np.float32)
    return near(frame, asked, theirs, threshold)


def long_enough(texts: pl.Series) -> pl.Series:
    """Tell which questions have words enough to be known by their neighbours."""
    return pl.Series([plain(text).count(" ") >= _WORDS - 1 for text in texts], dtype=pl.Boolean)


def near(
    frame: pl.DataFrame, asked: pl.DataFrame, vectors: Matrix, threshold: float
) -> pl.DataFrame:
    """Return HITS of rows whose prompt is as near as `threshold` to one of `asked`.

    `frame` has `id`, `prompt` and their vectors; `asked` is of the schema TEXTS, with `vectors`.
    """
    lines: list[tuple[object, ...]] = []
    if not len(asked) or not len(frame):
        return hits_of(lines)
    places, cosines = nearest(matrix(frame[PROMPT]), vectors)
    for number, (place, cosine) in enumerate(zip(places.tolist(), cosines.tolist(), strict=True)):
        if cosine >= threshold:
            name, row, side, text = asked.row(place)
            both = f"{short(frame['prompt'][number])} / {short(text)}"
            lines.append(
                (frame["id"][number], name, row, "embedding", "prompt", side, float(cosine), both)
            )
    return hits_of(lines)
