"""The command `thousand`: words in, exit status and one answer out.

Exit status 0: done; 1: the job failed or a check found something; 2: the words or the recipe are
wrong. Heavy packages are imported by the command that needs them.
"""

import json
import logging
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from pipeline.errors import CurationError, RecipeError, StageError
from pipeline.loading import SHIPPED, load
from pipeline.recipe import Recipe

if TYPE_CHECKING:
    from pipeline.run import Progress, Result

app = typer.Typer(
    help="From dumps of forums and how-to sites to about a thousand examples worth training on.",
    epilog="Add --debug to any command for the traceback of an error, and for the log.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
recipe_app = typer.Typer(help="Show and check recipes.", no_args_is_help=True)
app.add_typer(recipe_app, name="recipe")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"thousand {version('thousand')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Options that stand before the command."""


RecipeName = Annotated[
    str, typer.Argument(help=f"A shipped recipe ({', '.join(SHIPPED)}) or a YAML file.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a field, e.g. select.size=500."),
]
WorkspaceFolder = Annotated[Path, typer.Option(help="Where runs, caches and releases live.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

WORKSPACE = Path("data/workspace")


@app.command()
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
        _print_json(result.to_json())
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


@app.command()
def serve(
    recipe: RecipeName = "sample",
    dumps: Annotated[Path, typer.Option(help="The folder of dumps.")] = Path("data/sample"),
    workspace: WorkspaceFolder = WORKSPACE,
    cron: Annotated[str, typer.Option(help="When to run, as a cron line in UTC.")] = "0 4 1 * *",
    every: Annotated[
        int | None, typer.Option(min=10, help="Seconds between runs, instead of --cron.")
    ] = None,
    setting: Settings = None,
) -> None:
    """Run a recipe on a schedule until stopped; needs a Prefect server (prefect server start)."""
    resolved = load(recipe, list(setting or []))
    from flows.deploy import serve_flow

    serve_flow(
        resolved.name,
        {
            "recipe": str(recipe),
            "dumps": str(dumps.resolve()),
            "workspace": str(workspace.resolve()),
            "settings": list(setting or []),
        },
        cron=None if every else cron,
        every=every,
    )


@app.command()
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
            _print_json(story.to_json())
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


@app.command()
def dedup(
    files: Annotated[list[Path], typer.Argument(help="JSONL or Parquet with columns id and text.")],
    out: Annotated[Path, typer.Option(help="Folder for kept, pairs and clusters (Parquet).")],
    threshold: Annotated[float, typer.Option(min=0.05, max=1, help="Jaccard similarity.")] = 0.75,
    as_json: AsJson = False,
) -> None:
    """Remove exact and near duplicates from any texts by MinHash; every pair is verified."""
    from pipeline.dedup_files import dedup_files

    answer = dedup_files(files, out, threshold)
    if as_json:
        _print_json(answer)
    else:
        typer.echo(
            f"{answer['rows']:,} rows, {answer['kept']:,} kept, groups of copies: "
            f"{answer['clusters']:,}, {answer['seconds']:.1f} s: {out}"
        )


@app.command()
def audit(
    file: Annotated[
        Path, typer.Argument(help="An instruction set: JSONL, JSON, Parquet or a datasets folder.")
    ],
    recipe: Annotated[str, typer.Option(help="The recipe whose rules judge.")] = "lima",
    against: Annotated[
        list[Path] | None, typer.Option(help="Evaluation sets that must not be in it.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Write the row-level table here (.parquet, .csv, .jsonl).")
    ] = None,
    setting: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Judge any instruction set by a recipe's rules, duplicates and contamination."""
    from pipeline.audit import audit as judge

    found = judge(file, load(recipe, list(setting or [])), against or [])
    if table:
        found.write(table)
    if as_json:
        _print_json(found.to_json())
    else:
        typer.echo(found.render())


@app.command()
def verify(
    releases: Annotated[list[Path], typer.Argument(metavar="RELEASE", help="Folders of releases.")],
    as_json: AsJson = False,
) -> None:
    """Check every digest, count and promise of releases."""
    from pipeline.release.verify import verify as check

    reports = [check(release) for release in releases]
    if as_json and len(reports) == 1:
        _print_json(reports[0].to_json())
    elif as_json:
        ok = all(report.ok for report in reports)
        _print_json({"ok": ok, "releases": [report.to_json() for report in reports]})
    else:
        typer.echo("\n".join(report.render() for report in reports))
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="The earlier release.")],
    new: Annotated[Path, typer.Argument(help="The later release.")],
    as_json: AsJson = False,
) -> None:
    """Tell what came, went and changed between two releases, and why."""
    from pipeline.release.diff import diff as compare

    found = compare(old, new)
    if as_json:
        _print_json(found.to_json())
    else:
        typer.echo(found.render())


@recipe_app.command("show")
def recipe_show(recipe: RecipeName = "lima", setting: Settings = None) -> None:
    """Print the recipe with every default filled in, as YAML."""
    import yaml

    value = load(recipe, list(setting or [])).model_dump(mode="json")
    typer.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100).rstrip())


@recipe_app.command("schema")
def recipe_schema() -> None:
    """Print the JSON Schema of recipes."""
    _print_json(Recipe.model_json_schema())


@recipe_app.command("check")
def recipe_check(recipe: RecipeName = "lima", setting: Settings = None) -> None:
    """Check a recipe; prints its errors and ends with status 2 if it has any."""
    resolved = load(recipe, list(setting or []))
    typer.echo(
        f"{resolved.name}: sound; {sum(resolved.select.train_quotas.values())} training rows"
    )


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Tell what is installed and reachable, what is missing and how to get it."""
    from pipeline.doctor import examine, render

    findings = examine()
    if as_json:
        _print_json(
            {
                "ok": all(item.ok for item in findings if item.needed),
                "checks": [vars(item) for item in findings],
            }
        )
    else:
        typer.echo(render(findings))
    if not all(item.ok for item in findings if item.needed):
        raise typer.Exit(1)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def main() -> None:
    """Run the command line; turns every expected error into one sentence."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    arguments = [word for word in arguments if word != "--debug"]
    logging.basicConfig(
        level=logging.INFO if debug else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        app(arguments, prog_name="thousand")
    except CurationError as error:
        if debug:
            traceback.print_exc()
        kind = "recipe" if isinstance(error, RecipeError) else "error"
        typer.echo(f"{kind}: {error}", err=True)
        sys.exit(error.exit_status)
    except OSError as error:
        if debug:
            traceback.print_exc()
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(f"error: {where}{error.strerror or error}.", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("stopped; start the same command again to go on from here", err=True)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the last resort; nothing is hidden with --debug
        if debug:
            traceback.print_exc()
        reason = " ".join(str(error).split())[:300]
        typer.echo(
            f"error: something unforeseen, {type(error).__name__}: {reason}. This is a bug; run "
            "again with --debug and report what it prints.",
            err=True,
        )
        sys.exit(1)
