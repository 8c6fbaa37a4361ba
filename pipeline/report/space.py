"""The sections that need vectors: the map, the nearest neighbours, what controls would have picked."""

from typing import Any

import polars as pl

from pipeline.html.figures import WIDTH, Point, Values, Words, histogram, scatter
from pipeline.html.page import number
from pipeline.report.book import Book, Run
from pipeline.report.summaries import QUANTILE_HEAD, colours, quantiles, words
from pipeline.tables import lot

DRAWN = 5_000  # points of the pool on the map
NEAREST = 15


def topics(book: Book, run: Run) -> dict[str, Any]:
    """Draw the map; the script gets what it says of each point."""
    shades = colours(book)
    pool = run.pool.with_columns(lot(run.pool["id"]).alias("lot"))
    chosen = pool.filter(pl.col("split").is_not_null())
    rest = pool.filter(pl.col("split").is_null()).sort("lot").head(DRAWN)
    drawn = pl.concat([rest, chosen]).sort("cluster", "id")
    titles = dict(run.pool.select("id", "title").iter_rows())
    points, told = [], []
    for key, row in enumerate(drawn.iter_rows(named=True)):
        colour = shades.get(row["group"], 7) if row["split"] else None
        points.append(Point(row["x"], row["y"], key, colour))
        told.append(
            {
                "id": row["id"],
                "title": row["title"],
                "at": f"{row['group']} · {row['domain'] or 'none'}",
                "split": row["split"],
                "words": words(row["cluster_words"]),
                "quality": number(row["quality"]),
                "votes": number(row["votes"]),
                "near": titles.get(row["near"]),
                "cosine": number(row["cosine"]),
                "sets": [name for name, ids in sorted(run.controls.items()) if row["id"] in ids],
            }
        )
    clusters = (
        pool.group_by("cluster")
        .agg(
            rows=pl.len(),
            picked=pl.col("split").is_not_null().sum(),
            words=pl.col("cluster_words").first(),
            x=pl.col("x").median(),
            y=pl.col("y").median(),
            example=pl.col("title").sort_by("lot").first(),
        )
        .sort(["rows", "cluster"], descending=[True, False])
    )
    labels = [Words(x["x"], x["y"], words(x["words"], 3)) for x in clusters.head(16).to_dicts()]
    return {
        "svg": scatter(points, labels, "Map of the pool by meaning; picked rows in colour"),
        "drawn": len(rest),
        "pool": len(pool) - len(chosen),
        "picked": len(chosen),
        "groups": sorted((group, shades.get(group, 7)) for group in chosen["group"].unique()),
        "points": told,
        "head": ["topic", "in the pool", "picked", "one of its rows"],
        "rows": [
            [words(x["words"]), f"{x['rows']:,}", f"{x['picked']:,}", x["example"]]
            for x in clusters.iter_rows(named=True)
        ],
    }


def neighbours(run: Run) -> dict[str, Any]:
    """Show how near the picked rows are to each other, and which are nearest."""
    picked = run.pool.filter(pl.col("split").is_not_null() & pl.col("near").is_not_null())
    others = run.pool.filter(pl.col("split").is_null() & pl.col("near").is_not_null())
    titles = dict(run.pool.select("id", "title").iter_rows())
    pair = pl.concat_list("id", "near").list.sort().list.join("\0").alias("pair")
    close = picked.with_columns(pair).sort(["cosine", "id"], descending=[True, False])
    close = close.unique("pair", keep="first", maintain_order=True).head(NEAREST)
    before = Values("the rows that were not picked", others["cosine"].to_list())
    after = Values("the picked rows", picked["cosine"].to_list())
    borders = [edge / 40 for edge in range(41)]
    return {
        "svg": histogram(
            before, after, borders, "Cosine to the nearest other picked row", width=WIDTH
        ),
        "head": QUANTILE_HEAD,
        "rows": [quantiles(item, 2) for item in (before, after)],
        "close_head": ["cosine", "row", "its nearest picked row"],
        "close": [
            [
                number(x["cosine"]),
                f"{x['title']} ({x['id']})",
                f"{titles.get(x['near'], '')} ({x['near']})",
            ]
            for x in close.iter_rows(named=True)
        ],
    }


def controls(book: Book) -> dict[str, Any]:
    """Set the picked rows beside what chance, length alone and votes alone would have picked."""
    certificate = book.manifest["certificate"]
    measures = list(next(iter(certificate.values()), {}))
    shared: dict[str, int] = {}
    missed: dict[str, list[dict[str, Any]]] = {}
    if book.run:
        pool = book.run.pool
        picked = set(pool.filter(pl.col("split").is_not_null() & ~pl.col("only_prompt"))["id"])
        for name, ids in book.run.controls.items():
            shared[name] = len(picked & ids)
            only = pool.filter(pl.col("id").is_in(list(ids - picked)))
            order = "votes" if name == "votes" else "chars" if name == "longest" else "id"
            down = name != "random"
            best = only.sort([order, "id"], descending=[down, False], nulls_last=True).head(5)
            missed[name] = best.to_dicts()
    lines = [
        [
            name.replace("_", " "),
            *(
                number(values.get(name), 0 if name == "mean_chars" else 3)
                for values in certificate.values()
            ),
        ]
        for name in measures
    ]
    if shared:
        lines.append(
            [
                "rows that we picked, too",
                "",
                *(str(shared.get(n, "")) for n in list(certificate)[1:]),
            ]
        )
    return {"head": ["", *certificate], "rows": lines, "missed": missed}
