"""Which evaluation sets must not be in a release, and how they are looked for."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.recipe.part import Part, Share


class Contamination(Part):
    """Evaluation sets whose texts must not be in the rows; the stages are off without one.

    The release's own test prompts are such a set, too, unless `own_test` is off.
    """

    against: tuple[str, ...] = Field(
        default=(), description="Files of evaluation sets: JSONL, JSON, CSV or Parquet."
    )
    own_test: bool = Field(
        default=True,
        description="Rows with text of a picked test prompt are no training or validation rows.",
    )
    ngrams: tuple[Annotated[int, Field(ge=5, le=50)], ...] = Field(
        default=(8, 13), description="Words in a row that are looked for in either text."
    )
    long_run: int = Field(
        default=13, ge=5, description="Words in a row that are evidence alone (GPT-3, 2005.14165)."
    )
    covered: Share = Field(
        default=0.5, description="Share of an evaluation text's shorter runs that must be found."
    )
    jaccard: float | None = Field(
        default=0.6, gt=0, le=1, description="MinHash: of the word pairs of prompts; null: off."
    )
    cosine: float | None = Field(
        default=0.9, gt=0, le=1, description="Of the vectors of prompts, in the pool; null: off."
    )

    @model_validator(mode="after")
    def _cut_to_something(self) -> Self:
        if not self.ngrams:
            raise ValueError("ngrams is empty: name at least one length, such as 13")
        return self
