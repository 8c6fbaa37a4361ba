"""Posts: what their rows say at their heads, and later the texts of those that are used.

More than half of the rows leave by what stands at their head: type, votes, number of answers. The
others stay whole lines until it is known which answers come first, and whose questions are needed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

import polars as pl

from pipeline.sources.attributes import as_number, compact, cut
from pipeline.sources.base import Tally
from pipeline.sources.stackexchange.columns import ANSWER, QUESTION, count_scores

POST = pl.Schema(
    {
        "answer": pl.Int64(),  # null for questions
        "question": pl.Int64(),
        "dump": pl.Int32(),
        "votes": pl.Int64(),
        "created_at": pl.Datetime("ms"),
        "accepted_answer": pl.Int64(),
        "closed": pl.Boolean(),
        "title": pl.String(),
        "body": pl.String(),
        "tags": pl.String(),
        "owner": pl.Int64(),
        "owner_name": pl.String(),
        "content_licence": pl.String(),
    }
)
_ATTRIBUTES = (
    "AcceptedAnswerId",
    "ClosedDate",
    "Title",
    "Body",
    "Tags",
    "OwnerUserId",
    "OwnerDisplayName",
    "ContentLicense",
)
# How official dumps begin a row. Anchored, so that a row that begins otherwise costs nothing.
_HEAD = (
    r'^ *<row Id="(?<id>[0-9]{1,18})" PostTypeId="(?<kind>[0-9]{1,18})" '
    r'(?:ParentId="(?<parent>[0-9]{1,18})" |AcceptedAnswerId="[0-9]{1,18}" )?'
    r'CreationDate="(?<written>[^"]{10,40})" Score="(?<votes>-?[0-9]{1,18})"'
)


# A post before it is cut.
WHOLE = pl.Schema(
    {
        "number": pl.UInt32(),  # of the line in its file
        "line": pl.String(),
        "id": pl.Int64(),
        "kind": pl.Int64(),
        "parent": pl.Int64(),  # null for questions
        "votes": pl.Int64(),
        "written": pl.String(),  # the time, not yet read
    }
)


@dataclass(frozen=True)
class Block:
    """What is kept of a block of posts."""

    answers: pl.DataFrame  # WHOLE and `owner`: what may become a candidate
    questions: pl.DataFrame  # WHOLE: those that have an answer
    ids: pl.Series  # of all posts
    newest: datetime  # time of the last post
    scores: pl.DataFrame  # number of answers by year and votes


def number(name: str) -> pl.Expr:
    """Return an attribute of `line` as a number; null if it is missing or no number."""
    return pl.col("line").str.extract(rf' {name}="(-?[0-9]{{1,18}})"').cast(pl.Int64)


def as_moment(text: pl.Expr) -> pl.Expr:
    """Read a time as the dumps write it, in milliseconds; null where the text is none."""
    return text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="ms", strict=False)


def read_block(rows: pl.DataFrame, min_votes: int, label: str, tally: Tally) -> Block:
    """Sort the rows of a block; what leaves is booked."""
    heads = read_heads(rows)
    kept = _worth_reading(heads, min_votes, label, tally)
    kept = kept.with_columns(compact(kept["line"])).cast(WHOLE)
    answers = kept.filter(kind=ANSWER).with_columns(owner=number("OwnerUserId"))
    return Block(
        answers,
        kept.filter(kind=QUESTION),
        heads["id"],
        _newest(heads["written"]),
        count_scores(heads),
    )


def read_heads(rows: pl.DataFrame) -> pl.DataFrame:
    """Add id, kind, parent, votes and `written`, null where they cannot be read, in any order.

    `written` is the time as text: most rows leave before anybody needs to reckon with it.
    """
    fields = rows.select(pl.col("line").str.extract_groups(_HEAD).struct.unnest())
    heads = rows.with_columns(
        fields.select(pl.col("id", "kind", "parent", "votes").cast(pl.Int64), pl.col("written"))
    )
    odd = pl.col("id").is_null() | ((pl.col("kind") == ANSWER) & pl.col("parent").is_null())
    if not heads.select(odd.any()).item():
        return heads
    slow = heads.filter(odd).with_columns(
        number("Id").alias("id"),
        number("PostTypeId").alias("kind"),
        number("ParentId").alias("parent"),
        number("Score").alias("votes"),
        pl.col("line").str.extract(r' CreationDate="([^"]{10,40})"').alias("written"),
    )
    return pl.concat([heads.filter(~odd), slow]).sort("number")


def _newest(written: pl.Series) -> datetime:
    """Return the latest of some times; as texts they sort as in time."""
    latest = written.max()
    for times in (pl.Series([latest], dtype=pl.String), written):
        found = cast(
            datetime | None, times.to_frame("t").select(as_moment(pl.col("t")).max()).item()
        )
        if found:
            return found
    return datetime.min


def _worth_reading(heads: pl.DataFrame, min_votes: int, label: str, tally: Tally) -> pl.DataFrame:
    """Drop by what stands at the head of a row; the long text is not looked at."""
    is_post = (pl.col("kind") == QUESTION) | (pl.col("kind") == ANSWER)
    readable = (
        pl.col("id").is_not_null()
        & pl.col("kind").is_not_null()
        & (~is_post | (pl.col("votes").is_not_null() & pl.col("written").is_not_null()))
    )
    low = (pl.col("kind") == ANSWER) & (pl.col("votes") < min_votes)
    marked = heads.with_columns(readable=readable, other=~is_post, low=low)
    counts = marked.filter("readable").select(pl.col("other", "low").sum())
    tally.leave_out(label, "not_a_post", counts["other"].item())
    tally.leave_out(label, "low_votes", counts["low"].item())
    worth = marked.filter(~pl.col("readable") | ~(pl.col("other") | pl.col("low")))
    is_whole = (pl.col("kind") != ANSWER) | pl.col("parent").is_not_null()
    readable = pl.col("readable") & is_whole
    for line in worth.filter(~readable.fill_null(False))["number"]:
        tally.bad(label, line, "no readable Id, PostTypeId, ParentId, Score or CreationDate")
    worth = worth.filter(readable).select(*WHOLE)
    unanswered = (pl.col("kind") == QUESTION) & pl.col("line").str.contains(
        ' AnswerCount="0"', literal=True
    )
    kept = worth.filter(~unanswered)
    tally.leave_out(label, "no_answer", len(worth) - len(kept))
    return kept


def texts(heads: pl.DataFrame, dump: int, label: str, tally: Tally) -> pl.DataFrame:
    """Cut the rows into their attributes (POST); rows that are not well-formed are noted."""
    is_answer = pl.col("kind") == ANSWER
    posts = pl.concat([heads.drop("line"), cut(heads["line"], _ATTRIBUTES)], how="horizontal")
    posts = posts.with_columns(created_at=as_moment(pl.col("written")))
    is_whole = pl.col("Body").is_not_null() & pl.col("created_at").is_not_null()
    posts = posts.with_columns(pl.col("sound") & is_whole)
    note_unsound(posts, label, tally)
    return (
        posts.filter("sound")
        .select(
            answer=pl.when(is_answer).then("id"),
            question=pl.when(is_answer).then("parent").otherwise("id"),
            dump=pl.lit(dump),
            votes="votes",
            created_at="created_at",
            accepted_answer=as_number(pl.col("AcceptedAnswerId")),
            closed=pl.col("ClosedDate").is_not_null(),
            title="Title",
            body="Body",
            tags="Tags",
            owner=as_number(pl.col("OwnerUserId")),
            owner_name="OwnerDisplayName",
            content_licence="ContentLicense",
        )
        .cast(POST)
    )


def note_unsound(rows: pl.DataFrame, label: str, tally: Tally) -> None:
    """Note the rows where `sound` is false."""
    for line in rows.filter(~pl.col("sound"))["number"]:
        tally.bad(label, line, "attributes are missing or not well-formed")
