"""Write the parts of docs/reference.md that the code knows best; a test tells when they are old.

    python docs/generate.py

In: the command line, the recipe's models, the reason codes, the columns of a release. Out: the text
between `<!-- generated: NAME -->` and `<!-- end: NAME -->`.
"""

import ast
import re
import types
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import polars as pl
import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from filters.rule import Rule
from pipeline.cli import app
from pipeline.filter import rules_for
from pipeline.recipe import Recipe, Rules
from pipeline.record import CANDIDATE, REASONS
from pipeline.release.rows import ADDED

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference.md"

# Where the code of a stage lies; a reason code that stands there as a text is one it gives.
_STAGE_CODE = {
    "ingest": ("pipeline/sources/**/*.py", "pipeline/ingest.py"),
    "clean": ("pipeline/clean.py",),
    "dedup": ("pipeline/dedup.py",),
    "contamination": ("pipeline/contamination/stages.py",),
    "neighbours": ("pipeline/contamination/stages.py",),
    "pool": ("pipeline/pool.py",),
    "semantic": ("pipeline/semantic.py",),
    "likelihood": ("pipeline/likelihood.py",),
    "select": ("pipeline/select.py", "pipeline/selection/*.py", "pipeline/review/verdicts.py"),
}
_ONLY_READS = ("pipeline/selection/shares.py",)  # names codes of other stages
_ALSO_COLUMNS = {"licence", "adult"}  # reason codes that are names of columns, too

_MEANINGS = {
    "id": "stable across runs and dumps: `stackexchange:cooking:12345`",
    "source": "the reader: stackexchange, wikihow, reddit, natural_instructions, authored, table",
    "group": "the quota that the row counts for",
    "domain": "site, category or subreddit",
    "prompt": "Markdown",
    "response": "Markdown; null in the test split",
    "system": "a system message, or null",
    "history": "earlier turns; empty for a single turn",
    "title": "plain text, also where the prompt is the body",
    "url": "the page of the response",
    "author": "who wrote the response",
    "author_url": "their profile, or null",
    "prompt_url": "the page of the question; null where one person wrote both",
    "prompt_author": "who wrote the prompt",
    "prompt_author_url": "their profile, or null",
    "licence": "of the text, with its version",
    "created_at": "when the response was written, in UTC; null where the dump does not say",
    "votes": "of the response; null where the source has none",
    "origin": "human, model or unknown",
    "accepted": "the asker chose it; null where the source has no such mark",
    "votes_rank": "share of the answers of the same site and year with fewer votes, 0 to 1",
    "tags": "of the question; null where the source has none",
    "adult": "the source marks it as over 18",
    "split": "train, validation or test",
    "messages": "the chat as trainers read it: `role` and `content` of each turn",
    "rank": "the place in the order in which its group gave rows, from 1",
    "quality": "the score, 0 to 1; null where there is nothing to judge",
    "quality_parts": "the parts of the score, by name; null where there is no such evidence",
    "cluster": "number of the topic, 0 for the largest",
    "cluster_words": "words that name the topic",
    "tokens": "WordPiece tokens of all messages (all-MiniLM-L6-v2)",
    "review": "accepted or edited by a reviewer; null where nobody judged the text",
}


def commands() -> str:
    """List each command with its arguments and options."""
    parts = []
    for words, command in walk(typer.main.get_command(app), "thousand"):
        lines = [f"### {words}", "", " ".join(command.help.split()), ""]
        lines += ["| word | value | default | meaning |", "|---|---|---|---|"]
        lines += [_parameter(parameter) for parameter in command.params]
        parts.append("\n".join(lines if command.params else lines[:3]).rstrip())
    return "\n\n".join(parts)


