"""The words that commands share, and how an answer is printed."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.loading import SHIPPED

RecipeName = Annotated[
    str, typer.Argument(help=f"A shipped recipe ({', '.join(SHIPPED)}) or a YAML file.")
]


Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a field, e.g. select.size=500."),
]


WorkspaceFolder = Annotated[Path, typer.Option(help="Where runs, caches and releases live.")]


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


WORKSPACE = Path("data/workspace")


def judge_words(**given: object) -> list[str]:
    """Return what the options of a command set in a recipe's part `judge`; None sets nothing."""
    return [
        f"judge.{name}={json.dumps(value)}" for name, value in given.items() if value is not None
    ]


def print_json(value: object) -> None:
    """Print the one JSON object of an answer."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
