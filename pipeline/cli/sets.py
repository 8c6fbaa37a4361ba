"""Commands that work on any set of texts: dedup, audit."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.words import AsJson, Settings, print_json
from pipeline.loading import load


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
        print_json(answer)
    else:
        typer.echo(
            f"{answer['rows']:,} rows, {answer['kept']:,} kept, groups of copies: "
            f"{answer['clusters']:,}, {answer['seconds']:.1f} s: {out}"
        )


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
        print_json(found.to_json())
    else:
        typer.echo(found.render())
