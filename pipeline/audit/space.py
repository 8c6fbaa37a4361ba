"""What the vectors of a set tell: topics with words, diversity, neighbours, and quality measures.

Sets above `rows` are judged by a lot of that many rows, drawn with the recipe's seed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.audit.diversity import entropy, nearest, spread, vendi
from pipeline.cluster import assign, flatten
from pipeline.contamination.match import Index, hits_of
from pipeline.contamination.neighbours import long_enough, near
from pipeline.embed import EmbedStage
from pipeline.recipe import Recipe
from pipeline.score import structure
from pipeline.vectors import PROMPT, Matrix, column, cosines
from pipeline.words import count_words, name_clusters

# The Vendi score grows with the rows; sets are compared by as many as this.
VENDI_ROWS = 500
CLOSE = 0.9  # cosine from which two responses are mostly one text in other words


@dataclass(frozen=True)
class Space:
    """Rows by lot with their vectors: of the prompt, and of the response where there is one."""

    rows: pl.DataFrame
    prompts: Matrix
    responses: Matrix  # of rows without a response: of the prompt
    whole: bool  # no row was left out

    @property
    def answered(self) -> Any:  # noqa: ANN401
        """Which rows have a response."""
        return self.rows["response"].is_not_null().to_numpy()


def draw(rows: pl.DataFrame, count: int, seed: int) -> pl.DataFrame:
    """Draw rows by lot, in their order; 0 takes all."""
    if not count or len(rows) <= count:
        return rows
    lots = np.random.default_rng(seed).permutation(len(rows))[:count]
    chosen: pl.DataFrame = rows[np.sort(lots).tolist()]
    return chosen


def embed(rows: pl.DataFrame, recipe: Recipe, cache: Path | None, count: int) -> Space:
    """Draw rows and embed them; vectors come from the cache where it has them."""
    drawn = draw(rows, count, recipe.seed)
    stage = EmbedStage(recipe.embed, cache)
    prompts = drawn["prompt"].fill_null("").to_list()
    said = drawn["response"].to_list()
    texts = prompts + [
        prompt if response is None else response
        for prompt, response in zip(prompts, said, strict=True)
    ]
    vectors = stage.of_texts(texts).astype(np.float32)
    half = len(prompts)
    return Space(drawn, vectors[:half], vectors[half:], len(drawn) == len(rows))


def describe(space: Space, recipe: Recipe) -> dict[str, Any]:
    """Return topics, diversity and quality measures of a set."""
    labels, near_centre = assign(space.prompts, recipe.cluster)
    x, y = flatten(space.prompts)
    named = _topics(space, labels, recipe.cluster.words)
    places, cosine = nearest(space.responses)
    lots = np.random.default_rng(recipe.seed).permutation(len(space.rows))[:VENDI_ROWS]
    fit = cosines(space.prompts, space.responses)[space.answered]
    ids = space.rows["id"].to_list()
    pairs = sorted(
        {
            (-round(float(value), 4), *sorted((ids[place], ids[other])))
            for place, (other, value) in enumerate(zip(places, cosine, strict=True))
            if np.isfinite(value)
        }
    )[:10]
    sizes = [line["rows"] for line in named]
    said = dict(space.rows.select("id", pl.coalesce("response", "prompt")).iter_rows())
    return {
        "rows": len(space.rows),
        "whole": space.whole,
        "topics": named,
        "topic_entropy": round(entropy(sizes), 4),
        "effective_topics": round(float(np.exp(entropy(sizes))), 1),
        "vendi": {
            "rows": len(lots),
            "prompts": round(vendi(space.prompts[lots]), 2),
            "responses": round(vendi(space.responses[lots]), 2),
        },
        "neighbours": {
            **spread(cosine),
            "close_share": _share(cosine >= CLOSE),
            "closest": [
                {
                    "cosine": -value,
                    "id": one,
                    "text": _short(said[one]),
                    "other": other,
                    "other_text": _short(said[other]),
                }
                for value, one, other in pairs
            ],
        },
        "quality": {
            "structure": spread(structure.measure(space.rows).drop_nulls()),
            "fit": spread(fit),
        },
        "map": {
            "x": x.tolist(),
            "y": y.tolist(),
            "topic": labels.tolist(),
            "near": [round(float(v), 4) for v in near_centre],
        },
    }


def in_other_words(
    space: Space, index: Index | None, recipe: Recipe, cache: Path | None
) -> pl.DataFrame:
    """Return HITS: rows whose prompt lies near a question of an evaluation set."""
    threshold = recipe.contamination.cosine
    if threshold is None or index is None:
        return hits_of([])
    texts = index.texts
    asked = texts.filter((pl.col("side") == "prompt") & long_enough(texts["text"]))
    vectors = EmbedStage(recipe.embed, cache).of_texts(asked["text"].to_list()).astype(np.float32)
    prompts = column(PROMPT, space.prompts.astype(np.float16))  # on its grid: nothing is lost
    frame = space.rows.select("id", pl.col("prompt").fill_null("")).with_columns(prompts)
    return near(frame, asked, vectors, threshold)


def _topics(space: Space, labels: Any, words: int) -> list[dict[str, Any]]:  # noqa: ANN401
    frame = space.rows.select("id", "prompt", "response").with_columns(
        cluster=pl.Series(labels, dtype=pl.Int32)
    )
    sizes = dict(frame.group_by("cluster").len().sort("cluster").iter_rows())
    names = name_clusters(count_words(frame), sizes, words)
    examples = dict(
        frame.group_by("cluster", maintain_order=True)
        .first()
        .select("cluster", "prompt")
        .iter_rows()
    )
    return [
        {
            "topic": int(number),
            "rows": int(size),
            "words": names[number],
            "example": _short(examples[number]),
        }
        for number, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    ]


def _short(text: str | None, limit: int = 100) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _share(mask: Any) -> float:  # noqa: ANN401
    return round(float(np.mean(mask)), 4) if len(mask) else 0.0
