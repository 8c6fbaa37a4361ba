"""The command that asks a language model for more rows: augment."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli.words import WORKSPACE, AsJson, WorkspaceFolder, print_json


def augment(
    file: Annotated[Path, typer.Argument(help="An instruction set, as for audit.")],
    endpoint: Annotated[
        str, typer.Option(help="Base URL of an OpenAI-compatible API; texts are sent there.")
    ],
    model: Annotated[str, typer.Option(help="The model's name at the endpoint.")],
    out: Annotated[Path, typer.Option(help="Where the rows go (.jsonl).")],
    mode: Annotated[
        Literal["rewrite", "extend"],
        typer.Option(help="Say it anew, or spell the reasoning out."),
    ] = "rewrite",
    key_variable: Annotated[
        str | None, typer.Option(help="The environment variable that holds the key.")
    ] = None,
    budget_calls: Annotated[int, typer.Option(min=1, help="Calls, at most.")] = 1000,
    seed: Annotated[
        int, typer.Option(help="Of the lot that gives each row its system message.")
    ] = 0,
    workspace: WorkspaceFolder = WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Let a model rewrite or extend responses; what comes back is marked as a model's."""
    from pipeline.augment.ask import Wanted
    from pipeline.augment.ask import augment as ask

    wanted = Wanted(
        endpoint, model, key_variable=key_variable, mode=mode, budget_calls=budget_calls, seed=seed
    )
    answer = ask(file, out, wanted, workspace / "cache" / "augment")
    if as_json:
        print_json(answer)
        return
    typer.echo(
        f"{answer['made']:,} of {answer['rows']:,} rows made with {answer['calls']:,} calls "
        f"({answer['from_cache']:,} from the cache), {answer['left']:,} left: {answer['out']}"
    )
