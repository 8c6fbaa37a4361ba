"""Read any instruction set as candidates: chat, ShareGPT, LIMA, Alpaca, prompt and response.

In: JSONL, JSON or Parquet (also .zst, .gz, .xz, .bz2), a saved `datasets` folder, or a release.
Out: a frame with the columns that rules and duplicates read. The shape is told by the keys of
each record, so a file may mix them.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import SourceError
from pipeline.recipe import Limits
from pipeline.record import TURN
from pipeline.sources.opening import bare_name, lines, read_text

INSTRUCTION = pl.Schema(
    {
        "id": pl.String(),
        "source": pl.String(),  # as the record names it; null if it does not
        "prompt": pl.String(),
        "response": pl.String(),
        "system": pl.String(),
        "history": pl.List(TURN),
        "licence": pl.String(),
        "origin": pl.String(),
        "model": pl.String(),  # that wrote the response, where the record names one
    }
)

_ROLES = {
    "human": "user",
    "user": "user",
    "prompter": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "system": "system",
}
# Other names of a prompt and of its answer, in the order in which they are looked for.
_PROMPTS = ("prompt", "instruction", "question", "Question", "Instruction", "text", "query")
_RESPONSES = ("response", "output", "completion", "answer", "Best Answer", "canonical_solution")

Turn = dict[str, str]


def read_instructions(
    path: Path, limits: Limits | None = None, keep: Sequence[str] = ()
) -> pl.DataFrame:
    """Read a whole instruction set; rows keep their order.

    `keep` names further keys of the records, which become columns of texts, null where a record has
    no such key. Raises SourceError naming the file and the record that cannot be read.
    """
    rows = []
    for number, record in enumerate(_records(path, limits or Limits()), 1):
        row = _row(record, number, path)
        kept = {name: record.get(name) if isinstance(record, dict) else None for name in keep}
        rows.append(
            row | {name: None if value is None else str(value) for name, value in kept.items()}
        )
    if not rows:
        raise SourceError(f"{path} holds no records.")
    schema = {**INSTRUCTION, **dict.fromkeys(keep, pl.String())}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    if frame["id"].n_unique() < len(frame):
        # Ids that are not unique are no ids; the row's number is.
        frame = frame.with_columns(pl.row_index("id") + 1).with_columns(
            pl.col("id").cast(pl.String)
        )
    return frame


def records(path: Path, limits: Limits | None = None) -> Iterator[Any]:
    """Yield the records of a file or folder as they are, whatever their keys."""
    return _records(path, limits or Limits())


def _records(path: Path, limits: Limits) -> Iterator[Any]:
    if not path.exists():
        raise SourceError(f"There is no {path}.")
    if path.is_dir():
        yield from _folder_records(path)
        return
    name = bare_name(path)
    if name.endswith(".parquet"):
        yield from _parquet_records(path)
    elif name.endswith((".jsonl", ".ndjson")):
        yield from _line_records(path, limits)
    elif name.endswith(".json"):
        text = read_text(path, limits, str(path), 1 << 30)
        yield from _json_records(path, text)
    elif name.endswith(".csv"):
        yield from pl.read_csv(path, infer_schema=False).iter_rows(named=True)
    else:
        raise SourceError(f"{path}: give a .jsonl, .json, .csv or .parquet file, or a folder.")


def _line_records(path: Path, limits: Limits) -> Iterator[Any]:
    for number, line in lines(path, limits, str(path)):
        if line is None:
            raise SourceError(f"{path}, line {number}: longer than {limits.max_line_bytes} bytes.")
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{path}, line {number}: not JSON ({error}).") from error


def _json_records(path: Path, text: str) -> Iterator[Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} is not JSON ({error}).") from error
    if isinstance(value, dict):
        # Some sets wrap their list: {"data": [...]}.
        lists = [item for item in value.values() if isinstance(item, list)]
        if len(lists) != 1:
            raise SourceError(f"{path} holds one object, not a list of records.")
        value = lists[0]
    if not isinstance(value, list):
        raise SourceError(f"{path} holds no list of records.")
    yield from value


def _parquet_records(path: Path) -> Iterator[Any]:
    try:
        yield from pl.read_parquet(path).iter_rows(named=True)
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{path} is not Parquet ({str(error).splitlines()[0]}).") from error


def _folder_records(path: Path) -> Iterator[Any]:
    parquet = sorted(path.glob("data/*.parquet")) or sorted(path.glob("*.parquet"))
    if parquet:
        for file in parquet:
            yield from _parquet_records(file)
        return
    from datasets import DatasetDict, load_from_disk

    try:
        loaded = load_from_disk(str(path))
    except (FileNotFoundError, ValueError) as error:
        raise SourceError(
            f"{path} is neither a release nor a folder saved by `datasets` ({error})."
        ) from error
    for split in loaded.values() if isinstance(loaded, DatasetDict) else [loaded]:
        yield from split


def _row(record: Any, number: int, path: Path) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(record, dict):
        raise SourceError(f"{path}, record {number}: not an object with keys.")
    turns = _turns(record)
    if turns is None:
        raise SourceError(
            f"{path}, record {number}: no messages, conversations, instruction or prompt in it "
            f"(it has {', '.join(map(str, list(record)[:10]))})."
        )
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    spoken = [turn for turn in turns if turn["role"] != "system"]
    # The last question and its answer are judged; what was said before is history.
    last = max((n for n, turn in enumerate(spoken) if turn["role"] == "user"), default=0)
    answer = spoken[last + 1]["content"] if len(spoken) > last + 1 else None
    source, licence = record.get("source"), record.get("licence") or record.get("license")
    return {
        "id": str(record.get("id") or number),
        "source": source if isinstance(source, str) else None,
        "prompt": spoken[last]["content"] if spoken else "",
        "response": answer,
        "system": system or None,
        "history": spoken[:last],
        "licence": licence if isinstance(licence, str) else None,
        "origin": record.get("origin") if isinstance(record.get("origin"), str) else None,
        "model": next(
            (record[key] for key in ("model", "generator") if isinstance(record.get(key), str)),
            None,
        ),
    }


def _turns(record: dict[str, Any]) -> list[Turn] | None:
    for key in ("messages", "conversations", "conversation", "turns"):
        value = record.get(key)
        if isinstance(value, list) and value:
            return _listed(value)
    prompt = next((record[key] for key in _PROMPTS if isinstance(record.get(key), str)), None)
    if prompt is None:
        return None
    extra = record.get("input")
    if isinstance(extra, str) and extra.strip():
        prompt = f"{prompt}\n\n{extra}"
    turns = [{"role": "user", "content": prompt}]
    if isinstance(record.get("system"), str) and record["system"]:
        turns.insert(0, {"role": "system", "content": record["system"]})
    response = next((record[key] for key in _RESPONSES if isinstance(record.get(key), str)), None)
    if response is not None:
        turns.append({"role": "assistant", "content": response})
    return turns


def _listed(value: list[Any]) -> list[Turn] | None:
    turns = []
    for number, item in enumerate(value):
        if isinstance(item, str):  # LIMA: user and assistant take turns
            turns.append({"role": "assistant" if number % 2 else "user", "content": item})
            continue
        if not isinstance(item, dict):
            return None
        role = str(item.get("role") or item.get("from") or "user").lower()
        content = item.get("content", item.get("value"))
        turns.append({"role": _ROLES.get(role, role), "content": str(content or "")})
    return turns
