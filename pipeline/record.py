"""What a row is: the columns of a raw candidate, of a candidate and of a released example.

A source writes RAW frames (markup as found); `clean` turns them into CANDIDATE frames (Markdown);
later stages add columns (`cluster`, `quality`, ...) and never change these.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

TURN = pl.Struct({"role": pl.String, "content": pl.String})

_PROVENANCE: dict[str, pl.DataType | type[pl.DataType]] = {
    "url": pl.String,
    "author": pl.String,
    "author_url": pl.String,
    "prompt_url": pl.String,  # set where somebody else wrote the prompt
    "prompt_author": pl.String,
    "prompt_author_url": pl.String,
    "licence": pl.String,
    "created_at": pl.Datetime("ms"),  # UTC
    "votes": pl.Int64,  # null where the source has none
    "origin": pl.String,  # human, model or unknown
}

_EVIDENCE: dict[str, pl.DataType | type[pl.DataType]] = {
    "accepted": pl.Boolean,  # chosen by the asker; null where the source has no such mark
    # Share of the answers of the same site and year with fewer votes, ties counted half: (0, 1).
    "votes_rank": pl.Float64,
    "tags": pl.List(pl.String),
    "adult": pl.Boolean,  # the source marks it as over 18
    "split": pl.String,  # set where the source says where a row belongs; else null
}

RAW = pl.Schema(
    {
        "id": pl.String,  # stable across runs and dumps: stackexchange:cooking:12345
        "source": pl.String,
        "group": pl.String,  # the quota it counts for
        "domain": pl.String,  # site, category or subreddit
        "title": pl.String,  # plain text
        "body": pl.String,  # the question below the title, in `markup`; null if there is none
        "response": pl.String,  # in `markup`; null for a row that is only a prompt
        "system": pl.String,
        "history": pl.List(TURN),  # earlier turns, plain text; empty for a single turn
        "markup": pl.String,  # html, reddit, or markdown (taken as it is)
        **_PROVENANCE,
        **_EVIDENCE,
    }
)

CANDIDATE = pl.Schema(
    {
        "id": pl.String,
        "source": pl.String,
        "group": pl.String,
        "domain": pl.String,
        "prompt": pl.String,
        "response": pl.String,
        "system": pl.String,
        "history": pl.List(TURN),
        "title": pl.String,
        **_PROVENANCE,
        **_EVIDENCE,
    }
)

# One line of the books: why a row left, and where.
DROPPED = pl.Schema({"id": pl.String, "stage": pl.String, "reason": pl.String, "detail": pl.String})

GROUPS = ("stem", "other", "wikihow", "reddit", "natural_instructions", "authored")

REASONS = {
    "malformed": "The record cannot be read as what its file says it is.",
    "low_votes": "Fewer votes than the recipe asks for.",
    "no_answer": "A question, thread or article without a usable answer.",
    "not_top_answer": "Another answer to the same question has more votes.",
    "no_question": "An answer whose question or thread is not in the dump.",
    "superseded": "A newer dump of the same site holds this post again.",
    "excluded_site": "A site or subreddit that the recipe leaves out.",
    "not_a_post": "A tag wiki, moderator nomination or another row that holds no question or answer.",
    "too_short": "The response has fewer characters than the recipe allows.",
    "too_long": "The response has more characters than the recipe allows.",
    "first_person": "The response speaks of its author (I, my) outside quotes and code.",
    "refers_to_other_answers": "The response leans on text that the reader cannot see.",
    "not_self_contained": "The prompt cannot be understood on its own.",
    "language": "The text is not in a language that the recipe allows.",
    "personal_data": "The text holds e-mail addresses, telephone numbers, keys or the like.",
    "unsafe": "The text is unsafe to train on.",
    "adult": "The source marks it as adult.",
    "removed": "The text or the post was deleted, removed, or closed as the recipe says.",
    "licence": "The licence is missing, or is not one that the recipe allows.",
    "after_cutoff": "Written after the date from which machine text is too likely.",
    "machine_text": "The text looks written by a machine, or its author is a bot.",
    "model_origin": "A model wrote it, and the recipe allows no such rows or no more of them.",
    "contaminated": "The text is found in an evaluation set.",
    "duplicate_exact": "The same text as a better row, letter for letter.",
    "duplicate_near": "Nearly the same words as a better row, by verified Jaccard similarity.",
    "duplicate_semantic": "The same in other words as a better row, by cosine similarity.",
    "low_quality": "The text is broken, repetitive or not prose.",
    "rejected": "A reviewer rejected the text.",
    "over_quota": "Its group or domain already has the pool of rows that the recipe asks for.",
    "not_selected": "A sound row that the selection method ranked behind the picked ones.",
}


def shown_title(limit: int) -> pl.Expr:
    """Return what a row is called before people: its title, or the start of its prompt."""
    title = pl.col("title").replace("", None)
    return pl.coalesce(title, "prompt").str.slice(0, limit).alias("title")


def raw_frame(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Build a RAW frame from mappings; columns left out become null, `history` becomes empty."""
    frame = pl.DataFrame(list(rows), schema=RAW, orient="row")
    return frame.with_columns(pl.col("history").fill_null([]))


def conform(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Give `frame` exactly the columns and types of `schema`, in its order.

    Raises polars.exceptions.InvalidOperationError where a value does not fit its type.
    """
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )


def dropped_frame(frame: pl.DataFrame, stage: str) -> pl.DataFrame:
    """Turn rows with `id`, `reason` and `detail` into lines of the books of `stage`."""
    return conform(frame.with_columns(pl.lit(stage).alias("stage")), DROPPED)
