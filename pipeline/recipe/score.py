"""What goes into the quality score."""

from typing import Self

from pydantic import Field, model_validator

from pipeline.recipe.part import Part


class Weights(Part):
    """How much each kind of evidence counts; a part that a row lacks is left out of its mean."""

    votes: float = Field(
        default=0.35, ge=0, description="Place among the answers of the same site and year."
    )
    accepted: float = Field(default=0.1, ge=0, description="Marked by the asker.")
    structure: float = Field(default=0.15, ge=0, description="Paragraphs, lists, explained code.")
    length: float = Field(default=0.15, ge=0, description="Length against the group.")
    fit: float = Field(default=0.25, ge=0, description="Cosine of prompt and response.")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not sum(self.model_dump().values()):
            raise ValueError("all weights are 0: no score can be made")
        return self


class Score(Part):
    """What goes into the quality score."""

    weights: Weights = Weights()
