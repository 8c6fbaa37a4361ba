"""Read pairs of responses: labelled ones for a benchmark, or two sets that answer the same prompts.

Three shapes of labelled pairs are told by the keys of their records: ours (`prompt`, `first`,
`second`, `labels`), PandaLM's test set (three annotators) and LLMBar's (one label). Labels are 1
for the first, 2 for the second, 0 for a tie.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import SourceError
from pipeline.instructions import read_instructions
from pipeline.judge.pairwise import Pair
from pipeline.judge.prompts import request_in
from pipeline.recipe import Limits
from pipeline.sources.opening import bare_name, read_text

_VOTES = {"1": 1, "2": -1, "0": 0}
_MOST_BYTES = 1 << 28


def read_benchmark(folder: Path) -> tuple[dict[str, list[Pair]], list[str]]:
    """Return the labelled sets below a folder by name, and the files that are none.

    Raises SourceError if there is no such set.
    """
    if not folder.is_dir():
        raise SourceError(
            f"There is no folder {folder}; --benchmark wants one with labelled pairs."
        )
    sets: dict[str, list[Pair]] = {}
    passed_over = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if not bare_name(path).endswith((".json", ".jsonl")):
            passed_over.append(name)
            continue
        pairs = _labelled(path)
        if pairs:
            sets[_set_name(name)] = pairs
        else:
            passed_over.append(name)
    if not sets:
        raise SourceError(
            f"{folder} holds no labelled pairs; records need prompt, first, second and labels (1, 2 "
            "or 0 for a tie), or the shape of PandaLM's or LLMBar's sets."
        )
    return sets, passed_over


def _labelled(path: Path) -> list[Pair]:
    """Read the pairs of a file; none if its first record is no labelled pair."""
    text = read_text(path, Limits(), str(path), _MOST_BYTES)
    try:
        if bare_name(path).endswith(".jsonl"):
            records = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            records = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if not isinstance(records, list) or not records or not isinstance(records[0], dict):
        return []
    keys = set(records[0])
    for wanted, read in _SHAPES:
        if wanted <= keys:
            return _alike(path, [_read(path, read, *entry) for entry in enumerate(records, 1)])
    return []


def _read(
    path: Path,
    read: Callable[[str, Mapping[str, Any]], Pair],
    number: int,
    record: Any,  # noqa: ANN401
) -> Pair:
    try:
        pair = read(str(number), record)
        texts = (pair.request, pair.first, pair.second)
        named = (pair.reference, *pair.authors)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("prompt and responses must be texts")
        if not all(name is None or isinstance(name, str) for name in named):
            raise TypeError("reference and models must be texts, or null")
        if not pair.labels:
            raise ValueError("it has no label")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f"{path}, record {number}: a labelled pair lacks a field or holds a wrong one "
            f"({type(error).__name__}: {error})."
        ) from error
    return pair


def _alike(path: Path, pairs: list[Pair]) -> list[Pair]:
    """Return the pairs; raises SourceError where they have different numbers of labels."""
    counts = [len(pair.labels) for pair in pairs]
    if len(set(counts)) > 1:
        odd = next(number for number, count in enumerate(counts, 1) if count != counts[0])
        raise SourceError(
            f"{path}, record {odd}: {counts[odd - 1]} labels, where the first record has {counts[0]}; "
            "annotators are held against each other, so give each pair the same number of them."
        )
    return pairs


def _vote(label: Any) -> int:  # noqa: ANN401
    """Read a label: 1, 2 or 0, be it a number or a text."""
    name = f"{label:g}" if isinstance(label, int | float) else str(label)
    if name not in _VOTES or isinstance(label, bool):
        raise ValueError(f"the label {label!r} is none of {', '.join(_VOTES)}")
    return _VOTES[name]


def _own(number: str, record: Mapping[str, Any]) -> Pair:
    return Pair(
        str(record.get("id") or number),
        record["prompt"],
        record["first"],
        record["second"],
        tuple(map(_vote, _list(record["labels"]))),
        record.get("reference"),
        (record.get("first_model"), record.get("second_model")),
    )


def _list(value: Any) -> list[Any]:  # noqa: ANN401
    if not isinstance(value, list):
        raise TypeError(f"labels must be a list, and is {value!r}")
    return value


def _pandalm(number: str, record: Mapping[str, Any]) -> Pair:
    extra = str(record["input"] or "").strip()
    names = sorted(key for key in record if key.startswith("annotator"))
    models = tuple(str(record.get("cmp_key") or "").split("_"))
    return Pair(
        number,
        record["instruction"] + (f"\n\n{extra}" if extra else ""),
        # A few responses of the published file are true, not "True".
        str(record["response1"]),
        str(record["response2"]),
        tuple(_vote(record[name]) for name in names),
        authors=(models[0], models[1]) if len(models) == 2 else (None, None),
    )


def _llmbar(number: str, record: Mapping[str, Any]) -> Pair:
    return Pair(
        number,
        record["input"],
        record["output_1"],
        record["output_2"],
        (_vote(record["label"]),),
    )


_SHAPES = (
    ({"prompt", "first", "second", "labels"}, _own),
    ({"instruction", "input", "response1", "response2", "annotator1"}, _pandalm),
    ({"input", "output_1", "output_2", "label"}, _llmbar),
)


def _set_name(name: str) -> str:
    parts = name.split(".json")[0].split("/")
    return "/".join(parts[:-1] if len(parts) > 1 and parts[-1] == "dataset" else parts)


def pair_files(first: Path, second: Path) -> tuple[list[Pair], int]:
    """Pair the rows of two sets that answer the same prompts; also how many have no partner.

    The n-th answer to a prompt in one set meets the n-th in the other.
    """
    ones, others = read_instructions(first), read_instructions(second)
    waiting: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _answered(others):
        waiting[request_in(row)].append(row)
    pairs = []
    for row in _answered(ones):
        partners = waiting.get(request_in(row))
        if partners:
            other = partners.pop(0)
            authors = (author_of(row), author_of(other))
            texts = (row["response"], other["response"])
            pairs.append(Pair(row["id"], request_in(row), *texts, authors=authors))
    if not pairs:
        raise SourceError(f"No prompt of {first} is answered in {second}, too.")
    return pairs, len(ones) + len(others) - 2 * len(pairs)


def author_of(row: Mapping[str, Any]) -> str | None:
    """Return what a row says of who wrote its response: a model's name, else its origin."""
    named: str | None = row["model"] or row["origin"]
    return named


def references_of(path: Path) -> dict[str, str]:
    """Read reference answers: the responses of an instruction set, by what they answer.

    Raises SourceError where two differ: which one is right, nobody could tell.
    """
    found: dict[str, str] = {}
    for row in _answered(read_instructions(path)):
        request = request_in(row)
        if found.setdefault(request, row["response"]) != row["response"]:
            raise SourceError(
                f"{path}, record {row['id']}: another reference for this request stands before it; "
                "keep the one that is right."
            )
    return found


def _answered(rows: pl.DataFrame) -> Iterable[dict[str, Any]]:
    said = pl.col("response").fill_null("").str.strip_chars() != ""
    return rows.filter(said).iter_rows(named=True)
