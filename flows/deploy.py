"""Serve the flow: a deployment with a schedule, run by this process until it is stopped."""

from typing import Any, Literal

from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.settings import PREFECT_API_URL

from flows.curate import curate
from pipeline.errors import CurationError


def need_server() -> None:
    """Raise CurationError unless a server is configured."""
    if not PREFECT_API_URL.value():
        raise CurationError(
            "No Prefect server is configured: start one with `prefect server start` and set "
            "PREFECT_API_URL=http://127.0.0.1:4200/api."
        )


def serve_flow(
    name: str,
    parameters: dict[str, Any],
    *,
    cron: str | None,
    every: int | None,
    when_busy: Literal["wait", "skip"] = "wait",
) -> None:
    """Register the deployment `curate/<name>` and run what its schedule asks for.

    One run at a time: while one is going, the next one waits, or is cancelled (`skip`). A run that
    waits for its approval is not going. `cron` is in UTC, `every` in seconds.
    """
    need_server()
    curate.serve(
        name=name,
        cron=cron,
        interval=every,
        parameters=parameters,
        limit=None if when_busy == "skip" else 1,  # else a second run would not even be seen
        global_limit=ConcurrencyLimitConfig(
            limit=1,
            collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
            if when_busy == "skip"
            else ConcurrencyLimitStrategy.ENQUEUE,
        ),
        description=f"Makes releases by the recipe {name}.",
    )
