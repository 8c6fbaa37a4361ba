"""Read evaluation sets: whatever their shape, the questions and the answers of each row.

In: the files of LIMA's test set, MT-Bench and Vicuna (questions and reference answers), Koala,
Self-Instruct, WizardLM, AlpacaEval, IFEval, GSM8K, TruthfulQA, HumanEval, and any other file whose
records have a question under one of the usual names. Out: a table of texts, a line each.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import SourceError
from pipeline.instructions import ROLES, content_of, records
from pipeline.sources.opening import bare_name

TEXTS = pl.Schema(
    {
        "set": pl.String(),  # the name of the file, with its folder where two files share a name
        "row": pl.String(),  # its id in the set, else its number from 1
        "side": pl.String(),  # prompt or answer
        "text": pl.String(),
    }
)

_IDS = ("id", "question_id", "task_id", "key", "idx")
_PROMPTS = (
    *("prompt", "instruction", "question", "Question", "Instruction", "text", "query", "problem"),
    *("goal", "ctx"),
)
_ANSWERS = (
    *("response", "output", "completion", "answer", "Best Answer", "canonical_solution"),
    *("Correct Answers", "solution", "reference"),
)


def read_sets(paths: Sequence[Path]) -> pl.DataFrame:
    """Return the texts of all files; raises SourceError naming the file that cannot be read."""
    frames = [_read(path, name) for path, name in zip(paths, names_of(paths), strict=True)]
    return pl.concat(frames) if frames else pl.DataFrame(schema=TEXTS)


def names_of(paths: Sequence[Path]) -> list[str]:
    """Name sets by their files, with the folder where two files share a name."""
    names = [bare_name(path).split(".")[0] for path in paths]
    return [
        name if names.count(name) == 1 else f"{path.parent.name}/{name}"
        for path, name in zip(paths, names, strict=True)
    ]


def _read(path: Path, name: str) -> pl.DataFrame:
    lines = []
    for number, record in enumerate(records(path), 1):
        if not isinstance(record, dict):
            raise SourceError(f"{path}, record {number}: not an object with keys.")
        found = next((record[key] for key in _IDS if record.get(key) is not None), number)
        try:
            texts = [(side, text) for side, text in _texts(record) if text.strip()]
        except ValueError as error:
            raise SourceError(f"{path}, record {number}: {error}.") from error
        if not texts:
            raise SourceError(
                f"{path}, record {number}: no question in it (it has "
                f"{', '.join(map(str, list(record)[:10]))}); an evaluation set needs one of "
                f"{', '.join(_PROMPTS[:5])}, turns, conversations or messages."
            )
        lines += [(name, str(found), side, text) for side, text in texts]
    if not lines:
        raise SourceError(f"{path} holds no records.")
    return pl.DataFrame(lines, schema=TEXTS, orient="row")


def _texts(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _turns(record)
    # Self-Instruct: the inputs of an instruction and their outputs.
    instances = record.get("instances")
    extra = (
        [item for item in instances if isinstance(item, dict)]
        if isinstance(instances, list)
        else []
    )
    inputs = [item["input"] for item in extra if isinstance(item.get("input"), str)]
    inputs += [record["input"]] if isinstance(record.get("input"), str) else []
    asked = next((record[key] for key in _PROMPTS if isinstance(record.get(key), str)), None)
    if asked is not None:
        yield "prompt", asked
    for given in inputs:
        if asked is not None and given.strip():
            yield "prompt", f"{asked}\n\n{given}"
    for item in extra:
        if isinstance(item.get("output"), str):
            yield "answer", item["output"]
    for key in _ANSWERS:
        if isinstance(record.get(key), str):
            yield "answer", record[key]


def _turns(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """MT-Bench: turns of the user alone; its references: choices; chats: who speaks is said."""
    for turn in _strings(record.get("turns")):
        yield "prompt", turn
    for turn in _strings(record.get("reference")):
        yield "answer", turn
    for choice in _list(record.get("choices")):
        for turn in _strings(choice.get("turns") if isinstance(choice, dict) else None):
            yield "answer", turn
    for key in ("conversations", "messages", "conversation"):
        for number, turn in enumerate(_list(record.get(key))):
            if isinstance(turn, str):
                yield ("answer" if number % 2 else "prompt"), turn
            elif isinstance(turn, dict):
                yield _side(turn), content_of(turn) or ""


def _side(turn: dict[str, Any]) -> str:
    """Raise ValueError for a speaker of whom nobody knows whether it asks or answers."""
    said = str(turn.get("role") or turn.get("from") or "user").lower()
    role = ROLES.get(said)
    if role is None:
        raise ValueError(f"a turn is by {said!r}, which is none of {', '.join(ROLES)}")
    return "prompt" if role == "user" else "answer"


def _list(value: Any) -> list[Any]:  # noqa: ANN401
    return value if isinstance(value, list) else []


def _strings(value: Any) -> list[str]:  # noqa: ANN401
    return [item for item in _list(value) if isinstance(item, str)]
