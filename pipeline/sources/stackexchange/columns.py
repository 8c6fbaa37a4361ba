"""Columns of a Stack Exchange candidate: author, licence, tags, and where its votes rank."""

import polars as pl

QUESTION = 1
ANSWER = 2
_MIN_YEAR = 30  # answers of a year that make a distribution of their own


def author(name: str, fallback: str) -> pl.Expr:
    """Return the name of Users.xml, else the one on the post, else "anonymous"."""
    texts = [pl.col(column).str.strip_chars() for column in (name, fallback)]
    filled = [pl.when(text.str.len_chars() > 0).then(text) for text in texts]
    return pl.coalesce(*filled, pl.lit("anonymous"))


def profile(base: str, owner: str) -> pl.Expr:
    """Return the address of the owner's page; null for deleted users."""
    # A negative id is the site's own account (Community), which has a profile, too.
    return pl.format("{}/users/{}", pl.lit(base), pl.col(owner).cast(pl.String))


def licence() -> pl.Expr:
    """ContentLicense, else by the date of the post (the site's terms of use at that time)."""
    day = pl.col("created_at").dt.date()
    by_date = (
        pl.when(day < pl.date(2011, 4, 8))
        .then(pl.lit("CC BY-SA 2.5"))
        .when(day < pl.date(2018, 5, 2))
        .then(pl.lit("CC BY-SA 3.0"))
        .otherwise(pl.lit("CC BY-SA 4.0"))
    )
    named = pl.col("content_licence").str.strip_chars()
    return pl.when(named.str.len_chars() > 0).then(named).otherwise(by_date)


def tags(column: str) -> pl.Expr:
    """Read `<a><b>` (until 2023) and `|a|b|` (from 2024)."""
    return pl.col(column).fill_null("").str.extract_all(r"[^<>|]+")


def count_scores(heads: pl.DataFrame) -> pl.DataFrame:
    """Count the answers of each year and number of votes; `written` begins with the year."""
    answers = heads.filter((pl.col("kind") == ANSWER) & pl.col("votes").is_not_null())
    year = pl.col("written").str.head(4).cast(pl.Int32, strict=False).alias("year")
    return answers.group_by(year, "votes").len("count")


def ranks(counts: pl.DataFrame) -> pl.DataFrame:
    """Return the mid-rank share of each number of votes among the site's answers of the year.

    Years with fewer than 30 answers take the distribution of all years.
    """
    counts = counts.group_by("year", "votes").agg(pl.col("count").sum().cast(pl.Float64))
    counts = counts.sort("year", "votes")
    below = pl.col("count").cum_sum() - pl.col("count") / 2
    yearly = counts.with_columns(
        votes_rank=(below / pl.col("count").sum()).over("year"),
        answers=pl.col("count").sum().over("year"),
    )
    overall = counts.group_by("votes").agg(pl.col("count").sum()).sort("votes")
    overall = overall.select("votes", site_rank=below / pl.col("count").sum())
    joined = yearly.join(overall, on="votes", how="left", maintain_order="left")
    rank = pl.when(pl.col("answers") >= _MIN_YEAR).then("votes_rank").otherwise("site_rank")
    return joined.select("year", "votes", rank.round(6).alias("votes_rank"))
