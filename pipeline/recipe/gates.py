"""What a release must hold true, or it is not released."""

from typing import Annotated

from pydantic import AfterValidator, Field

from pipeline.recipe.part import Count, Part, Share
from pipeline.record import REASONS


def _known(code: str) -> str:
    if code not in REASONS:
        raise ValueError(f"{code!r} is no reason code; docs/reference.md lists them")
    return code


Reason = Annotated[str, AfterValidator(_known)]


class Gates(Part):
    """Tests of the finished data; one that fails blocks the release. null: not tested."""

    min_rows: Count = Field(default=1, description="Training rows, at least.")
    min_group_share: Share | None = Field(
        default=None, description="Share of its quota that each group must reach, in each split."
    )
    licences: list[str] | None = Field(
        default=None, description='Each row must have one of these, with wildcards: "CC-BY-SA-*".'
    )
    max_duplicates: Count | None = Field(
        default=0, description="Rows that are copies of another released row, by part `dedup`."
    )
    languages: list[str] | None = Field(
        default=None,
        min_length=1,
        description="ISO 639-1 codes; no response may surely be in another language.",
    )
    reasons: list[Reason] | None = Field(
        default=None,
        description="Reason codes; no row may break a rule of its source in part `filter` that "
        "gives one, also after an edit; the recipe must have a rule for each code.",
    )
    evaluation: list[str] | None = Field(
        default=None,
        description="Files of evaluation sets, relative to where the command runs; no row may "
        "hold a prompt of theirs, or 13 words of it in a row.",
    )
    max_churn: Share | None = Field(
        default=None, description="Share of the last release's rows that may have left or changed."
    )
    min_quality: Share | None = Field(
        default=None, description="Quality of each training row, at least."
    )
