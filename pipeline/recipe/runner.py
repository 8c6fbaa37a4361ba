"""Where the work is done."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.recipe.part import Part


class Runner(Part):
    """Where the work is done; never changes the result."""

    kind: Literal["threads", "processes", "dask", "ray"] = Field(
        default="threads", description="The last two need the extra of their name."
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        description="On this machine; null: one per core. A cluster with an address has its own.",
    )
    address: str | None = Field(
        default=None,
        min_length=1,
        description="Of a Dask scheduler (tcp://HOST:8786) or a Ray cluster (HOST:6379, "
        "ray://HOST:10001); null: a cluster on this machine for as long as the run.",
    )

    @model_validator(mode="after")
    def _address_of_a_cluster(self) -> Self:
        if self.address and self.kind not in ("dask", "ray"):
            raise ValueError(f"an address belongs to a runner dask or ray, not {self.kind}")
        return self
