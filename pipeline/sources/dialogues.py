"""Dialogues from comment chains: asker and answerer taking turns under one answer.

LIMA (section 6) took 20 of its 30 dialogues from such chains. A chain counts if, after the answer,
the asker speaks, the answerer replies, and that happens at least twice. The dialogue takes the
place of the plain question and answer, which is its first exchange.
"""

import polars as pl

from pipeline.markdown import html_to_markdown
from pipeline.text import clean_text, plain_title

_MIN_EXCHANGES = 2
_MENTION = r"^@[\w.\- ]{1,40}?[,:]?\s+"


def extend(frame: pl.DataFrame, keys: pl.DataFrame, comments: pl.DataFrame) -> pl.DataFrame:
    """Turn rows of `frame` into dialogues where the comments hold one.

    `keys` has answer, owner (of the answer) and owner_asked, row by row as in `frame`.
    """
    people = keys.with_row_index("row").drop_nulls(["owner", "owner_asked"])
    people = people.filter(pl.col("owner") != pl.col("owner_asked"))
    spoken = (
        comments.join(people, on="answer")
        .filter((pl.col("user") == pl.col("owner")) | (pl.col("user") == pl.col("owner_asked")))
        .sort("row", "comment")
        .with_columns(
            role=pl.when(pl.col("user") == pl.col("owner"))
            .then(pl.lit("assistant"))
            .otherwise(pl.lit("user")),
            text=pl.col("text").str.replace(_MENTION, ""),
        )
    )
    chains = spoken.group_by("row", maintain_order=True).agg("role", "text")
    changed: dict[int, dict[str, object]] = {}
    for row, roles, texts in chains.iter_rows():
        turns = _turns(roles, texts)
        if len(turns) >= 2 * _MIN_EXCHANGES:
            changed[row] = _dialogue(frame.row(row, named=True), turns)
    rest = frame.with_row_index("row").filter(~pl.col("row").is_in(list(changed)))
    new = pl.DataFrame(list(changed.values()), schema=frame.schema, orient="row")
    new = new.with_columns(pl.Series("row", list(changed), pl.UInt32))
    return pl.concat([rest, new.select(rest.columns)]).sort("row").drop("row")


def _turns(roles: list[str], texts: list[str]) -> list[dict[str, str]]:
    """Join what one person says in a row; begin with the asker, end with the answerer."""
    turns: list[dict[str, str]] = []
    for role, text in zip(roles, texts, strict=True):
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += "\n\n" + clean_text(text)
        elif turns or role == "user":
            turns.append({"role": role, "content": clean_text(text)})
    return turns if len(turns) % 2 == 0 else turns[:-1]


def _dialogue(row: dict[str, object], turns: list[dict[str, str]]) -> dict[str, object]:
    question = plain_title(str(row["title"])) + "\n\n" + _markdown(row["body"])
    history = [
        {"role": "user", "content": question.strip()},
        {"role": "assistant", "content": _markdown(row["response"])},
        *turns[:-2],
    ]
    return row | {
        "id": f"{row['id']}:dialogue",
        "history": history,
        "body": turns[-2]["content"],
        "response": turns[-1]["content"],
        "markup": "markdown",
    }


def _markdown(html: object) -> str:
    return clean_text(html_to_markdown(str(html)))
