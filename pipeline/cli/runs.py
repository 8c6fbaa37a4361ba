"""Commands that make releases and look into runs: run, explain."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from pipeline.cli.words import WORKSPACE, AsJson, RecipeName, Settings, WorkspaceFolder, print_json
from pipeline.errors import CurationError, StageError
from pipeline.loading import load
from pipeline.recipe import Recipe

if TYPE_CHECKING:
    from pipeline.run import Progress, Result


def run(
    recipe: RecipeName = "sample",
    dumps: Annotated[Path, typer.Option(help="The folder of dumps.")] = Path("data/sample"),
    workspace: WorkspaceFolder = WORKSPACE,
    size: Annotated[
        int | None, typer.Option(help="Training rows, instead of the sum of the quotas.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The seed of everything that is drawn.")] = None,
    setting: Settings = None,
    runner: Annotated[
        Literal["threads", "processes", "dask", "ray"] | None,
        typer.Option(help="Where the work is done; never changes the result."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="The Dask scheduler or Ray cluster that is there; see docs/scale.md."),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Run in this process, without Prefect.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a release of the same version.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a release from a dumps folder: the main job."""
    overrides = list(setting or [])
    if runner is not None:
        overrides.append(f"runner.kind={runner}")
    if address is not None:
        overrides.append(f"runner.address={json.dumps(address)}")
    words: dict[str, Any] = {
        "recipe": str(recipe),
        "dumps": str(dumps.resolve()),
        "workspace": str(workspace.resolve()),
        "size": size,
        "seed": seed,
        "settings": overrides,
        "force": force,
    }
    from pipeline.console import print_result, show_progress

    resolved = load(recipe, overrides, size=size, seed=seed)
    with show_progress() as progress:
        result = _run(resolved, words, progress, plain=plain)
    if as_json:
        print_json(result.to_json())
    else:
        print_result(result, Console(soft_wrap=True))


def _run(recipe: Recipe, words: dict[str, Any], progress: "Progress", *, plain: bool) -> "Result":
    from pipeline.run import Result, Workspace, curate

    if not plain:
        from flows.local import run_flow

        return Result.from_json(run_flow(words, progress))
    from pipeline.mappers import local_mapper

    with local_mapper(recipe.runner) as mapper:
        return curate(
            recipe,
            Path(words["dumps"]),
            Workspace(Path(words["workspace"])),
            mapper,
            progress,
            force=words["force"],
        )


def explain(
    row: Annotated[str, typer.Argument(metavar="ID", help="The id of a candidate.")],
    workspace: WorkspaceFolder = WORKSPACE,
    recipe: Annotated[
        str | None, typer.Option(help="The run to look in; without it, the newest that has it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell one row's life, stage by stage."""
    from pipeline.explain import explain as tell
    from pipeline.run import STAGES

    failure: CurationError | None = None
    for run_folder in _runs(workspace, recipe):
        stages = [name for name in STAGES if (run_folder / name / "manifest.json").exists()]
        try:
            story = tell(run_folder, row, stages)
        except StageError as error:
            failure = failure or error
            continue
        if as_json:
            print_json(story.to_json())
        else:
            typer.echo(story.render())
        return
    assert failure is not None
    raise failure


def _runs(workspace: Path, name: str | None) -> list[Path]:
    folder = workspace / "runs"
    if name:
        found = [folder / name] if (folder / name).is_dir() else []
    else:
        found = sorted(
            (path for path in folder.glob("*") if path.is_dir()),
            key=lambda path: (-path.stat().st_mtime, path.name),
        )
    if not found:
        wanted = f" of recipe {name!r}" if name else ""
        raise CurationError(
            f"There is no run{wanted} in {workspace}; start one with `thousand run`."
        )
    return found
