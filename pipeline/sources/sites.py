"""Stack Exchange sites: their names, and the group that the table of sites gives them.

LIMA (section 2.1) splits 179 exchanges into 75 STEM, 99 other and 5 left out, and does not print
the list: recipes/sites.csv is our reading of it (docs/decisions).
"""

import csv
from functools import cache
from importlib import resources

from pipeline.recipe import StackExchange

_ENDINGS = (".stackexchange.com", ".com", ".net", ".org", ".example")


def short_name(host: str) -> str:
    """Return the name that ids use: `cooking` for cooking.stackexchange.com."""
    for ending in _ENDINGS:
        if host.endswith(ending):
            return host.removesuffix(ending)
    return host


def is_meta(host: str) -> bool:
    """Tell whether the site is about a site (its politics), not about a subject."""
    return host.startswith("meta.") or ".meta." in host


@cache
def table() -> dict[str, str]:
    """Return the shipped table: short name -> stem, other or skip."""
    text = resources.files("pipeline.recipes").joinpath("sites.csv").read_text("utf-8")
    return {row["site"]: row["group"] for row in csv.DictReader(text.splitlines())}


def group_of(host: str, settings: StackExchange) -> str | None:
    """Return the site's group, or None if the recipe leaves it out."""
    if is_meta(host):
        return "other" if settings.meta else None
    name = short_name(host)
    group = settings.sites.get(name) or table().get(name) or settings.unlisted
    return None if group == "skip" else group
