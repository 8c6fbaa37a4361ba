"""Read Super-NaturalInstructions task files: one example of each English task.

LIMA section 2.1 takes one random example of each of 50 tasks; which one is drawn here by the seed.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import SourceError
from pipeline.recipe import Ingest
from pipeline.record import raw_frame
from pipeline.release.licences import parse
from pipeline.sources.base import Found, Tally, forgiving, found, parse_json, printable
from pipeline.sources.opening import bare_name, read_text

_TASKS = "https://github.com/allenai/natural-instructions/tree/master/tasks"
_AUTHOR = "natural-instructions contributors"
_LICENCE = "Apache-2.0"  # of the collection; a task may name its own
_MAX_BYTES = 256 << 20


def find(dumps: Path, settings: Ingest) -> list[Found]:
    """Find all task files, as one piece: each gives one row."""
    if not settings.natural_instructions:
        return []
    folder = dumps / "natural_instructions"
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and bare_name(path).endswith(".json")
    )
    return [found("natural_instructions", "tasks", files, dumps)] if files else []


def read(found: Found, settings: Ingest, tally: Tally, scratch: Path) -> Iterator[pl.DataFrame]:
    """Read one task after the other; a file is in memory as a whole, up to 256 MiB."""
    names: set[str] = set()
    for path in found.files:
        with forgiving(settings):
            label = found.label(path)
            row = _read_task(path, label, settings, tally, names)
            tally.check(label)
            if row is not None:
                yield raw_frame([row])


def _read_task(
    path: Path, label: str, settings: Ingest, tally: Tally, names: set[str]
) -> dict[str, Any] | None:
    task = _load(path, label, settings)
    name = printable(Path(bare_name(path)).stem)
    instances = task["Instances"]
    tally.read(label, len(instances))
    if name in names:
        tally.leave_out(label, "duplicate_exact", len(instances))
        return None
    names.add(name)
    languages = [*_strings(task.get("Input_language")), *_strings(task.get("Output_language"))]
    if any(language.strip().lower() != "english" for language in languages):
        tally.leave_out(label, "language", len(instances))
        return None
    definition = "\n".join(_strings(task.get("Definition"))).strip()
    best: tuple[str, str, str, str] | None = None
    for number, instance in enumerate(instances, 1):
        try:
            entry = _instance(instance, number)
        except ValueError as error:
            tally.bad(label, number, f"instance {number}: {error}")
            continue
        drawn = hashlib.sha256(f"{settings.seed}\0{name}\0{entry[0]}".encode("utf-8", "replace"))
        if best is None or (drawn.hexdigest(), entry[0]) < best[:2]:
            if best is not None:
                tally.leave_out(label, "not_selected")
            best = (drawn.hexdigest(), *entry)
        else:
            tally.leave_out(label, "not_selected")
    if best is None:
        return None
    _, identity, given, wanted = best
    urls = [url for url in _strings(task.get("URL")) if url.startswith(("https://", "http://"))]
    return {
        "id": f"natural_instructions:{name}:{identity}",
        "source": "natural_instructions",
        "group": "natural_instructions",
        "domain": next(iter(_strings(task.get("Categories"))), "uncategorised"),
        "body": f"{definition}\n\n{given}",  # a title is one line
        "response": wanted,
        "markup": "markdown",
        "url": urls[0] if urls else f"{_TASKS}/{name}.json",
        "author": ", ".join(_strings(task.get("Contributors"))) or _AUTHOR,
        "licence": _licence(_strings(task.get("Instance License"))),
        "origin": "human",
    }


def _load(path: Path, label: str, settings: Ingest) -> dict[str, Any]:
    try:
        task = parse_json(read_text(path, settings.limits, label, _MAX_BYTES))
    except ValueError as error:
        raise SourceError(
            f"{label} cannot be read: {str(error)[:200]}. Repair or remove it."
        ) from error
    if (
        not isinstance(task, dict)
        or not isinstance(task.get("Instances"), list)
        or not "".join(_strings(task.get("Definition"))).strip()
    ):
        raise SourceError(
            f"{label} is no Natural Instructions task: it needs a Definition and Instances."
        )
    return task


def _instance(value: object, number: int) -> tuple[str, str, str]:
    """Return (id, input, first output) of an instance."""
    if not isinstance(value, dict):
        raise ValueError("not an object")
    given, outputs = value.get("input"), _strings(value.get("output"))
    if not isinstance(given, str) or not given.strip():
        raise ValueError("no input")
    if not outputs or not outputs[0].strip():
        raise ValueError("no output")
    identity = value.get("id")
    named = isinstance(identity, (str, int)) and not isinstance(identity, bool)
    return (
        printable(str(identity))[:200] if named else str(number),
        given.strip(),
        outputs[0].strip(),
    )


def _licence(names: list[str]) -> str:
    named = next((name.strip() for name in names if name.strip()), "")
    if named.lower() == "unknown":
        return "LicenseRef-Unknown"
    licence = parse(named or _LICENCE)
    return licence.spdx if licence.known else named


def _strings(value: object) -> list[str]:
    """Read a text or a list of texts: task files hold either."""
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, str)]
