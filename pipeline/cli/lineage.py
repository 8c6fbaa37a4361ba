"""The command that compares generations: collapse."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.words import WORKSPACE, AsJson, Settings, WorkspaceFolder, print_json
from pipeline.errors import RecipeError
from pipeline.loading import load


def collapse(
    generations: Annotated[
        list[Path] | None,
        typer.Argument(help="Sets or releases, the first generation first; two at least."),
    ] = None,
    theory: Annotated[
        bool, typer.Option("--theory", help="Check the instrument by the theory of collapse.")
    ] = False,
    recipe: Annotated[str, typer.Option(help="The recipe whose alarm levels hold.")] = "lima",
    sample: Annotated[
        int,
        typer.Option(min=0, help="Rows of each generation, by lot; 0: as many as the smallest."),
    ] = 500,
    name: Annotated[str, typer.Option(help="Names the page and the JSON.")] = "collapse",
    setting: Settings = None,
    workspace: WorkspaceFolder = WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Compare generations of a set: distance, lost tails, words, topics; a page and JSON."""
    from pipeline.audit.collapse import lineage
    from pipeline.audit.collapse_report import write

    if not generations and not theory:
        raise RecipeError("Name two generations at least, or --theory.")
    loaded = load(recipe, list(setting or []))
    found = None
    if generations:
        cache = workspace / "cache" / "embeddings"
        found = lineage(generations, loaded, cache, sample)
    page, answer = write(workspace / "audits", name, found, loaded.seed if theory else None)
    answer = {**answer, "report": str(page)}
    if as_json:
        print_json(answer)
        return
    for line in found["generations"] if found else []:
        said = "; ".join(line["alarms"]) or "within all levels"
        typer.echo(f"{line['name']}: {said}")
    if theory:
        values = answer["theory"]
        typer.echo(
            f"expected squared distance: exact {values['exact']}, rule {values['rule']}, "
            f"simulated {values['simulated']}"
        )
    typer.echo(f"The page: {page}")
