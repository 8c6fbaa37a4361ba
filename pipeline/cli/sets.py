"""Commands that work on dumps and any sets of texts: fetch-dumps, dedup, audit."""

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
    from pipeline.recipe import Dedup

    answer = dedup_files(files, out, Dedup(threshold=threshold))
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


def fetch_dumps(
    sites: Annotated[
        list[str], typer.Argument(metavar="SITE", help="Such as cooking.stackexchange.com.")
    ],
    base: Annotated[str, typer.Option("--from", help="The address below which the archives lie.")],
    out: Annotated[Path, typer.Option(help="The folder of dumps.")] = Path("dumps"),
    rate: Annotated[
        float, typer.Option(min=0, help="Megabytes in a second, at most; 0: no bound.")
    ] = 10,
    as_json: AsJson = False,
) -> None:
    """Download archives of sites, one after the other; what broke off goes on where it stopped."""
    from pipeline.fetch import Fetcher

    done = []
    for item in Fetcher(base, out, rate * 1e6 or None).fetch(sites):
        done.append(item)
        if not as_json:
            how = "unchanged" if item.unchanged else "checked" if item.checked else "recorded"
            typer.echo(f"{item.path}: {item.bytes:,} bytes, SHA-256 {how}: {item.sha256}")
    if as_json:
        print_json({"files": [vars(item) for item in done]})
