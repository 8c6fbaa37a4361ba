"""The last step: top answers and their questions become candidates, with names and licences."""

import polars as pl

from pipeline.record import RAW, conform
from pipeline.sources import dialogues
from pipeline.sources.sites import short_name
from pipeline.sources.stackexchange.columns import author, licence, profile, tags
from pipeline.sources.stackexchange.files import NAME
from pipeline.sources.xmlrows import unescape_columns

_TEXTS = ("body", "owner_name", "title_asked", "body_asked", "tags_asked", "owner_name_asked")


def finish(
    top: pl.DataFrame,
    names: pl.DataFrame,
    comments: pl.DataFrame,
    ranks: pl.DataFrame,
    host: str,
    group: str | None,
) -> pl.DataFrame:
    """Make candidates (record.RAW) of top answers that are joined to their questions."""
    top = unescape_columns(top, _TEXTS)
    top = top.join(names, on="owner", how="left").join(
        names.rename({"owner": "owner_asked", "name": "name_asked"}),
        on="owner_asked",
        how="left",
    )
    top = top.with_columns(year=pl.col("created_at").dt.year()).join(
        ranks, on=["dump", "year", "votes"], how="left"
    )
    name, base = short_name(host), f"https://{host}"
    frame = top.sort("answer").select(
        pl.format("stackexchange:{}:{}", pl.lit(name), "answer").alias("id"),
        source=pl.lit(NAME),
        group=pl.lit(group),
        domain=pl.lit(name),
        title="title_asked",
        body="body_asked",
        response="body",
        system=pl.lit(None, pl.String),
        history=pl.lit([], RAW["history"]),
        markup=pl.lit("html"),
        url=pl.format("{}/a/{}", pl.lit(base), "answer"),
        author=author("name", "owner_name"),
        author_url=profile(base, "owner"),
        prompt_url=pl.format("{}/q/{}", pl.lit(base), "question"),
        prompt_author=author("name_asked", "owner_name_asked"),
        prompt_author_url=profile(base, "owner_asked"),
        licence=licence(),
        created_at="created_at",
        votes="votes",
        origin=pl.lit("human"),
        accepted="accepted",
        votes_rank="votes_rank",
        tags=tags("tags_asked"),
        adult=pl.lit(False),
        split=pl.lit(None, pl.String),
    )
    if len(comments):
        keys = top.sort("answer").select("answer", "owner", "owner_asked")
        frame = dialogues.extend(frame, keys, comments)
    return conform(frame, RAW)
