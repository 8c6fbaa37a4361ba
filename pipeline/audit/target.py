"""Local or broad: how near the prompts of a set come to a named set of tasks.

The False Promise of Imitating Proprietary LLMs (arXiv 2305.15717) tells imitation of one task from
imitation of everything by the BLEU of each test query to the nearest training query: 8 % of its
broad set, 61 % within Super-NaturalInstructions. Nearness by meaning is the cosine of vectors.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.audit.diversity import spread, to_nearest
from pipeline.audit.space import Space, draw, embed
from pipeline.recipe import Recipe

NEAR = 0.7  # cosine from which two prompts ask for much the same
ORDERS = 4
_WORD = re.compile(r"[^\W_]+|[^\w\s]")


def distance(
    placed: Space, tasks: pl.DataFrame, recipe: Recipe, cache: Path | None, sample: int
) -> dict[str, Any]:
    """Return how near each task comes to a prompt of the set, by meaning and by words."""
    only = draw(tasks, sample, recipe.seed).with_columns(response=pl.lit(None, pl.String))
    other = embed(only, recipe, cache, 0)
    places, cosine = to_nearest(other.prompts, placed.prompts)
    _, back = to_nearest(placed.prompts, other.prompts)
    asked = other.rows["prompt"].fill_null("").to_list()
    overlap = nearest_bleu(asked, placed.rows["prompt"].fill_null("").to_list())
    order = np.argsort(-cosine, kind="stable")[:3]
    ids, prompts = placed.rows["id"].to_list(), placed.rows["prompt"].to_list()
    return {
        "tasks": len(asked),
        "cosine": spread(cosine),
        "near_share": round(float(np.mean(cosine >= NEAR)), 4),
        "set_near_share": round(float(np.mean(back >= NEAR)), 4),
        "bleu": round(float(np.mean(overlap)) * 100, 1),
        "nearest": [
            {
                "cosine": round(float(cosine[place]), 4),
                "task": _line(asked[place]),
                "id": ids[places[place]],
                "prompt": _line(prompts[places[place]]),
            }
            for place in order
        ],
    }


def nearest_bleu(queries: Sequence[str], among: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return for each query the best BLEU-like overlap with any text of `among`, 0 to 1.

    The geometric mean of the shares of the query's distinct 1- to 4-grams that the text holds, add
    one from the second order on, times BLEU's brevity penalty. Unlike BLEU an n-gram counts once,
    which makes the search a sparse product.
    """
    from scipy.sparse import csr_matrix

    best = np.zeros(len(queries))
    if not len(queries) or not len(among):
        return best
    asked, known = [_words(text) for text in queries], [_words(text) for text in among]
    tables = []
    for order in range(1, ORDERS + 1):
        numbers: dict[tuple[str, ...], int] = {}
        left = _rows(asked, order, numbers, grow=True)
        right = _rows(known, order, numbers, grow=False)
        width = max(1, len(numbers))
        tables.append(
            (
                csr_matrix((np.ones(len(left[1])), left[1], left[0]), (len(asked), width)),
                csr_matrix((np.ones(len(right[1])), right[1], right[0]), (len(known), width)),
            )
        )
    lengths = np.array([len(words) for words in known], np.float64)
    for start in range(0, len(asked), 64):
        stop = min(start + 64, len(asked))
        logs = np.zeros((stop - start, len(known)))
        for order, (left_rows, right_rows) in enumerate(tables, 1):
            block = left_rows[start:stop]
            shared = np.asarray((block @ right_rows.T).todense())
            total = np.asarray(block.sum(axis=1))
            smooth = 0.0 if order == 1 else 1.0
            with np.errstate(divide="ignore"):
                logs += np.log((shared + smooth) / np.maximum(total + smooth, 1e-9)) / ORDERS
        own = np.array([[len(words)] for words in asked[start:stop]], np.float64)
        # The text of the set is the reference, the query the candidate.
        brevity = np.minimum(0.0, 1 - lengths / np.maximum(own, 1e-9))
        best[start:stop] = np.exp(logs + brevity).max(axis=1)
    return best


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _rows(
    texts: Sequence[Sequence[str]],
    order: int,
    numbers: dict[tuple[str, ...], int],
    *,
    grow: bool,
) -> tuple[list[int], list[int]]:
    starts, columns = [0], []
    for words in texts:
        grams = {tuple(words[n : n + order]) for n in range(len(words) - order + 1)}
        if grow:
            columns += [numbers.setdefault(gram, len(numbers)) for gram in sorted(grams)]
        else:
            columns += sorted(numbers[gram] for gram in grams if gram in numbers)
        starts.append(len(columns))
    return starts, columns


def _line(text: str | None, limit: int = 140) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
