"""Decisions as files: Argilla's records (JSON) and plain CSV, out and in again.

A record has the text that was found, the ledger's verdicts as responses to the questions `verdict`,
`reason`, `new_prompt` and `new_response` (the last two hold an edit), and the digest of the text in
its metadata. What comes in goes through the same checks as a decision on the page, all or nothing.
"""

import csv
import io
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.errors import CurationError, RecipeError
from pipeline.manifest import write_atomic
from pipeline.review.ledger import Entry, Ledger, now
from pipeline.review.verdicts import opinions

Rows = Mapping[str, Mapping[str, Any]]

# Question of Argilla -> field of an entry. Argilla wants other names for questions than for fields.
_QUESTIONS = {
    "verdict": "verdict",
    "reason": "reason",
    "new_prompt": "prompt",
    "new_response": "response",
}
_NO_REASON = "no reason given"
_METADATA = ("group", "domain", "split", "quality", "cluster", "votes", "licence", "author", "url")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run these
_COLUMNS = (
    *("id", "digest", "group", "domain", "split", "quality", "prompt", "response"),
    *("reviewer", "verdict", "reason", "new_prompt", "new_response"),
)


def export_rows(path: Path, rows: Rows, ledger: Ledger) -> int:
    """Write all rows with their standing decisions; returns how many rows."""
    said: dict[str, list[Entry]] = {}
    for (row, digest, _), entry in opinions(ledger.entries()).items():
        if row in rows and rows[row]["digest"] == digest:
            said.setdefault(row, []).append(entry)
    _writer(path)(path, rows, said)
    return len(rows)


def import_rows(path: Path, rows: Rows, ledger: Ledger, reviewer: str) -> int:
    """Take decisions that the ledger does not have yet; returns how many.

    Raises CurationError, and takes nothing, if a row is unknown or something is no decision.
    """
    known = opinions(ledger.entries())
    names = {
        _user(name): name for name in (*(entry.reviewer for entry in known.values()), reviewer)
    }
    taken = []
    for where, value in _reader(path)(path, names):
        row = rows.get(str(value["id"]))
        if row is None:
            raise CurationError(
                f"{path}, {where}: no row of this release has the id {value['id']!r}."
            )
        value = {name: item for name, item in value.items() if item not in (None, "")}
        try:
            entry = Entry(at=now(), **{"digest": row["digest"], "reviewer": reviewer} | value)
        except ValidationError as error:
            said = error.errors()[0]
            what = ".".join(str(part) for part in said["loc"])
            message = said["msg"].removeprefix("Value error, ")
            raise CurationError(
                f"{path}, {where}: {what} {message}.".replace(":  ", ": ")
            ) from error
        last = known.get((entry.id, entry.digest, entry.reviewer))
        if last is None or _content(last) != _content(entry):
            taken.append(entry)
    ledger.append(taken)
    return len(taken)


def _content(entry: Entry) -> dict[str, Any]:
    return entry.model_dump(exclude={"at"})


def _kind(path: Path) -> str:
    if path.suffix.lower() not in (".json", ".csv"):
        raise RecipeError(f"{path.name} must end in .json (Argilla's records) or .csv.")
    return path.suffix.lower()


def _writer(path: Path) -> Callable[[Path, Rows, Mapping[str, list[Entry]]], None]:
    return _write_csv if _kind(path) == ".csv" else _write_records


def _reader(
    path: Path,
) -> Callable[[Path, Mapping[str, str]], Iterator[tuple[str, dict[str, Any]]]]:
    return _read_csv if _kind(path) == ".csv" else _read_records


def _user(reviewer: str) -> str:
    """Give a reviewer an id of the form that Argilla asks for, always the same."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"thousand:reviewer:{reviewer}"))


def _write_records(path: Path, rows: Rows, said: Mapping[str, list[Entry]]) -> None:
    records = [_record(row, said.get(name, [])) for name, row in rows.items()]
    write_atomic(path, json.dumps(records, ensure_ascii=False, indent=1) + "\n")


def _record(row: Mapping[str, Any], entries: Iterable[Entry]) -> dict[str, Any]:
    responses: dict[str, list[dict[str, str]]] = {}
    for entry in entries:
        for question, name in _QUESTIONS.items():
            value = getattr(entry, name)
            if value:
                answer = {"value": value, "user_id": _user(entry.reviewer)}
                responses.setdefault(question, []).append(answer)
    metadata = {name: row[name] for name in _METADATA if row.get(name) is not None}
    return {
        "id": row["id"],
        "fields": {"prompt": row["prompt"], "response": row["response"] or ""},
        "metadata": {"digest": row["digest"], **metadata},
        "suggestions": {},
        "responses": responses,
        "vectors": {},
        "status": "completed" if responses else "pending",
        "_server_id": None,
    }


def _read_records(path: Path, names: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        for number, record in enumerate(records, 1):
            by_user: dict[str, dict[str, Any]] = {}
            for question, name in _QUESTIONS.items():
                for answer in (record.get("responses") or {}).get(question, []):
                    user = str(answer["user_id"])
                    by_user.setdefault(user, {})[name] = answer["value"]
            for user, value in by_user.items():
                if value.get("verdict") != "edit":
                    value = {k: v for k, v in value.items() if k in ("verdict", "reason")}
                if value.get("verdict") == "reject":  # Argilla cannot ask for it only then
                    value = {**value, "reason": value.get("reason") or _NO_REASON}
                head = {"id": record["id"], "reviewer": names.get(user, user)}
                digest = (record.get("metadata") or {}).get("digest")
                yield f"record {number}", {**head, "digest": digest, **value}
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise CurationError(
            f"{path} does not hold Argilla's records ({type(error).__name__}: {error}); export them "
            "with dataset.records.to_json."
        ) from error


def _write_csv(path: Path, rows: Rows, said: Mapping[str, list[Entry]]) -> None:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for name, row in rows.items():
        shown = {column: row[column] for column in _COLUMNS if column in row}
        for decided in [_decided(entry) for entry in said.get(name, [])] or [{}]:
            line = shown | decided
            writer.writerow({column: _cell(value) for column, value in line.items()})
    write_atomic(path, buffer.getvalue())


def _decided(entry: Entry) -> dict[str, Any]:
    return {
        "reviewer": entry.reviewer,
        "verdict": entry.verdict,
        "reason": entry.reason,
        "new_prompt": entry.prompt,
        "new_response": entry.response,
    }


def _cell(value: object) -> object:
    """Keep a spreadsheet from taking a text for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _uncell(value: str | None) -> str | None:
    return value[1:] if value and value[0] == "'" and value[1:].startswith(_FORMULA) else value


def _read_csv(path: Path, names: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    csv.field_size_limit(1 << 24)
    with path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle)
        missing = {"id", "verdict"} - set(reader.fieldnames or ())
        if missing:
            raise CurationError(f"{path} lacks the column {', '.join(sorted(missing))}.")
        for line in reader:
            cells = {name: _uncell(line.get(name)) for name in _COLUMNS}
            if cells["verdict"]:
                value = {
                    name: cells[name] for name in ("id", "digest", "reviewer", "verdict", "reason")
                }
                texts = {"prompt": cells["new_prompt"], "response": cells["new_response"]}
                yield f"line {reader.line_num}", value | texts
