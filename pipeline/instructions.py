"""Read any instruction set as candidates: chat, ShareGPT, LIMA, Alpaca, HC3, prompt and response.

In: JSONL, JSON or Parquet (also .zst, .gz, .xz, .bz2), a saved `datasets` folder, or a release.
Out: a frame with the columns that rules and duplicates read. The shape is told by the keys of
each record, so a file may mix them. Who wrote the response is what the record says, else what its
shape says: ShareGPT and Alpaca were written by models, HC3 holds both kinds side by side.
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
        "origin": pl.String(),  # human, model or unknown
        "shape": pl.String(),  # chat, sharegpt, lima, alpaca, hc3 or plain
        "member": pl.Boolean(),  # whether the record says that a model was trained on it
        "model": pl.String(),  # that wrote the response, where the record names one
    }
)

ORIGINS = ("human", "model", "unknown")

# Who speaks, by the names that formats give them.
ROLES = {
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
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
# Other names of a prompt and of its answer, in the order in which they are looked for.
_PROMPTS = ("prompt", "instruction", "question", "Question", "Instruction", "text", "query")
_RESPONSES = ("response", "output", "completion", "answer", "Best Answer", "canonical_solution")

Turn = dict[str, str]

# Names under which ShareGPT and its kin write down a model's turns.
_MODELS = frozenset({"gpt", "chatgpt", "bing", "bard", "model"})
_PROVENANCE = ("source", "url", "author")
_TRUE = {"1": True, "true": True, "0": False, "false": False}


def read_instructions(
    path: Path, limits: Limits | None = None, keep: Sequence[str] = ()
) -> pl.DataFrame:
    """Read a whole instruction set; rows keep their order.

    `keep` names further keys of the records, which become columns of texts, null where a record has
    no such key. Raises SourceError naming the file and the record that cannot be read.
    """
    rows = []
    for number, record in enumerate(_records(path, limits or Limits()), 1):
        kept = {name: record.get(name) if isinstance(record, dict) else None for name in keep}
        texts = {name: None if value is None else str(value) for name, value in kept.items()}
        rows += [_row(part, number, path) | texts for part in _parts(record)]
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
        text = read_text(path, limits, str(path), 1 << 30, strict=True)
        yield from _json_records(path, text)
    elif name.endswith(".csv"):
        text = read_text(path, limits, str(path), 1 << 30, strict=True)
        yield from _csv_records(path, text)
    else:
        raise SourceError(f"{path}: give a .jsonl, .json, .csv or .parquet file, or a folder.")


def _csv_records(path: Path, text: str) -> Iterator[Any]:
    try:
        yield from pl.read_csv(text.encode(), infer_schema=False).iter_rows(named=True)
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{path} is not CSV ({_first(error)}).") from error


def _first(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(".")


def _parsed(text: bytes) -> Any:  # noqa: ANN401
    """Parse JSON; half a character (a lone surrogate), which JSON can escape, is a ValueError."""
    value = json.loads(text)
    if b"\\ud" in text.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError("it holds half a character, a lone surrogate") from error
    return value


def _line_records(path: Path, limits: Limits) -> Iterator[Any]:
    for number, line in lines(path, limits, str(path)):
        if line is None:
            raise SourceError(f"{path}, line {number}: longer than {limits.max_line_bytes} bytes.")
        if not line.strip():
            continue
        try:
            yield _parsed(line)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{path}, line {number}: not JSON ({error}).") from error


def _json_records(path: Path, text: str) -> Iterator[Any]:
    try:
        value = _parsed(text.encode())
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
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"{path} is not Parquet ({_first(error)}).") from error


def _folder_records(path: Path) -> Iterator[Any]:
    parquet = sorted(path.glob("data/*.parquet")) or sorted(path.glob("*.parquet"))
    if parquet:
        for file in parquet:
            yield from _parquet_records(file)
        return
    from datasets import DatasetDict, load_from_disk

    try:
        loaded = load_from_disk(str(path))
    except Exception as error:  # whatever a broken file makes their readers raise
        raise SourceError(
            f"{path} is neither a release nor a folder saved by `datasets` ({_first(error)})."
        ) from error
    for split in loaded.values() if isinstance(loaded, DatasetDict) else [loaded]:
        yield from split


def _parts(record: Any) -> Iterator[Any]:  # noqa: ANN401
    """Split a record of HC3, a question with people's and ChatGPT's answers, into its answers."""
    if not isinstance(record, dict) or not isinstance(record.get("chatgpt_answers"), list):
        yield record
        return
    for key, origin in (("human_answers", "human"), ("chatgpt_answers", "model")):
        answers = record.get(key)
        for answer in answers if isinstance(answers, list) else []:
            yield {
                "prompt": record.get("question"),
                "response": answer,
                "source": record.get("source"),
                "origin": origin,
                "shape": "hc3",
            }


def _row(record: Any, number: int, path: Path) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(record, dict):
        raise SourceError(f"{path}, record {number}: not an object with keys.")
    turns = _turns(record)
    empty = [key for key in _PROMPTS if key in record and record[key] in (None, "")]
    if turns is None and empty:
        raise SourceError(
            f"{path}, record {number}: its {empty[0]} is empty; add it, or leave the record out."
        )
    if turns is None:
        raise SourceError(
            f"{path}, record {number}: no messages, conversations, instruction or prompt in it "
            f"(it has {', '.join(map(str, list(record)[:10]))})."
        )
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    spoken = [turn for turn in turns if turn["role"] != "system"]
    if not any(turn["role"] == "user" for turn in spoken):
        raise SourceError(f"{path}, record {number}: no turn of a user in it.")
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
        "origin": _origin(record),
        "shape": _shape(record),
        "member": _TRUE.get(str(record.get("member")).lower()),
        "model": next(
            (record[key] for key in ("model", "generator") if isinstance(record.get(key), str)),
            None,
        ),
    }


def _talk(record: dict[str, Any]) -> list[Any] | None:
    """Return the list of turns of a record, where it has one."""
    for key in ("messages", "conversations", "conversation", "turns"):
        value = record.get(key)
        if isinstance(value, list) and value:
            return value
    return None


def _shape(record: dict[str, Any]) -> str:
    if record.get("shape") == "hc3":
        return "hc3"
    talk = _talk(record)
    if talk is None:
        return "alpaca" if {"instruction", "output"} <= record.keys() else "plain"
    if isinstance(talk[0], str):
        return "lima"
    return "sharegpt" if "from" in talk[0] else "chat"


def _origin(record: dict[str, Any]) -> str | None:
    """Return who wrote the response: what the record says, else what its shape says, else null."""
    said = record.get("origin")
    if isinstance(said, str) and said in ORIGINS:
        return said
    shape = _shape(record)
    if shape == "sharegpt":
        turns = [turn for turn in _talk(record) or [] if isinstance(turn, dict)]
        return "model" if any(str(turn.get("from")).lower() in _MODELS for turn in turns) else None
    written = any(isinstance(record.get(key), str) for key in ("generator", "model"))
    # Alpaca's records name no source; sets of people's text in its shape mostly do.
    alpaca = shape == "alpaca" and not any(record.get(key) for key in _PROVENANCE)
    return "model" if alpaca or written else None


def _turns(record: dict[str, Any]) -> list[Turn] | None:
    talk = _talk(record)
    if talk is not None:
        return _listed(talk)
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
        content = content_of(item)
        if content is None:
            return None
        turns.append({"role": ROLES.get(role, role), "content": content})
    return turns


def content_of(turn: dict[str, Any]) -> str | None:
    """Return what is said in a turn: a text, or the texts among its parts; null if neither."""
    content = turn.get("content", turn.get("value"))
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n\n".join(part for part in parts if isinstance(part, str))
    return None if isinstance(content, dict) else str(content or "")
