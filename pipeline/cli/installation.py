"""Commands that look after an installation: doctor, prune."""

from typing import Annotated

import typer

from pipeline.cli.words import WORKSPACE, AsJson, Settings, WorkspaceFolder, print_json


def doctor(
    recipe: Annotated[
        str | None, typer.Option(help="Ask the judge's endpoint of this recipe, too.")
    ] = None,
    setting: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Tell what is installed and reachable, what is missing and how to get it."""
    from pipeline.doctor import examine, examine_judge, render
    from pipeline.loading import load

    asked = load(recipe or "lima", setting or []).judge if recipe or setting else None
    findings = examine()
    if asked is not None:
        findings.append(examine_judge(asked))
    if as_json:
        print_json(
            {
                "ok": all(item.ok for item in findings if item.needed),
                "checks": [vars(item) for item in findings],
            }
        )
    else:
        typer.echo(render(findings))
    if not all(item.ok for item in findings if item.needed):
        raise typer.Exit(1)


def prune(
    workspace: WorkspaceFolder = WORKSPACE,
    runs: Annotated[float, typer.Option(min=0, help="Days that a run is kept.")] = 60,
    caches: Annotated[
        float, typer.Option(min=0, help="Days that a file of a cache is kept.")
    ] = 180,
    blocked: Annotated[
        float, typer.Option(min=0, help="Days that a blocked release is kept.")
    ] = 60,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would go, and delete nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete old runs, caches and blocked releases of a workspace; never a release."""
    from pipeline.prune import prune as delete

    done = delete(workspace, runs=runs, caches=caches, blocked=blocked, dry_run=dry_run)
    if as_json:
        print_json(done.to_json())
    else:
        typer.echo(done.render())
