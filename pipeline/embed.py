"""Give each row its place among the others: a vector of the prompt and one of the response.

Input: the pool. Output: the same rows with `prompt_vector` and `response_vector` (null for a row
that is only a prompt), normalised, on the grid of pipeline.vectors. Vectors are cached by text and
model outside the run, so that another recipe or another cut into files embeds nothing twice.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline import vectorcache
from pipeline.encoder import (
    SCHEME,
    device_kind,
    find_model,
    load_encoder,
    model_digest,
    resolve_device,
    resolve_dtype,
)
from pipeline.manifest import digest_json
from pipeline.recipe import Embed, Recipe
from pipeline.stage import InputFile, Shard, ShardStats
from pipeline.tables import ordered, write
from pipeline.vectors import PROMPT, RESPONSE, column

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmbedStage:
    """One shard per file of the pool. `cache` and `threads` change the speed, never the bytes."""

    settings: Embed
    cache: Path | None = None
    threads: int = 1
    name: str = "embed"
    version: int = 1

    @classmethod
    def of(cls, recipe: Recipe, cache: Path | None = None, threads: int = 1) -> "EmbedStage":
        """Make the stage of a recipe; `cache` is the folder for vectors of all models."""
        return cls(recipe.embed, cache, threads)

    def plan(self, inputs: Sequence[InputFile]) -> list[Shard]:
        """One shard per file; the model's digest and the number type are part of its key."""
        options = decisive(self.settings)
        return [Shard(file.path.stem, (file,), options) for file in ordered(inputs)]

    def of_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float16]:
        """Return a vector for each text, outside of any run but by the same cache."""
        options = decisive(self.settings)
        return embed_texts(texts, self.settings, options, self.cache, self.threads)[0]

    def work(self, shard: Shard, out: Path) -> ShardStats:
        """Add the two columns of vectors to one file."""
        frame = pl.concat([pl.read_parquet(file.path) for file in shard.files]).sort("id")
        prompts = frame["prompt"].fill_null("").to_list()
        has_response = frame["response"].is_not_null().to_numpy()
        responses = frame["response"].drop_nulls().to_list()
        vectors = self._vectors(prompts + responses, shard)
        full = np.zeros((len(frame), vectors.shape[1]), np.float16)
        full[has_response] = vectors[len(prompts) :]
        frame = frame.with_columns(
            column(PROMPT, vectors[: len(prompts)]), column(RESPONSE, full)
        ).with_columns(pl.when(pl.col("response").is_not_null()).then(RESPONSE).alias(RESPONSE))
        write(frame, out / f"{shard.name}.parquet")
        return ShardStats(len(frame), len(frame))

    def _vectors(self, texts: Sequence[str], shard: Shard) -> npt.NDArray[np.float16]:
        found, embedded = embed_texts(texts, self.settings, shard.options, self.cache, self.threads)
        logger.info(
            "stage=%s shard=%s texts=%d embedded=%d", self.name, shard.name, len(texts), embedded
        )
        return found


def decisive(settings: Embed) -> tuple[tuple[str, str], ...]:
    """Return what decides a vector and is not in the recipe: the number type, the model's bytes."""
    return (
        ("dtype", resolve_dtype(settings.dtype, settings.device)),
        ("model", model_digest(find_model(settings.model))),
    )


def embed_texts(
    texts: Sequence[str],
    settings: Embed,
    options: tuple[tuple[str, str], ...],
    cache: Path | None,
    threads: int = 1,
) -> tuple[npt.NDArray[np.float16], int]:
    """Return a vector for each text and how many were not in the cache; see `decisive`."""
    keys = [vectorcache.text_key(text) for text in texts]
    folder = _folder(settings, options, cache) if cache else None
    known = vectorcache.lookup(folder, keys) if folder else {}
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if missing or not texts:
        encoder = load_encoder(settings, dict(options)["dtype"], threads)
        new = encoder.encode(list(missing.values()))
        if not texts:
            return new, 0
        if folder:
            vectorcache.store(folder, list(missing), new)
        known.update(zip(missing, new, strict=True))
    return np.stack([known[key] for key in keys]), len(missing)


def _folder(settings: Embed, options: tuple[tuple[str, str], ...], cache: Path) -> Path:
    """Return the cache folder of all that decides a vector besides the text."""
    import torch

    decides = {
        "scheme": SCHEME,
        "options": options,
        "settings": settings.model_dump(mode="json", exclude={"model", "device", "dtype"}),
        "device": device_kind(resolve_device(settings.device)),
        "torch": torch.__version__,
    }
    model = os.path.basename(settings.model.rstrip("/"))  # noqa: PTH119
    return cache / f"{model}-{digest_json(decides)[:16]}"
