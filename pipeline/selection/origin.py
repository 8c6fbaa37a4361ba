"""Hold the rows that a model wrote to the recipe's share, before anything is picked.

The best of them by quality stay; the cap is a share of what the group can give, so that a pool
short of people's rows does not fill up with a model's.
"""

import math

import polars as pl

from pipeline.recipe import Select
from pipeline.tables import BOOKS

REASON = "model_origin"


def cap_model_rows(rows: pl.DataFrame, settings: Select) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that may be picked, and the books of the model rows over the share."""
    by_model = pl.col("origin").str.to_lowercase().eq("model").fill_null(False)
    over: list[str] = []
    kinds = ["group", "only_prompt"]
    for (group, is_prompt), part in rows.partition_by(kinds, as_dict=True).items():
        models = part.filter(by_model)
        wanted = (settings.test if is_prompt else settings.train_quotas).get(str(group), 0)
        allowed = most(settings.max_model_share, wanted, len(part) - len(models))
        ranked = models.sort("quality", "id", descending=[True, False], nulls_last=True)
        over += ranked["id"][allowed:].to_list()
    detail = f"over the share of model rows, {settings.max_model_share:g} of its group"
    books = pl.DataFrame([(name, REASON, detail) for name in over], schema=BOOKS, orient="row")
    return rows.filter(~pl.col("id").is_in(over)), books


def most(share: float, wanted: int, human: int) -> int:
    """Return how many model rows keep to the share, of the places and of the rows there are."""
    of_places = math.floor(share * wanted + 1e-9)
    if share >= 1:
        return of_places
    return min(of_places, math.floor(share / (1 - share) * human + 1e-9))
