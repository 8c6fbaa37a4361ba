"""What a run leaves in the Prefect UI: progress, funnel, release card, and two pictures."""

import base64
import logging
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from pipeline.manifest import Manifest
from pipeline.plots import cluster_map, length_histogram
from pipeline.run import Progress, Result


class Artifacts(Progress):
    """Writes the progress of a run as it goes, and the rest at its end."""

    def __init__(
        self, stages: list[str], logger: logging.Logger | logging.LoggerAdapter[Any]
    ) -> None:
        self._stages = stages
        self._logger = logger
        # Without an event loop around it, Prefect's function waits and returns the id itself.
        self._progress = cast(
            UUID,
            create_progress_artifact(
                0.0, key="progress", description="Share of the stages that are done."
            ),
        )

    def finished(self, stage: str, manifest: Manifest, worked: bool) -> None:
        share = 100 * (self._stages.index(stage) + 1) / (len(self._stages) + 1)
        update_progress_artifact(self._progress, share, description=f"{stage} is done.")
        how = f"{manifest.seconds:.1f} s" if worked else "unchanged, not run again"
        reasons = ", ".join(f"{reason} {count}" for reason, count in manifest.dropped.items())
        self._logger.info(
            "%s: %d rows in, %d out (%s)%s",
            stage,
            manifest.rows_in,
            manifest.rows_out,
            how,
            f"; left: {reasons}" if reasons else "",
        )

    def publish(self, result: Result) -> None:
        """Write the funnel, the release card and the pictures."""
        create_table_artifact(_funnel_rows(result), "funnel", "Rows in and out of each stage.")
        release = Path(result.release)
        card = (release / "README.md").read_text(encoding="utf-8")
        create_markdown_artifact(_without_head(card), "release-card", _name(release))
        for key, picture, said in (
            ("cluster-map", cluster_map(Path(result.run)), "Picked rows among the pool."),
            ("lengths", length_histogram(release), "Characters of the responses, by group."),
        ):
            url = "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
            create_image_artifact(url, key, said)
        update_progress_artifact(self._progress, 100.0, description="The release is there.")


def _name(release: Path) -> str:
    return f"Release {release.parent.name} {release.name}"


def _funnel_rows(result: Result) -> list[dict[str, Any]]:
    return [
        {
            "stage": line.stage,
            "rows in": line.rows_in,
            "rows out": line.rows_out,
            "left, by reason": ", ".join(
                f"{reason} {count}"
                for reason, count in sorted(line.dropped.items(), key=lambda item: -item[1])
            ),
        }
        for line in result.funnel
    ]


def _without_head(card: str) -> str:
    """Leave out the YAML head, which is for the hub."""
    if card.startswith("---\n"):
        return card.split("\n---\n", 1)[-1].lstrip()
    return card
