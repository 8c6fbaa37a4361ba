"""How many rows of which group, by which method, and what the release is called."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.recipe.part import OWN_SEED, Count, Group, Part, Share

Method = Literal[
    "lima",
    "quality_diversity",
    "facility_location",
    "k_center",
    "random",
    "longest",
    "votes",
]


class Churn(Part):
    """How much of the last release may change; off unless `max_share` is set."""

    max_share: Share | None = Field(
        default=None,
        description="Keep rows of the last release that are still sound; at most this share of "
        "each group may leave, for whatever reason, before better rows stop replacing them. "
        "null: pick afresh.",
    )
    margin: float = Field(
        default=0.05, ge=0, description="Quality by which a new row must beat one that it replaces."
    )


class Select(Part):
    """How many rows of which group, and by which method."""

    method: Method = Field(default="lima", description="How rows are picked within a group.")
    size: int | None = Field(
        default=None, ge=1, description="Training rows; null: the sum of the quotas."
    )
    quotas: dict[Group, Count] = Field(
        default={
            "stem": 200,
            "other": 200,
            "wikihow": 200,
            "reddit": 150,
            "natural_instructions": 50,
            "authored": 200,
        },
        description="Training rows by group; scaled to `size` (LIMA, table 1).",
    )
    validation: dict[Group, Count] = Field(
        default={"authored": 50}, description="Validation rows by group."
    )
    test: dict[Group, Count] = Field(
        default={"reddit": 70, "authored": 230}, description="Prompts without responses."
    )
    refusals: Count = Field(
        default=0,
        description="Places of `authored` in training kept for rows of the kind refusal, if there "
        "are so many (LIMA kept 13).",
    )
    max_model_share: Share = Field(
        default=0,
        description="Of the training rows of each group, how many may have the origin `model`; "
        "0 refuses them.",
    )
    temperature: float = Field(
        default=3, ge=1, description="Domains are drawn with p proportional to n^(1/temperature)."
    )
    max_similarity: float = Field(
        default=0.9, gt=0, le=1, description="Cosine to a picked row from which a row is skipped."
    )
    on_shortfall: Literal["refill", "accept", "fail"] = Field(
        default="accept",
        description="A group lacks rows: take more of the others, release fewer, or stop.",
    )
    churn: Churn = Churn()
    seed: int = Field(default=0, description=OWN_SEED)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not sum(self.quotas.values()):
            raise ValueError("the quotas sum to 0: there is nothing to select")
        return self

    @property
    def train_quotas(self) -> dict[str, int]:
        """The quotas scaled to `size` by largest remainder; they sum to it."""
        total = sum(self.quotas.values())
        size = total if self.size is None else self.size
        exact = {group: count * size / total for group, count in self.quotas.items()}
        scaled = {group: int(value) for group, value in exact.items()}
        order = sorted(exact, key=lambda group: (scaled[group] - exact[group], group))
        for group in order[: size - sum(scaled.values())]:
            scaled[group] += 1
        return scaled


class Release(Part):
    """What the release is called, and what it must not hold."""

    name: str | None = Field(
        default=None, pattern=r"^[a-z0-9][a-z0-9._-]*$", description="null: the recipe's name."
    )
    version: str | None = Field(
        default=None,
        pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]*$",
        description="null: the next one by `numbering`.",
    )
    numbering: Literal["date", "semantic"] = Field(
        default="date",
        description="date: 2026.11.24, then .2, .3 on the same day. semantic: 1.0.0, then the next "
        "minor number; name a version to raise the major one.",
    )
    refuse_licences: list[str] = Field(
        default_factory=list,
        description='Licences to keep out, with wildcards: "*-NC-*", "LicenseRef-*".',
    )
