"""Commands for a Prefect server: serve, automations."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli.words import WORKSPACE, AsJson, RecipeName, Settings, WorkspaceFolder, print_json
from pipeline.errors import RecipeError
from pipeline.loading import load


def serve(
    recipe: RecipeName = "sample",
    dumps: Annotated[Path, typer.Option(help="The folder of dumps.")] = Path("data/sample"),
    workspace: WorkspaceFolder = WORKSPACE,
    cron: Annotated[str, typer.Option(help="When to run, as a cron line in UTC.")] = "0 4 1 * *",
    every: Annotated[
        int | None, typer.Option(min=10, help="Seconds between runs, instead of --cron.")
    ] = None,
    publish_to: Annotated[
        str | None,
        typer.Option(help="A folder or hub:OWNER/NAME; each run asks for approval before."),
    ] = None,
    churn: Annotated[
        float,
        typer.Option(min=0, max=1, help="Sets select.churn.max_share, unless the recipe does."),
    ] = 0.2,
    when_busy: Annotated[
        Literal["wait", "skip"], typer.Option(help="What a run does while another one is going.")
    ] = "wait",
    setting: Settings = None,
) -> None:
    """Run a recipe on a schedule until stopped; needs a Prefect server (prefect server start)."""
    settings = list(setting or [])
    resolved = load(recipe, settings)
    if "max_share" not in resolved.select.churn.model_fields_set:
        settings.append(f"select.churn.max_share={churn:g}")
    if publish_to and not publish_to.startswith("hub:"):
        publish_to = str(Path(publish_to).resolve())  # an answer may come to a later process
    from flows.deploy import serve_flow

    serve_flow(
        resolved.name,
        {
            "recipe": str(recipe),
            "dumps": str(dumps.resolve()),
            "workspace": str(workspace.resolve()),
            "settings": settings,
            "publish_to": publish_to,
        },
        cron=None if every else cron,
        every=every,
        when_busy=when_busy,
    )


def automations(
    webhook: Annotated[
        str | None, typer.Option(help="An address that the server calls with JSON.")
    ] = None,
    block: Annotated[
        str | None,
        typer.Option(help="A notification block of the server, such as sendgrid-email/team."),
    ] = None,
    silence: Annotated[
        int, typer.Option(min=60, help="Seconds without a heartbeat until a run counts as lost.")
    ] = 120,
    remove: Annotated[bool, typer.Option("--remove", help="Remove them all instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have the Prefect server tell of runs that fail, crash, fall silent, wait or are blocked."""
    if not remove and (webhook is None) == (block is None):
        raise RecipeError("Name either --webhook ADDRESS or --block TYPE/NAME, or --remove.")
    from flows import automations as flows

    names = flows.remove() if remove else flows.set_up(webhook, block, silence)
    if as_json:
        print_json({"automations": names, "removed": remove})
    else:
        typer.echo("\n".join([*names, "removed" if remove else "set up"]))
