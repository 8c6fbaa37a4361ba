"""The approval of a release: the flow stops, a person reads the card and answers a form.

Suspending ends the process. When the run is resumed, also days later and on another worker, it
starts from the top: the manifests make that quick, and the answer is there. The question belongs
to one release: if the dumps changed meanwhile, another release was made, and it is asked again.
"""

from pathlib import Path
from typing import Any

from prefect import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field

from pipeline.release import folder

_FAILED, _PASSED = "failed", "passed"


class Approval(RunInput):
    """The form that a person fills in."""

    approve: bool = Field(default=False, description="Publish this release.")
    comment: str = Field(default="", description="Why, or why not; it is kept with the run.")


def ask(release: Path, where: str) -> Approval:
    """Suspend the run until somebody answers for this release; returns the answer."""
    manifest = folder.read(release)
    form = Approval.with_initial_data(description=question(manifest, where))
    return suspend_flow_run(wait_for_input=form, key=f"publish-{manifest['key'][:16]}")


def question(manifest: dict[str, Any], where: str) -> str:
    """Say in Markdown what is to be published where, and what the gates found."""
    title = f"{manifest['name']} {manifest['version']}"
    rows = ", ".join(f"{count:,} {split}" for split, count in manifest["rows"].items() if count)
    lines = [f"**Publish {title} to `{where}`?** It holds {rows} rows."]
    changes = manifest.get("changes")
    if changes:
        lines.append(
            f"Since {manifest['previous']}: {changes['added']:,} added, {changes['dropped']:,} "
            f"dropped, {changes['edited']:,} edited; {changes['churn']:.1%} of the rows."
        )
    gates = [
        f"- {item['gate']}: {_PASSED if item['ok'] else _FAILED} ({item['said']})"
        for item in manifest.get("gates") or []
    ]
    if gates:
        lines.append("\n".join(["Gates:", "", *gates]))
    lines.append("The card is the artifact `release-card` of this run.")
    return "\n\n".join(lines)
