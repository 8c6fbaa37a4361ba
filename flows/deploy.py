"""Serve the flow: a deployment with a schedule, run by this process until it is stopped."""

from typing import Any

from prefect.settings import PREFECT_API_URL

from flows.curate import curate
from pipeline.errors import CurationError


def serve_flow(
    name: str, parameters: dict[str, Any], *, cron: str | None, every: int | None
) -> None:
    """Register the deployment `curate/<name>` and run what its schedule asks for.

    One run at a time: a run that is still going makes the next one wait. `cron` is in UTC,
    `every` in seconds.
    """
    if not PREFECT_API_URL.value():
        raise CurationError(
            "No Prefect server is configured: start one with `prefect server start` and set "
            "PREFECT_API_URL=http://127.0.0.1:4200/api."
        )
    curate.serve(
        name=name,
        cron=cron,
        interval=every,
        parameters=parameters,
        limit=1,
        description=f"Makes releases by the recipe {name}.",
    )
