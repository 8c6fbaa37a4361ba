"""Keep places for careful refusals: LIMA wrote 13 of them on purpose (arXiv 2305.11206, 2.2)."""

import polars as pl

from pipeline.review.verdicts import ACCEPTED

TAG = "refusal"


def reserve_refusals(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    """Have `count` refusals stay as rows that a reviewer accepted do; the better ones first.

    Only authored rows with an answer that may be trained on; what a reviewer said stands.
    """
    if not count:
        return rows
    usable = (
        (pl.col("group") == "authored")
        & pl.col("tags").list.contains(TAG)
        & ~pl.col("only_prompt")
        & pl.col("hint").is_in(["validation", "test"]).not_().fill_null(True)
        & pl.col("review").is_null()
    )
    order = ["quality", "id"]
    found = rows.filter(usable.fill_null(False)).sort(
        order, descending=[True, False], nulls_last=True
    )
    chosen = found["id"].head(count).implode()
    review = pl.when(pl.col("id").is_in(chosen)).then(pl.lit(ACCEPTED)).otherwise("review")
    return rows.with_columns(review=review)
