"""The command `review`: a local page on which people judge rows, and its decisions as files."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.words import WORKSPACE, WorkspaceFolder


def review(
    release: Annotated[
        Path | None,
        typer.Argument(help="The folder of a version; without it, the newest of the workspace."),
    ] = None,
    workspace: WorkspaceFolder = WORKSPACE,
    reviewer: Annotated[
        str | None, typer.Option(help="Who decides; without it, the name of the account.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where the page listens; 0: any free port.")
    ] = 4280,
    export: Annotated[
        Path | None,
        typer.Option(
            help="Write the rows with all decisions: .csv, or .json as Argilla's records."
        ),
    ] = None,
    take: Annotated[
        Path | None,
        typer.Option("--import", help="Take decisions from such a file into the ledger."),
    ] = None,
) -> None:
    """Read rows, see why they were picked, accept, reject, edit: a page on this machine alone."""
    from pipeline.review.desk import Desk, newest, read_rows
    from pipeline.review.exchange import export_rows, import_rows
    from pipeline.review.ledger import Ledger, ledger_of

    chosen = release or newest(workspace)
    ledger = Ledger(ledger_of(workspace))
    name = reviewer or getpass.getuser()
    if take or export:
        from pipeline.release import folder

        rows = read_rows(chosen, folder.read(chosen))
        if take:
            typer.echo(f"{import_rows(take, rows, ledger, name):,} decisions taken: {ledger.path}")
        if export:
            typer.echo(f"{export_rows(export, rows, ledger):,} rows written: {export}")
        return
    from pipeline.review.app import serve

    desk = Desk.open(chosen, ledger, name)
    serve(desk, port, lambda address: typer.echo(f"{chosen}, as {name}: {address}"))
