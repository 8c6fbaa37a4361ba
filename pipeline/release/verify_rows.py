"""The checks of a release that read its rows: splits, decisions, chats and attribution.

Files are read with pyarrow and checked as they are read: a damaged one gives an error, not a crash.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.record import CANDIDATE
from pipeline.release import attribution, folder
from pipeline.release.decisions import COLUMNS
from pipeline.release.licences import refused
from pipeline.release.rows import ATTRIBUTED, SPLITS, messages

_BLOCK = 1 << 17
_NEEDED = (*CANDIDATE, "messages")


@dataclass
class Content:
    """A release while it is checked: the splits that could be read, and what was counted."""

    release: Path
    manifest: dict[str, Any]
    frames: dict[str, pl.DataFrame] = field(default_factory=dict)
    decided: int = 0

    @property
    def count(self) -> int:
        """The rows of the splits that could be read."""
        return sum(len(frame) for frame in self.frames.values())

    @property
    def complete(self) -> bool:
        """Tell whether each split that the manifest names could be read."""
        return all(split in self.frames for split, rows in self.manifest["rows"].items() if rows)


def load(content: Content) -> Iterator[str]:
    """Read the splits; their columns must be the same."""
    import pyarrow.parquet as pq

    schema = None
    for split in SPLITS:
        name, wanted = folder.data_file(split), content.manifest["rows"].get(split, 0)
        path = content.release / name
        if not path.is_file():
            continue
        try:
            table = pq.read_table(path)
            table.validate(full=True)
        # NotImplementedError is pyarrow's word for a Parquet feature that it does not know.
        except (OSError, ValueError, TypeError, NotImplementedError) as error:
            yield f"{name}: it cannot be read ({error})."
            continue
        absent = [column for column in _NEEDED if column not in table.column_names]
        if absent:
            yield f"{name}: the columns {', '.join(absent)} are missing."
            continue
        if schema is not None and not table.schema.equals(schema):
            yield f"{name}: its columns differ from those of the other splits."
        schema = schema or table.schema
        if table.num_rows != wanted:
            yield f"{name}: it has {table.num_rows} rows, the manifest says {wanted}."
        frame = pl.from_arrow(table)
        if isinstance(frame, pl.DataFrame):
            content.frames[split] = frame


def rows(content: Content) -> Iterator[str]:
    """Check each row: attribution, its split, its chat, no response in test, no id twice."""
    seen: dict[str, str] = {}
    for split, frame in content.frames.items():
        for number, row in enumerate(frame.iter_rows(named=True), 1):
            place = f"{folder.data_file(split)}, row {number} ({row['id']})"
            if row["id"] in seen:
                yield f"{place}: the id is in {seen[row['id']]}, too."
            seen.setdefault(row["id"], split)
            yield from (f"{place}: {problem}." for problem in _row(row, split))


def _row(row: dict[str, Any], split: str) -> Iterator[str]:
    for name in ATTRIBUTED:
        if not (row[name] or "").strip():
            yield f"it has no {name}"
    if row["split"] != split:
        yield f"its split is {row['split']}"
    if not row["prompt"]:
        yield "it has no prompt"
    elif row["messages"] != messages(row):
        yield "its messages are not its prompt and response"
    if split == "test" and row["response"] is not None:
        yield "it has a response, and test holds prompts only"
    if split != "test" and not row["response"]:
        yield "it has no response"


def refused_licences(content: Content) -> Iterator[str]:
    """Check that no row has a licence that the recipe refuses, in whatever way it is written."""
    patterns = content.manifest["recipe"]["release"]["refuse_licences"]
    for split, frame in content.frames.items():
        written = frame["licence"].drop_nulls().unique().to_list()
        gone = {licence for licence in written if refused(licence, patterns)}
        for number, row in enumerate(frame.select("id", "licence").iter_rows(), 1):
            if row[1] in gone:
                yield (
                    f"{folder.data_file(split)}, row {number} ({row[0]}): its licence {row[1]} is "
                    f"one that the recipe refuses (release.refuse_licences)."
                )


def decisions(content: Content) -> Iterator[str]:
    """Check that each candidate is decided once, and that the counts are the funnel's."""
    name = folder.DECISIONS
    counts: Counter[tuple[str, str, str | None]] = Counter()
    hashes: list[pl.Series] = []
    kept: list[str] = []
    for block in _blocks(content.release / name):
        hashes.append(block["id"].hash())
        for *key, number in block.group_by("stage", "verdict", "reason").len().iter_rows():
            counts[key[0], key[1], key[2]] += number
        kept += block.filter(pl.col("verdict") == "kept")["id"].to_list()
        content.decided += len(block)
    yield from _decided_twice(content.release / name, hashes)
    yield from _as_funnel(content, counts)
    if content.complete:
        ids = {row for frame in content.frames.values() for row in frame["id"]}
        for row in sorted(ids - set(kept)):
            yield f"{name}: {row} is released and not listed as kept."
        for row in sorted(set(kept) - ids):
            yield f"{name}: {row} is listed as kept and not released."


