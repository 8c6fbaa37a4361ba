"""The command that asks a language model for more rows: augment."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli.words import WORKSPACE, AsJson, WorkspaceFolder, judge_words, print_json
from pipeline.loading import load


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
    budget_calls: Annotated[
        int, typer.Option(min=1, help="Calls, at most; each try is one.")
    ] = 1000,
    budget_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens, at most.")] = None,
    reply_tokens: Annotated[int, typer.Option(min=4, help="Tokens of one reply, at most.")] = 1024,
    concurrency: Annotated[int, typer.Option(min=1, help="Calls at the same time.")] = 4,
    seed: Annotated[
        int, typer.Option(help="Of the lot that gives each row its system message.")
    ] = 0,
    workspace: WorkspaceFolder = WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Let a model rewrite or extend responses; what comes back is marked as a model's."""
    from pipeline.augment.ask import augment as ask
    from pipeline.cli.judging import progress

    words = judge_words(
        endpoint=endpoint,
        model=model,
        key_variable=key_variable,
        budget_calls=budget_calls,
        budget_tokens=budget_tokens,
        max_reply_tokens=reply_tokens,
        concurrency=concurrency,
    )
    settings = load("lima", words).judge  # calls, tries and budget are the judge's
    with progress("augment") as advance:
        answer = ask(file, out, settings, workspace / "replies", mode=mode, seed=seed, done=advance)
    if as_json:
        print_json(answer)
        return
    failed = ", ".join(f"{reason} {count:,}" for reason, count in answer["failures"].items())
    typer.echo(
        f"{answer['made']:,} of {answer['rows']:,} rows made with {answer['calls']:,} calls "
        f"({answer['from_cache']:,} from the cache): {answer['out']}"
        + (f"\nnot made: {failed}" if failed else "")
    )
