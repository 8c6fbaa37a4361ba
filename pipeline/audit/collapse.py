"""Compare the generations of a set: does the spread narrow, do the rare rows go?

Each generation is cut to as many rows, by lot, so that none looks wider for being larger. The
first one is what the others are held against; the distance between two halves of it says how much
chance alone makes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.audit.diversity import entropy, to_nearest, vendi
from pipeline.audit.gaussian import Gaussian, fit, wasserstein
from pipeline.audit.profile import read_set
from pipeline.audit.space import draw, embed
from pipeline.audit.texts import origins
from pipeline.cluster import assign
from pipeline.errors import SourceError
from pipeline.recipe import Recipe
from pipeline.vectors import Matrix
from pipeline.words import row_words

NEIGHBOUR = 5  # the ball around a row reaches to this neighbour (coverage, arXiv 2002.09797)
TAIL = 0.1  # share of the first generation's rows with the widest balls
FEWEST = 20


@dataclass(frozen=True)
class First:
    """What the others are held against."""

    vectors: Matrix
    gaussian: Gaussian
    radius: Any  # cosine to the NEIGHBOUR-th nearest row
    tail: Any  # which rows are rare
    centres: Matrix
    chance: float


def lineage(
    files: Sequence[Path], recipe: Recipe, cache: Path | None, sample: int
) -> dict[str, Any]:
    """Return a line for each generation, with the alarms that the recipe's levels raise."""
    if len(files) < 2:
        raise SourceError("A lineage needs two generations at least; name the first one first.")
    sets = [(file, read_set(file)) for file in files]
    count = min(len(rows) for _, rows in sets)
    count = min(count, sample) if sample else count
    if count < FEWEST:
        raise SourceError(
            f"The smallest generation has {count} rows; fewer than {FEWEST} tell nothing."
        )
    vectors = [embed(draw(rows, count, recipe.seed), recipe, cache, 0) for _, rows in sets]
    first = _first(vectors[0].responses, recipe)
    lines = []
    for (file, rows), placed in zip(sets, vectors, strict=True):
        lines.append(
            {"name": file.name, "rows": len(rows), **_origin(rows), **_measure(placed, first)}
        )
    for line in lines:
        line["alarms"] = alarms(line, lines[0], first.chance, recipe)
    return {
        "rows": count,
        "dimensions": first.vectors.shape[1],
        "shrinkage": round(first.gaussian.shrinkage, 4),
        "chance": round(first.chance, 4),
        "levels": recipe.collapse.model_dump(),
        "generations": lines,
    }


def _first(vectors: Matrix, recipe: Recipe) -> First:
    close = vectors @ vectors.T
    np.fill_diagonal(close, -2)
    place = min(NEIGHBOUR, len(vectors) - 1)
    radius = np.sort(close, axis=1)[:, -place]
    tail = radius <= np.quantile(radius, TAIL)
    lots = np.random.default_rng(recipe.seed).permutation(len(vectors))
    half = len(vectors) // 2
    chance = wasserstein(fit(vectors[lots[:half]]), fit(vectors[lots[half : 2 * half]]))
    labels, _ = assign(vectors, recipe.cluster)
    centres = np.stack([vectors[labels == n].mean(axis=0) for n in range(labels.max() + 1)])
    return First(vectors, fit(vectors), radius, tail, centres.astype(np.float32), chance)


def _origin(rows: pl.DataFrame) -> dict[str, Any]:
    counts = origins(rows)
    return {"origin": counts, "model_share": round(counts["model"] / len(rows), 4)}


def _measure(placed: Any, first: First) -> dict[str, Any]:  # noqa: ANN401
    vectors = placed.responses
    gaussian = fit(vectors)
    _, cosine = to_nearest(first.vectors, vectors)
    covered = cosine >= first.radius - 1e-6
    topics = Counter((vectors @ first.centres.T).argmax(axis=1).tolist())
    words = _words(placed.rows)
    return {
        "distance": round(wasserstein(first.gaussian, gaussian), 4),
        "spread": round(float(np.trace(gaussian.covariance)), 4),
        "moved": round(float(np.linalg.norm(gaussian.mean - first.gaussian.mean)), 4),
        "covered": round(float(covered.mean()), 4),
        "tail_covered": round(float(covered[first.tail].mean()), 4),
        "vendi": round(vendi(vectors), 2),
        "vocabulary": len(words),
        "effective_words": round(float(np.exp(entropy(words.values()))), 1),
        "effective_topics": round(float(np.exp(entropy(topics.values()))), 2),
    }


def _words(rows: pl.DataFrame) -> dict[str, int]:
    """Count in how many rows each word stands."""
    found = rows.select(word=row_words(pl.coalesce("response", "prompt")))
    counted = found.explode("word", empty_as_null=False).drop_nulls().group_by("word").len()
    return dict(counted.sort("word").iter_rows())


def alarms(line: dict[str, Any], base: dict[str, Any], chance: float, recipe: Recipe) -> list[str]:
    """Say which levels of the recipe a generation breaks."""
    levels, found = recipe.collapse, []
    if line["tail_covered"] < levels.min_tail_covered:
        found.append(
            f"{line['tail_covered']:.0%} of the rarest rows are covered, at least "
            f"{levels.min_tail_covered:.0%}"
        )
    if line is not base and line["distance"] > levels.max_distance * chance:
        found.append(
            f"the distance {line['distance']:.3f} is {line['distance'] / max(chance, 1e-9):.1f} times "
            f"what chance makes, at most {levels.max_distance:g}"
        )
    for name, level, said in (
        ("effective_words", levels.min_vocabulary, "words"),
        ("effective_topics", levels.min_topics, "topics"),
    ):
        share = line[name] / max(base[name], 1e-9)
        if share < level:
            found.append(f"{share:.0%} of the effective {said} are left, at least {level:.0%}")
    if line["model_share"] > levels.max_model_share:
        found.append(
            f"{line['model_share']:.0%} of the rows are a model's, at most "
            f"{levels.max_model_share:.0%}"
        )
    return found