def _blocks(path: Path) -> Iterator[pl.DataFrame]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as source:
        for batch in source.iter_batches(_BLOCK, columns=list(COLUMNS)):
            batch.validate(full=True)
            frame = pl.from_arrow(pa.Table.from_batches([batch]))
            if isinstance(frame, pl.DataFrame):
                yield frame


def _decided_twice(path: Path, hashes: list[pl.Series]) -> Iterator[str]:
    """Name ids that stand more than once; a digest of each is held, the ids are read again."""
    if not hashes:
        return
    everything = pl.concat(hashes).sort()
    doubled = everything.filter((everything == everything.shift()).fill_null(False)).unique()
    if not len(doubled):
        return
    counts: Counter[str] = Counter()
    for block in _blocks(path):
        ids = block["id"]
        counts.update(ids.filter(ids.hash().is_in(doubled.implode())).to_list())
    for row, number in sorted(counts.items()):
        if number > 1:
            yield f"{folder.DECISIONS}: {row} is listed {number} times."


def _as_funnel(content: Content, counts: Counter[tuple[str, str, str | None]]) -> Iterator[str]:
    wanted: Counter[tuple[str, str, str | None]] = Counter()
    for line in content.manifest["funnel"]:
        for reason, number in line["dropped"].items():
            # What ingest leaves out is counted, not listed, but for malformed rows.
            if line["stage"] != "ingest" or reason == "malformed":
                wanted[line["stage"], "dropped", reason] += number
    wanted["select", "kept", None] = sum(content.manifest["rows"].values())
    for key in sorted(set(wanted) | set(counts), key=str):
        if wanted[key] != counts[key]:
            stage, verdict, reason = key
            what = f"{verdict} at {stage}" + (f" as {reason}" if reason else "")
            yield (
                f"{folder.DECISIONS}: {counts[key]} rows are listed as {what}, "
                f"the funnel says {wanted[key]}."
            )


def chats(content: Content) -> Iterator[str]:
    """Check that jsonl/train.jsonl has the chats of the training split, in its order."""
    name = folder.JSONL
    if "train" not in content.frames and content.manifest["rows"].get("train"):
        return  # the split could not be read, which is said already
    train = content.frames.get("train")
    wanted = [] if train is None else train["messages"].to_list()
    ids = [] if train is None else train["id"].to_list()
    with (content.release / name).open(encoding="utf-8", newline="\n") as lines:
        pairs = itertools.zip_longest(lines, wanted)
        for number, (line, chat) in enumerate(pairs, 1):
            if line is None or chat is None:
                total = f"{len(wanted)} rows"
                yield f"{name}: it has {'fewer' if line is None else 'more'} lines than the {total} of train."
                return
            try:
                same = json.loads(line) == {"messages": chat}
            except ValueError as error:
                yield f"{name}, line {number}: {folder.why_not(error)}."
                continue
            if not same:
                yield f"{name}, line {number}: it is not the chat of {ids[number - 1]}."


def attributed(content: Content) -> Iterator[str]:
    """Check that each row is named in the attribution with author and url."""
    text = (content.release / folder.ATTRIBUTION).read_text(encoding="utf-8")
    if content.complete:
        listed = [
            row
            for frame in content.frames.values()
            for row in frame.select("id", *ATTRIBUTED).to_dicts()
            if all(row.values())
        ]
        for problem in attribution.check(listed, text):
            yield f"{folder.ATTRIBUTION}: {problem}."
