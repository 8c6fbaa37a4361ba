"""The command `doctor`."""

import typer

from pipeline.cli.words import AsJson, print_json


def doctor(as_json: AsJson = False) -> None:
    """Tell what is installed and reachable, what is missing and how to get it."""
    from pipeline.doctor import examine, render

    findings = examine()
    if as_json:
        print_json(
            {
                "ok": all(item.ok for item in findings if item.needed),
                "checks": [vars(item) for item in findings],
            }
        )
    else:
        typer.echo(render(findings))
    if not all(item.ok for item in findings if item.needed):
        raise typer.Exit(1)
