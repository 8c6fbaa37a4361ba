"""The command `thousand`: words in, exit status and one answer out.

Exit status 0: done; 1: the job failed or a check found something; 2: the words or the recipe are
wrong. Heavy packages are imported by the command that needs them.
"""

import logging
import sys
import traceback
from importlib.metadata import version
from typing import Annotated

import typer

from pipeline.cli import (
    augmenting,
    installation,
    judging,
    learning,
    lineage,
    recipes,
    releases,
    reviews,
    runs,
    schedule,
    scoring,
    sets,
)
from pipeline.errors import CurationError, RecipeError

__all__ = ["app", "main"]


app = typer.Typer(
    help="From dumps of forums and how-to sites to about a thousand examples worth training on.",
    epilog="Add --debug to any command for the traceback of an error, and for the log.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


recipe_app = typer.Typer(help="Show and check recipes.", no_args_is_help=True)

# In the order of `thousand --help`.
app.command()(runs.run)
app.command()(schedule.serve)
app.command()(schedule.automations)
app.command()(runs.explain)
app.command("fetch-dumps")(sets.fetch_dumps)
app.command()(sets.dedup)
app.command()(sets.audit)
app.command()(lineage.collapse)
app.command()(augmenting.augment)
app.command()(scoring.score)
app.command()(learning.learn)
app.command()(judging.judge)
app.command()(releases.verify)
app.command()(releases.diff)
app.command()(releases.report)
app.command()(releases.publish)
app.command()(reviews.review)
app.add_typer(recipe_app, name="recipe")
recipe_app.command("show")(recipes.show)
recipe_app.command("schema")(recipes.schema)
recipe_app.command("check")(recipes.check)
app.command()(installation.doctor)
app.command()(installation.prune)


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
