"""The command that asks a language model: judge."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli.words import WORKSPACE, AsJson, Settings, WorkspaceFolder, judge_words, print_json
from pipeline.errors import RecipeError
from pipeline.loading import load


def judge(
    file: Annotated[
        Path | None,
        typer.Argument(help="An instruction set, as for audit: its responses are graded."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compare with this set's responses to the same prompts.")
    ] = None,
    benchmark: Annotated[
        Path | None, typer.Option(help="Hold the judge against the labelled pairs in this folder.")
    ] = None,
    red_team: Annotated[
        bool, typer.Option("--red-team", help="Try to talk the judge into verdicts.")
    ] = False,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Answers known to be right, to the same prompts and dialogues; guide the judge."
        ),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="Base URL of an OpenAI-compatible API; texts are sent there.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model's name at the endpoint.")] = None,
    key_variable: Annotated[
        str | None, typer.Option(help="The environment variable that holds the key.")
    ] = None,
    scale: Annotated[
        Literal["likert6", "accuracy5"] | None, typer.Option(help="Marks 1 to 6, or 0 to 5.")
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(
            min=1, help="Judge so many rows, pairs of each set (by lot), or texts to attack."
        ),
    ] = None,
    budget_calls: Annotated[int | None, typer.Option(min=1, help="Calls, at most.")] = None,
    budget_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens, at most.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Calls at the same time.")] = None,
    table: Annotated[
        Path | None, typer.Option(help="Write the row-level table here (.parquet, .csv, .jsonl).")
    ] = None,
    recipe: Annotated[str, typer.Option(help="The recipe whose part `judge` holds.")] = "lima",
    setting: Settings = None,
    workspace: WorkspaceFolder = WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Grade or compare responses by a language model, or hold one against people."""
    words = judge_words(
        endpoint=endpoint,
        model=model,
        key_variable=key_variable,
        scale=scale,
        budget_calls=budget_calls,
        budget_tokens=budget_tokens,
        concurrency=concurrency,
    )
    settings = load(recipe, [*(setting or []), *words]).judge
    if sum((file is not None, benchmark is not None, red_team)) != 1:
        raise RecipeError("Give a FILE to judge, or --benchmark DIR, or --red-team: one of them.")
    if settings.endpoint is None and benchmark is None:
        raise RecipeError(
            "No judge is named: give --endpoint URL and --model NAME, or a recipe whose part judge "
            "names them."
        )
    if (against or reference or table) and file is None:
        raise RecipeError("--against, --reference and --table belong to a FILE.")
    from pipeline.judge import jobs
    from pipeline.judge.asking import Asker

    with progress() as advance, Asker(settings, workspace / "replies", advance) as asker:
        if benchmark is not None:
            report = jobs.hold_against_people(benchmark, asker, rows)
        elif red_team:
            report = jobs.try_attacks(asker, rows)
        elif against is not None:
            assert file is not None
            report = jobs.compare_files(file, against, asker, rows, reference, table)
        else:
            assert file is not None
            report = jobs.grade_file(file, asker, rows, reference, table)
    if as_json:
        print_json(report.to_json())
    else:
        typer.echo(report.render())
    if report.asked and not report.judged and settings.endpoint is not None:
        raise typer.Exit(1)


@contextmanager
def progress(what: str = "judge") -> Iterator[Callable[[int], None]]:
    """Show how many questions are answered, on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(f"{what}  {{task.completed:,.0f}} answered"), TimeElapsedColumn())
    console = Console(file=sys.stderr)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda count: bar.advance(task, count)
