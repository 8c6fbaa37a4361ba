"""The recipe: what a run should do, as frozen models with every default in the open.

One model per stage; a stage sees its own part alone, so a changed setting costs only the stages
that read it. pipeline.loading reads recipes from files.
"""

import json
from typing import Self

from pydantic import Field, field_validator, model_validator

from pipeline.recipe.collapse import Collapse
from pipeline.recipe.contamination import Contamination
from pipeline.recipe.gates import Gates
from pipeline.recipe.ingest import Ingest, Limits, Reddit, StackExchange, Table, WikiHow
from pipeline.recipe.judge import Judge
from pipeline.recipe.part import Count, Group, Part, Share
from pipeline.recipe.pool import Cluster, Dedup, Embed, Pool
from pipeline.recipe.runner import Runner
from pipeline.recipe.score import LanguageModel, Score, Weights
from pipeline.recipe.select import Churn, Method, Release, Select
from pipeline.recipe.texts import Clean, Filter, Rules

__all__ = [
    "Churn",
    "Clean",
    "Cluster",
    "Collapse",
    "Contamination",
    "Count",
    "Dedup",
    "Embed",
    "Filter",
    "Gates",
    "Group",
    "Ingest",
    "Judge",
    "LanguageModel",
    "Limits",
    "Method",
    "Part",
    "Pool",
    "Recipe",
    "Reddit",
    "Release",
    "Rules",
    "Runner",
    "Score",
    "Select",
    "Share",
    "StackExchange",
    "Table",
    "Weights",
    "WikiHow",
]


class Recipe(Part):
    """A whole recipe. Every field has a default; the defaults are LIMA as published."""

    name: str = Field(
        default="lima",
        pattern=r"^[a-z0-9][a-z0-9._-]*$",
        description="Names the folder of the run, and of the releases unless release.name does.",
    )
    description: str = Field(default="", description="A sentence for the card.")
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="The seed of every stage that sets none itself."
    )
    ingest: Ingest = Ingest()
    clean: Clean = Clean()
    filter: Filter = Filter()
    dedup: Dedup = Dedup()
    contamination: Contamination = Contamination()
    pool: Pool = Pool()
    embed: Embed = Embed()
    cluster: Cluster = Cluster()
    judge: Judge = Judge()
    score: Score = Score()
    select: Select = Select()
    release: Release = Release()
    gates: Gates = Gates()
    collapse: Collapse = Collapse()
    runner: Runner = Runner()

    @field_validator("name")
    @classmethod
    def _not_a_path(cls, name: str) -> str:
        if ".." in name:
            raise ValueError("a name must not hold '..'")
        return name

    @model_validator(mode="after")
    def _some_evidence(self) -> Self:
        weights = self.score.weights.model_dump()
        named = {"judge": self.judge.endpoint, "learned": self.score.learned}
        absent = [name for name, where in named.items() if where is None]
        if not sum(weight for name, weight in weights.items() if name not in absent):
            raise ValueError(
                "score.weights: all weights are 0 but that of the judge, and judge.endpoint names "
                "no judge: no score can be made"
            )
        return self

    @property
    def release_name(self) -> str:
        """The name of the folder below `releases`."""
        return self.release.name or self.name

    def digest_text(self) -> str:
        """Canonical JSON of what decides a release: all but the runner and the levels of alarms."""
        value = self.model_dump(mode="json", exclude={"runner", "collapse"})
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
