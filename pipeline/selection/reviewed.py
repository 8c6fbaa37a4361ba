"""Hold a pick to what reviewers said: a rejected row gives its place away, an accepted one stays.

The rest of the pick is left as the method made it. A rejected row is still among the candidates
while the method picks, so that its near copies are held back as before and no other pick moves;
the row that takes its place, rank and split is the next that the method would have taken.
"""

import polars as pl

from pipeline.review.verdicts import ACCEPTED, EDITED, REJECTED
from pipeline.selection.candidates import Candidates, Method, Pick

_REJECTED = pl.col("review").eq(REJECTED).fill_null(False)


def without_rejected(rows: pl.DataFrame) -> pl.DataFrame:
    """Leave the rejected rows out."""
    return rows.filter(~_REJECTED) if "review" in rows.columns else rows


def books_of_rejected(rows: pl.DataFrame, books: pl.DataFrame) -> pl.DataFrame:
    """Book the rejected rows as what they are; returns the books of all rows, sorted by id."""
    if "review" not in rows.columns:
        return books.sort("id")
    rejected = rows.filter(_REJECTED).select("id", said="review_reason")
    named = books.join(rejected, on="id", how="left")
    said = pl.col("said").is_not_null()
    return named.select(
        "id",
        reason=pl.when(said).then(pl.lit(REJECTED)).otherwise("reason"),
        detail=pl.when(said).then("said").otherwise("detail"),
    ).sort("id")


def places(candidates: Candidates, *reviews: str) -> set[int]:
    """Return the places of the rows with one of these verdicts."""
    if "review" not in candidates.frame.columns:
        return set()
    said = candidates.frame["review"].to_list()
    return {place for place, review in enumerate(said) if review in reviews}


def respect(method: Method, candidates: Candidates, count: int) -> Pick:
    """Pick `count` rows by a method, without the rejected and with the accepted ones."""
    fresh = method(candidates, count)
    out = places(candidates, REJECTED)
    stay = places(candidates, ACCEPTED, EDITED)
    if not out & set(fresh.order) and stay <= set(fresh.order):
        return fresh
    taken = set(fresh.order) | out
    waiting = [place for place in sorted(stay) if place not in taken]
    further = method(candidates, min(len(candidates), count + len(out))).order
    queue = [place for place in (*further, *range(len(candidates))) if place not in taken | stay]
    successors = iter(dict.fromkeys([*waiting, *queue]))
    order = [next(successors, None) if place in out else place for place in fresh.order]
    final = [place for place in order if place is not None]
    waiting = [place for place in waiting if place not in final]
    final += waiting[: max(0, count - len(final))]
    waiting = [place for place in waiting if place not in final]
    weakest = [at for at in reversed(range(len(final))) if final[at] not in stay]
    for at, place in zip(weakest, waiting, strict=False):
        final[at] = place
    return Pick(final, fresh.why, fresh.facts)
