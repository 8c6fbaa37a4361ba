"""The sections that count rows: groups and domains, lengths, votes, quality, licences."""

from typing import Any

import polars as pl

from pipeline.html.figures import Bar, Values, bars, edges, histogram
from pipeline.html.page import number
from pipeline.release.licences import summarise
from pipeline.report.book import Book
from pipeline.report.summaries import QUANTILE_HEAD, colours, quantiles

DOMAINS = 30


def groups(book: Book) -> dict[str, Any]:
    """Set groups against their quotas, and list domains."""
    lines = book.manifest["groups"]
    drawn = [
        Bar(
            f"{x['group']} ({x['split']})",
            x["got"],
            mark=x["wanted"],
            note=f"of {x['wanted']:,}",
            colour=colours(book)[x["group"]],
        )
        for x in lines
    ]
    domains = (
        book.rows.group_by("domain", "group")
        .agg(
            rows=pl.len(),
            train=(pl.col("split") == "train").sum(),
            quality=pl.col("quality").mean(),
        )
        .sort(["rows", "domain", "group"], descending=[True, False, False])
    )
    pool = {}
    if book.run:
        counted = book.run.pool.group_by("domain", "group").len()
        pool = {(domain, group): rows for domain, group, rows in counted.iter_rows()}
    return {
        "svg": bars(drawn, "Rows of each group and split; a line marks the quota"),
        "head": ["group", "split", "quota", "rows", "difference"],
        "rows": [
            [
                x["group"],
                x["split"],
                f"{x['wanted']:,}",
                f"{x['got']:,}",
                f"{x['got'] - x['wanted']:+,}",
            ]
            for x in lines
        ],
        "short": [
            {
                **item,
                "because": ", ".join(
                    f"{code} ({rows:,})" for code, rows in item.get("because") or []
                ),
            }
            for item in book.manifest["shortfall"]
        ],
        "domain_count": len(domains),
        "domain_head": ["domain", "group", "in the pool", "rows", "train", "mean quality"],
        "domains": [
            [
                x["domain"] or "none",
                x["group"],
                number(pool.get((x["domain"], x["group"]))),
                f"{x['rows']:,}",
                f"{x['train']:,}",
                number(x["quality"]),
            ]
            for x in domains.head(DOMAINS).iter_rows(named=True)
        ],
    }


def distributions(book: Book) -> list[dict[str, Any]]:
    """Show lengths and votes, of the pool before selection and of the picked rows after it."""
    rows = book.rows.with_columns(pl.coalesce("response", "prompt").str.len_chars().alias("chars"))
    answers = rows.filter(pl.col("response").is_not_null())
    before = book.run.pool.filter(~pl.col("only_prompt")) if book.run else None
    made = []
    for name, title, says in (
        ("chars", "Characters of the response", "on a logarithmic axis"),
        ("votes", "Votes", "rows that have votes, on a logarithmic axis"),
    ):
        after = Values("the picked rows", answers[name].drop_nulls().to_list())
        pool = Values("the pool", before[name].drop_nulls().to_list() if before is not None else [])
        borders = edges([*pool.values, *after.values], log=True)
        made.append(
            {
                "title": title,
                "says": f"Bars: picked rows. Grey area: {'the pool they were picked from' if book.run else 'not known'}; {says}. The last bin holds all that is longer or higher.",
                "svg": histogram(pool, after, borders, f"{title}: pool and picked rows"),
                "head": QUANTILE_HEAD,
                "rows": [quantiles(item) for item in (pool, after)],
            }
        )
    return made


def quality(book: Book) -> list[dict[str, Any]]:
    """Show the score and each of its parts, before and after."""
    before = book.run.pool.filter(~pl.col("only_prompt")) if book.run else book.rows.clear()
    names = ["quality"]
    if "quality_parts" in book.rows.columns:
        names += [field.name for field in book.rows.schema["quality_parts"].fields]  # type: ignore[attr-defined]
    weights = book.manifest["recipe"].get("score", {}).get("weights", {})
    made = []
    for place, name in enumerate(names):
        after = Values("the picked rows", _part(book.rows, name))
        pool = Values("the pool", _part(before, name))
        borders = [edge / 20 for edge in range(21)]
        said = "the whole score" if name == "quality" else f"weight {weights.get(name, 0):g}"
        made.append(
            {
                "title": name,
                "says": said,
                "svg": histogram(
                    pool, after, borders, f"{name}: pool and picked rows", colour=place
                ),
                "head": QUANTILE_HEAD,
                "rows": [quantiles(item, 2) for item in (pool, after)],
            }
        )
    return made


def _part(frame: pl.DataFrame, name: str) -> list[float]:
    if name == "quality" or "quality_parts" not in frame.columns:
        return frame["quality"].drop_nulls().to_list() if name == "quality" else []
    struct = frame["quality_parts"].struct
    return struct.field(name).drop_nulls().to_list() if name in struct.fields else []


def licences(book: Book) -> dict[str, Any]:
    """Count rows by licence."""
    summary = summarise([text for text in book.rows["licence"] if text])
    total = max(len(book.rows), 1)
    drawn = [
        Bar(name, rows, note=f"{rows / total:.1%}", colour=0)
        for name, rows in summary.shares.items()
    ]
    return {
        "svg": bars(drawn, "Rows by licence"),
        "head": ["licence", "rows", "share"],
        "rows": [
            [name, f"{rows:,}", f"{rows / total:.1%}"] for name, rows in summary.shares.items()
        ],
        "non_commercial": summary.non_commercial,
        "unlicensed": summary.unlicensed,
    }
