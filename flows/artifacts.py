"""What a run leaves in the Prefect UI: progress, funnel, release card, and two pictures."""

import base64
import logging
import time
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.events import emit_event

from pipeline.errors import GateError
from pipeline.manifest import Manifest
from pipeline.plots import cluster_map, length_histogram
from pipeline.release import folder
from pipeline.release.escape import markdown
from pipeline.run import Progress, Result

# Each time that the UI is told how far a stage is costs a call to the server: a stage is told of after
# so many seconds, and at most so often.
_SECONDS_BEFORE = 10.0
_STEPS = 20


class Artifacts(Progress):
    """Writes the progress of a run as it goes, and the rest at its end."""

    def __init__(
        self, stages: list[str], logger: logging.Logger | logging.LoggerAdapter[Any]
    ) -> None:
        self._stages = stages
        self._logger = logger
        self._done = self._shards = 0
        self._began = time.monotonic()
        # Without an event loop around it, Prefect's function waits and returns the id itself.
        self._progress = cast(
            UUID,
            create_progress_artifact(
                0.0, key="progress", description="Share of the stages that are done."
            ),
        )

    def started(self, stage: str, shards: int) -> None:
        self._done, self._shards, self._began = 0, shards, time.monotonic()

    def advanced(self, stage: str) -> None:
        step = self._done * _STEPS // self._shards
        self._done += 1
        moved = step < self._done * _STEPS // self._shards
        if moved and self._done < self._shards and time.monotonic() - self._began > _SECONDS_BEFORE:
            said = f"{stage}: {self._done} of {self._shards} shards are done."
            self._show(self._stages.index(stage) + self._done / self._shards, said)

    def _show(self, stages: float, said: str) -> None:
        """Set the progress to so many stages; the release counts as one more."""
        share = 100 * stages / (len(self._stages) + 1)
        update_progress_artifact(self._progress, share, description=said)

    def finished(self, stage: str, manifest: Manifest, worked: bool) -> None:
        self._show(self._stages.index(stage) + 1, f"{stage} is done.")
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
        _gates(release)
        _links(release, Path(result.report))
        for key, picture, said in (
            ("cluster-map", cluster_map(Path(result.run)), "Picked rows among the pool."),
            ("lengths", length_histogram(release), "Characters of the responses, by group."),
        ):
            url = "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
            create_image_artifact(url, key, said)
        update_progress_artifact(self._progress, 100.0, description="The release is there.")


# The event that a blocked release emits; an automation listens for it.
BLOCKED = "thousand.gate.blocked"


def blocked(name: str, error: GateError) -> None:
    """Show why a release was blocked, and tell whoever listens for the event."""
    if error.kept is not None:
        _gates(error.kept)
        card = (error.kept / folder.CARD).read_text(encoding="utf-8")
        create_markdown_artifact(_without_head(card), "release-card", "Blocked by a gate")
        _links(error.kept, folder.report_file(error.kept))
    resource = {"prefect.resource.id": f"thousand.release.{name}", "prefect.resource.name": name}
    emit_event(BLOCKED, resource, payload={"said": str(error), "kept": str(error.kept)})


def published(release: Path, where: str, *, approved: bool, comment: str) -> None:
    """Keep the answer of whoever was asked, with the run."""
    verdict = f"published to {markdown(where)}" if approved else "not approved"
    text = f"{_name(release)}: {verdict}." + (f"\n\n> {markdown(comment)}" if comment else "")
    create_markdown_artifact(text, "approval", "What was decided, and why.")


def _links(release: Path, report: Path) -> None:
    for key, path in {"release": release.resolve() / folder.CARD, "report": report}.items():
        create_link_artifact(path.as_uri(), path.name, key, str(path))


def _gates(release: Path) -> None:
    outcomes = folder.read(release).get("gates") or []
    lines = [
        {
            "gate": item["gate"],
            "outcome": "passed" if item["ok"] else "FAILED",
            "found": item["said"],
            "rows": ", ".join(row[0] for row in item["rows"][:20]),
        }
        for item in outcomes
    ]
    create_table_artifact(lines, "gates", "Tests that the recipe asks of the finished data.")


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
