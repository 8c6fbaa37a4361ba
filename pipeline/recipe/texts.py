"""How texts are cleaned, and the rules that judge them."""

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.recipe.part import OWN_SEED, Count, Part, Share


class Clean(Part):
    """How markup becomes Markdown, and what becomes the prompt."""

    prompt: Literal["title", "body", "both", "random"] = Field(
        default="random",
        description="Prompt of a forum answer; random draws title or body by seed (LIMA 2.1).",
    )
    title_share: Share = Field(default=0.5, description="Share of titles when drawn at random.")
    min_body_chars: Count = Field(
        default=80, description="A shorter body says too little alone; the title is taken."
    )
    opening: str | None = Field(
        default="The following answer",
        description='Replaces the opening "This article" of wikiHow articles (LIMA 2.1).',
    )
    seed: int = Field(default=0, description=OWN_SEED)


class Rules(Part):
    """The rules for rows of one source; null turns a rule off."""

    min_chars: int | None = Field(
        default=None, ge=0, description="Characters of the response, at least."
    )
    max_chars: int | None = Field(
        default=None, ge=1, description="Characters of the response, at most."
    )
    min_votes: int | None = Field(default=None, description="Votes of the response, at least.")
    max_first_person: int | None = Field(
        default=None, ge=0, description='Times "I" or "my" may stand outside quotes and code.'
    )
    allow_references: bool = Field(
        default=True, description="False drops rows that refer to other answers."
    )
    require_self_contained: bool = Field(
        default=False, description="True drops prompts that do not stand alone."
    )
    languages: list[str] | None = Field(
        default=None, min_length=1, description="ISO 639-1 codes that are allowed; null: all."
    )
    allow_adult: bool = Field(default=False, description="False drops rows marked as adult.")
    written_before: date | None = Field(
        default=None, description="Rows written on or after this day leave (after_cutoff)."
    )
    after_cutoff: Literal["mark", "drop"] = Field(
        default="drop", description="Rows written on or after that day: drop them, or note it."
    )
    require_prose: bool = Field(
        default=False, description="True drops bare code and bare quotations (low_quality)."
    )
    require_whole: bool = Field(
        default=False,
        description="True drops text that repeats sentences or lost its numbers (low_quality).",
    )

    personal_data: Literal["keep", "mask", "drop"] = Field(
        default="keep",
        description="E-mail addresses, telephone numbers, keys and the like: drop the row "
        "(personal_data), or put a word in brackets in their place.",
    )
    allow_unsafe: bool = Field(
        default=True,
        description="False drops unsafe text (unsafe); an authored row of the kind refusal passes.",
    )
    assistant_style: Literal["keep", "mark", "drop"] = Field(
        default="keep",
        description="Phrases of chat assistants: drop the row (machine_text), or note it.",
    )
    assistant_phrases: int = Field(
        default=3, ge=1, description="Kinds of stock phrases from which a row counts as theirs."
    )

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.min_chars and self.max_chars and self.min_chars > self.max_chars:
            raise ValueError(
                f"min_chars {self.min_chars} is above max_chars {self.max_chars}: no row can pass"
            )
        return self


_LIMA_STACKEXCHANGE = Rules(
    min_chars=1200,
    max_chars=4096,
    max_first_person=0,
    allow_references=False,
    require_self_contained=True,
    languages=["en"],
    written_before=date(2022, 11, 30),
    personal_data="drop",
    allow_unsafe=False,
    assistant_style="drop",
)


_LIGHT = Rules(
    min_chars=200,
    languages=["en"],
    written_before=date(2022, 11, 30),
    personal_data="drop",
    allow_unsafe=False,
    assistant_style="drop",
)


# Rows of the user's own choice: no rule of form or votes.
_TRUSTED = Rules()
# Rows that somebody else wrote, in a table that the user maps: the guards, and nothing of form.
_GUARDED = Rules(personal_data="drop", allow_unsafe=False, assistant_style="drop")


class Filter(Part):
    """The rules by source; what a recipe does not name stays as it is here."""

    stackexchange: Rules = _LIMA_STACKEXCHANGE
    wikihow: Rules = _LIGHT
    reddit: Rules = _LIGHT
    natural_instructions: Rules = _TRUSTED
    authored: Rules = _TRUSTED
    table: Rules = _GUARDED

    @model_validator(mode="before")
    @classmethod
    def _over_the_defaults(cls, value: object) -> object:
        """Keep a source's other default rules where a recipe names one of them."""
        if not isinstance(value, dict):
            return value
        merged = dict(value)
        for source, rules in value.items():
            field = cls.model_fields.get(source)
            if field is not None and isinstance(rules, dict):
                merged[source] = field.default.model_dump() | rules
        return merged
