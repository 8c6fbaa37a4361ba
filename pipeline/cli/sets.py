"""Commands that work on dumps and any sets of texts: fetch-dumps, dedup, audit."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.words import WORKSPACE, AsJson, Settings, WorkspaceFolder, judge_words, print_json
from pipeline.errors import RecipeError
from pipeline.loading import load
from pipeline.recipe import Recipe


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
    files: Annotated[
        list[Path],
        typer.Argument(help="Instruction sets: JSONL, JSON, CSV, Parquet or datasets folders."),
    ],
    recipe: Annotated[str, typer.Option(help="The recipe whose rules judge.")] = "lima",
    against: Annotated[
        list[Path] | None, typer.Option(help="Evaluation sets that must not be in it.")
    ] = None,
    target: Annotated[
        list[Path] | None, typer.Option(help="Tasks: how near do the prompts come to them?")
    ] = None,
    familiarity: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Has this language model seen the set?")
    ] = None,
    unseen: Annotated[
        Path | None, typer.Option(help="Texts of the same kind that MODEL cannot have seen.")
    ] = None,
    judge: Annotated[
        int,
        typer.Option(
            metavar="ROWS", min=0, help="Ask a judge whether so many responses explain their steps."
        ),
    ] = 0,
    endpoint: Annotated[
        str | None, typer.Option(help="Base URL of the judge's API; texts are sent there.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The judge's name at the endpoint.")] = None,
    origin: Annotated[
        str | None,
        typer.Option(help="Who wrote all responses (human, model), whatever shapes say."),
    ] = None,
    sample: Annotated[
        int, typer.Option(min=0, help="Rows, by lot, for what needs vectors or a model; 0: all.")
    ] = 500,
    quick: Annotated[
        bool, typer.Option("--quick", help="Rules, duplicates and contamination alone; no page.")
    ] = False,
    table: Annotated[
        Path | None, typer.Option(help="Write the row-level table here (.parquet, .csv, .jsonl).")
    ] = None,
    setting: Settings = None,
    workspace: WorkspaceFolder = WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Judge any instruction set; writes a page and JSON to audits/ in the workspace."""
    from pipeline.audit import audit as by_rules
    from pipeline.audit.profile import Wanted, audit_whole, read_set
    from pipeline.audit.report import write
    from pipeline.audit.verdict import check_table, stem_of

    if table and len(files) > 1:
        raise RecipeError("--table is for one set; name one file.")
    if table:
        check_table(table)
    if quick and judge:
        raise RecipeError("--quick looks at rules alone; leave --judge out.")
    loaded = _judging(recipe, list(setting or []), judge, endpoint, model)
    wanted = Wanted(
        against=against or [],
        targets=target or [],
        model=familiarity,
        unseen=unseen,
        sample=sample,
        origin=origin,
        cache=workspace / "cache",
        judged=judge,
        replies=workspace / "replies",
    )
    if len(files) > 1:  # what cannot be read is said before anything is written
        for file in files:
            read_set(file, origin)
    stems = [stem_of(file) for file in files]
    answers = []
    for file, stem in zip(files, stems, strict=True):
        if quick:
            found = by_rules(file, loaded, against or [])
        else:
            found = audit_whole(file, loaded, wanted, lambda said: typer.echo(said, err=True))
        name = stem if stems.count(stem) == 1 else f"{file.resolve().parent.name}-{stem}"
        page = None if quick else write(found, workspace / "audits", name)
        if table:
            found.write(table)
        answers.append(found.to_json() | ({"report": str(page)} if page else {}))
        if not as_json:
            typer.echo(found.render())
            if page:
                typer.echo(f"\nThe page: {page}")
    if as_json:
        print_json(answers[0] if len(answers) == 1 else {"sets": answers})


def _judging(
    recipe: str, setting: list[str], rows: int, endpoint: str | None, model: str | None
) -> Recipe:
    """Load a recipe with the judge that the words name; a judge is asked only where rows are."""
    if (endpoint or model) and not rows:
        raise RecipeError("--endpoint and --model belong to --judge ROWS.")
    loaded = load(recipe, [*setting, *judge_words(endpoint=endpoint, model=model)])
    if rows and loaded.judge.endpoint is None:
        raise RecipeError(
            "No judge is named: give --endpoint URL and --model NAME, or a recipe whose part judge "
            "names them."
        )
    return loaded


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
