"""Commands that work on finished releases: verify, diff, report, publish."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.words import AsJson, print_json


def verify(
    releases: Annotated[list[Path], typer.Argument(metavar="RELEASE", help="Folders of releases.")],
    as_json: AsJson = False,
) -> None:
    """Check every digest, count and promise of releases."""
    from pipeline.release.verify import verify as check

    reports = [check(release) for release in releases]
    if as_json and len(reports) == 1:
        print_json(reports[0].to_json())
    elif as_json:
        ok = all(report.ok for report in reports)
        print_json({"ok": ok, "releases": [report.to_json() for report in reports]})
    else:
        typer.echo("\n".join(report.render() for report in reports))
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


def diff(
    old: Annotated[Path, typer.Argument(help="The earlier release.")],
    new: Annotated[Path, typer.Argument(help="The later release.")],
    as_json: AsJson = False,
) -> None:
    """Tell what came, went and changed between two releases, and why."""
    from pipeline.release.diff import diff as compare

    found = compare(old, new)
    if as_json:
        print_json(found.to_json())
    else:
        typer.echo(found.render())


def report(
    release: Annotated[Path, typer.Argument(help="The folder of a version.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write; without it, reports/NAME/VERSION.html in the workspace."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the report of a release: one HTML file that opens offline."""
    from pipeline.report.write import write

    written = write(release, out)
    if as_json:
        print_json({"release": str(release), "report": str(written)})
    else:
        typer.echo(f"report: {written}")


def publish(
    release: Annotated[Path, typer.Argument(help="The folder of a version.")],
    to: Annotated[str, typer.Option(help="A folder, or hub:OWNER/NAME.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List each file, and publish nothing.")
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public; else it is private.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy a sound release to a folder, or push it to a dataset repository of the hub."""
    from pipeline.release.publish import publish as send

    done = send(release, to, dry_run=dry_run, private=not public)
    if as_json:
        print_json(done.to_json())
    else:
        typer.echo(done.render())
