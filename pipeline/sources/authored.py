"""Read examples that people wrote for this set: JSON lines or YAML, each checked by a model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import SourceError
from pipeline.recipe import Ingest
from pipeline.record import raw_frame
from pipeline.sources.base import Found, Tally, forgiving, found
from pipeline.sources.opening import bare_name, read_text
from pipeline.sources.records import json_lines

_LINES = (".jsonl", ".ndjson", ".json")
_YAML = (".yaml", ".yml")
_BATCH = 1000


class Turn(BaseModel):
    """An earlier turn of a dialogue."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Literal["user", "assistant"]
    content: str = Field(min_length=1)


class Authored(BaseModel):
    """An example as its author writes it down."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    prompt: str = Field(pattern=r"\S")
    response: str | None = Field(default=None, pattern=r"\S")
    author: str = Field(pattern=r"\S", max_length=200)
    licence: str = Field(pattern=r"\S", max_length=100)
    domain: str = Field(default="general", pattern=r"\S", max_length=100)
    split: Literal["train", "validation", "test"] | None = None
    system: str | None = None
    history: list[Turn] = []
    kind: str | None = Field(
        default=None, description="refusal, dialogue, ...; kept as the row's tag."
    )
    url: str | None = Field(default=None, pattern=r"^https?://\S+$")

    @model_validator(mode="after")
    def _prompts_are_for_tests(self) -> Self:
        if self.response is None and self.split not in (None, "test"):
            raise ValueError(f"split {self.split} needs a response; only test holds prompts alone")
        return self


def find(dumps: Path, settings: Ingest) -> list[Found]:
    """Find all authored files, as one piece: ids are unique among them."""
    folder = dumps / "authored"
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and bare_name(path).lower().endswith((*_LINES, *_YAML))
    )
    return [found("authored", "examples", files, dumps)] if files and settings.authored else []


def read(found: Found, settings: Ingest, tally: Tally, scratch: Path) -> Iterator[pl.DataFrame]:
    """Check each example; the place of an item in YAML is its number."""
    seen: set[str] = set()
    batch: list[dict[str, Any]] = []
    for path in found.files:
        with forgiving(settings):
            label = found.label(path)
            for number, value in _items(path, label, settings):
                tally.read(label)
                try:
                    batch.append(_row(value, label, seen))
                except ValueError as error:
                    tally.bad(label, number, _why(error))
                if len(batch) == _BATCH:
                    yield raw_frame(batch)
                    batch = []
            tally.check(label)
    if batch:
        yield raw_frame(batch)


def _items(path: Path, label: str, settings: Ingest) -> Iterator[tuple[int, object]]:
    """Yield (line or number of the item, value); an exception stands for what cannot be read."""
    if bare_name(path).lower().endswith(_YAML):
        yield from enumerate(_yaml_items(path, label, settings), 1)
        return
    yield from json_lines(path, settings.limits, label)


def _yaml_items(path: Path, label: str, settings: Ingest) -> list[object]:
    text = read_text(path, settings.limits, label, settings.limits.max_line_bytes)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        value = yaml.load(text, loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SourceError(
            f"{label} is no YAML: {' '.join(str(error).split())[:300]}. Repair it."
        ) from error
    if not isinstance(value, list):
        raise SourceError(f"{label} must hold a list of examples, and holds something else.")
    return value


def _row(value: object, label: str, seen: set[str]) -> dict[str, Any]:
    if isinstance(value, Exception):
        raise value
    example = Authored.model_validate(value)
    if example.id in seen:
        raise ValueError(f"id: {example.id!r} stands for another example already")
    seen.add(example.id)
    return {
        "id": f"authored:{example.id}",
        "source": "authored",
        "group": "authored",
        "domain": example.domain,
        "title": None if "\n" in example.prompt else example.prompt,  # a title is one line
        "body": example.prompt if "\n" in example.prompt else None,
        "response": example.response,
        "system": example.system,
        "history": [turn.model_dump() for turn in example.history],
        "markup": "markdown",
        "url": example.url or f"{label}#{example.id}",
        "author": example.author,
        "licence": example.licence,
        "origin": "human",
        "tags": [example.kind] if example.kind else None,
        "split": example.split or ("test" if example.response is None else None),
    }


def _why(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'record'}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False)[:5]
    )