def walk(command: Any, words: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Yield each command that does something, with the words that call it."""
    children = getattr(command, "commands", None)
    if children is None:
        yield words, command
        return
    for name, child in children.items():
        yield from walk(child, f"{words} {name}")


def _parameter(parameter: Any) -> str:  # noqa: ANN401
    is_option = parameter.opts[0].startswith("-")
    name = f"`{', '.join(parameter.opts)}`" if is_option else f"`{_argument(parameter)}`"
    kind = parameter.type_descriptor.annotation
    value = "" if getattr(parameter, "is_flag", False) else (parameter.metavar or _python(kind))
    value = value if is_option else _python(kind)
    if getattr(parameter, "is_flag", False):
        value = "flag"
    low, high = parameter.min, parameter.max
    if low is not None:
        value += f", at least {low}" if high is None else f", {low} to {high}"
    if parameter.required:
        default = "needed"
    elif parameter.default is None or parameter.default is False:
        default = ""
    else:
        default = f"`{parameter.default}`"
    return f"| {name} | {value} | {default} | {_cell(parameter.help or '')} |"


def _argument(parameter: Any) -> str:  # noqa: ANN401
    name = parameter.metavar or parameter.name.upper()
    return f"{name}..." if parameter.nargs == -1 else name


def _python(kind: Any) -> str:  # noqa: ANN401
    """Name a Python type in one or two words."""
    if get_origin(kind) in (Union, types.UnionType):
        return _python(next(arg for arg in get_args(kind) if arg is not type(None)))
    if get_origin(kind) is list:
        return f"{_python(get_args(kind)[0])}, repeatable"
    if get_origin(kind) is Literal:
        return " or ".join(str(choice) for choice in get_args(kind))
    names = {Path: "path", str: "text", int: "whole number", float: "number", bool: "flag"}
    return names[kind]


def recipe_fields() -> str:
    """List every field of a recipe: path, type, default, description."""
    head = ["| field | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([*head, *(_field(path, field) for path, field in fields(Recipe))])


def fields(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield each leaf of a model; the rules of all sources are listed once, as `<source>`."""
    rules_seen = False
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if kind is Rules:
                if not rules_seen:
                    yield from fields(Rules, f"{path}<source>.")
                rules_seen = True
            else:
                yield from fields(kind, f"{path}{name}.")
            continue
        yield f"{path}{name}", field
        if get_origin(kind) is list and issubclass(get_args(kind)[0], BaseModel):
            yield from fields(get_args(kind)[0], f"{path}{name}[].")


def _field(path: str, field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    shown = "needed" if default is PydanticUndefined else f"`{_value(default)}`"
    return f"| `{path}` | {_type(field)} | {shown} | {_cell(field.description or '')} |"


def _value(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_value(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return str(value) if value != "" else '""'


def _type(field: FieldInfo) -> str:
    limits = {type(item).__name__.lower(): item for item in field.metadata}
    return _said(field.annotation) + _limits(limits)


def _limits(limits: dict[str, Any]) -> str:
    words = []
    for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
        if name in limits:
            words.append(f"{sign} {getattr(limits[name], name):,}".replace(",", " "))
    return f" {', '.join(words)}" if words else ""


def _said(kind: Any) -> str:  # noqa: ANN401
    """Say a type in words that a writer of YAML knows."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        limits = {type(item).__name__.lower(): item for item in inner[1:]}
        for item in inner[1:]:
            if isinstance(item, FieldInfo):
                limits |= {type(part).__name__.lower(): part for part in item.metadata}
        return _said(inner[0]) + _limits(limits)
    if origin in (Union, types.UnionType):
        return " or ".join(_said(part) for part in inner)
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in inner)
    if origin is list:
        return f"list of {_said(inner[0])}"
    if origin is dict:
        return f"mapping of {_said(inner[0])} to {_said(inner[1])}"
    names = {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "true or false",
        date: "date",
        type(None): "null",
    }
    return names.get(kind) or "table"


def reasons() -> str:
    """List the reason codes, what each says, and the stages that give it."""
    lines = ["| code | meaning | given by |", "|---|---|---|"]
    given = stages_of_reasons()
    for code, meaning in REASONS.items():
        who = ", ".join(given[code]) or "no stage yet"
        lines.append(f"| `{code}` | {_cell(meaning)} | {who} |")
    return "\n".join(lines)


def stages_of_reasons() -> dict[str, list[str]]:
    """Find the stages that give each code, from their code and from the rules of the filter."""
    given: dict[str, list[str]] = {code: [] for code in REASONS}
    for stage, patterns in _STAGE_CODE.items():
        for code in sorted(_texts(patterns) & set(REASONS) - _ALSO_COLUMNS):
            given[code].append(stage)
        if stage == "clean":
            for code in dict.fromkeys(rule.code for rule in every_rule()):
                given[code].append("filter")
    given["contaminated"].append("`thousand audit`")
    given["model_origin"].insert(0, "filter")
    return given


def every_rule() -> list[Rule]:
    """Return the rules of a recipe that switches all of them on."""
    rules = Rules(
        min_chars=1,
        max_chars=2,
        min_votes=1,
        max_first_person=0,
        allow_references=False,
        require_self_contained=True,
        languages=["en"],
        allow_adult=False,
        written_before=date(2022, 11, 30),
        require_prose=True,
        personal_data="drop",
        allow_unsafe=False,
        assistant_style="drop",
    )
    return rules_for(rules, ["*-NC-*"])


def _texts(patterns: tuple[str, ...]) -> set[str]:
    """Collect the texts that stand in code as values; docstrings and keys are none."""
    found: set[str] = set()
    for path in (path for pattern in patterns for path in ROOT.glob(pattern)):
        if path.relative_to(ROOT).as_posix() in _ONLY_READS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def columns() -> str:
    """List the columns of the tables of rows."""
    lines = ["| column | type | meaning |", "|---|---|---|"]
    lines += [
        f"| `{name}` | {_polars(kind)} | {_cell(_MEANINGS[name])} |"
        for name, kind in release_columns().items()
    ]
    return "\n".join(lines)


def release_columns() -> dict[str, Any]:
    """Return the columns of a released row in order; the parts of the score have no fixed type."""
    found: dict[str, Any] = {}
    for name, kind in {**CANDIDATE, **ADDED}.items():
        found[name] = kind
        if name == "quality":
            found["quality_parts"] = pl.Struct({})
    return found


def _polars(kind: Any) -> str:  # noqa: ANN401
    if isinstance(kind, pl.Struct):
        return "struct"
    if isinstance(kind, pl.List):
        return f"list of {_polars(kind.inner)}"
    if isinstance(kind, pl.Datetime):
        return "time"
    names = {
        pl.String: "text",
        pl.Boolean: "true or false",
        pl.Int64: "int64",
        pl.Int32: "int32",
        pl.Float64: "float64",
    }
    return names[kind if isinstance(kind, type) else type(kind)]


def _cell(text: str) -> str:
    """Fit a text into a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "recipe": recipe_fields,
    "reasons": reasons,
    "columns": columns,
}


def fill(text: str) -> str:
    """Return the reference with its generated parts as the code has them now."""
    for name, make in PARTS.items():
        begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        pattern = re.compile(rf"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"{REFERENCE.name} must hold one part {begin} ... {end}")
        made = f"{begin}\n\n{make()}\n\n{end}"
        text = pattern.sub(lambda _, made=made: made, text)
    return text


if __name__ == "__main__":
    REFERENCE.write_text(fill(REFERENCE.read_text(encoding="utf-8")), encoding="utf-8")
