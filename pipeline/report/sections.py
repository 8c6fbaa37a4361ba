"""From a book to what the page shows: a picture and its numbers for each section.

Every function returns plain values for report.html; texts of rows stay texts until the template
escapes them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipeline.html.figures import WIDTH, Bar, Point, Values, Words, bars, edges, histogram, scatter
from pipeline.html.page import number
from pipeline.record import REASONS
from pipeline.release.licences import summarise
from pipeline.report import funnel
from pipeline.report.book import Book, Run, jaccards
from pipeline.tables import lot

DRAWN = 5_000  # points of the pool on the map
DOMAINS = 30
NEAREST = 15
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_QUANTILE_HEAD = ["set", "rows", "5 %", "25 %", "middle", "75 %", "95 %", "mean"]


def overview(book: Book) -> list[tuple[str, str, str]]:
    """Say the most important numbers, as tiles."""
    manifest = book.manifest
    counts = ", ".join(f"{rows:,} {name}" for name, rows in manifest["rows"].items() if rows)
    quality = book.rows["quality"].drop_nulls()
    licences = summarise([text for text in book.rows["licence"] if text])
    train = book.rows.filter(pl.col("split") == "train")
    return [
        (
            "records read",
            f"{manifest['funnel'][0]['rows_in']:,}",
            f"{len(manifest['inputs'])} files",
        ),
        ("rows released", f"{len(book.rows):,}", counts),
        (
            "domains",
            f"{book.rows.select('group', 'domain').n_unique():,}",
            f"{book.rows['group'].n_unique()} groups",
        ),
        ("tokens a training row", number(_mean(train["tokens"]), 0), "WordPiece, all messages"),
        ("mean quality", number(_mean(quality)), "0 to 1, within groups"),
        ("licences", f"{len(licences.shares)}", "all open" if licences.open else "not all open"),
    ]


def stages(book: Book) -> dict[str, Any]:
    """Tell the funnel: a picture, and for each stage its reasons with sample rows."""
    lines = book.manifest["funnel"]
    shown = {
        key: list(part.iter_rows(named=True))
        for key, part in _by(book.samples, "stage", "reason").items()
    }
    told = []
    for line in lines:
        reasons = sorted(line["dropped"].items(), key=lambda item: (-item[1], item[0]))
        told.append(
            {
                **line,
                "reasons": [
                    {
                        "code": code,
                        "rows": rows,
                        "means": REASONS.get(code, ""),
                        "samples": shown.get((line["stage"], code), []),
                    }
                    for code, rows in reasons
                ],
            }
        )
    return {
        "svg": funnel.draw(lines, "How many rows came out of each stage"),
        "log": funnel.is_logarithmic(lines),
        "head": ["stage", "rows in", "rows out", "left"],
        "rows": [
            [
                x["stage"],
                f"{x['rows_in']:,}",
                f"{x['rows_out']:,}",
                f"{sum(x['dropped'].values()):,}",
            ]
            for x in lines
        ],
        "stages": told,
    }


def groups(book: Book) -> dict[str, Any]:
    """Set groups against their quotas, and list domains."""
    lines = book.manifest["groups"]
    drawn = [
        Bar(
            f"{x['group']} ({x['split']})",
            x["got"],
            mark=x["wanted"],
            note=f"of {x['wanted']:,}",
            colour=_colours(book)[x["group"]],
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
                "head": _QUANTILE_HEAD,
                "rows": [_quantiles(item) for item in (pool, after)],
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
                "head": _QUANTILE_HEAD,
                "rows": [_quantiles(item, 2) for item in (pool, after)],
            }
        )
    return made


def _part(frame: pl.DataFrame, name: str) -> list[float]:
    if name == "quality" or "quality_parts" not in frame.columns:
        return frame["quality"].drop_nulls().to_list() if name == "quality" else []
    struct = frame["quality_parts"].struct
    return struct.field(name).drop_nulls().to_list() if name in struct.fields else []


def topics(book: Book, run: Run) -> dict[str, Any]:
    """Draw the map; the script gets what it says of each point."""
    colours = _colours(book)
    pool = run.pool.with_columns(lot(run.pool["id"]).alias("lot"))
    chosen = pool.filter(pl.col("split").is_not_null())
    rest = pool.filter(pl.col("split").is_null()).sort("lot").head(DRAWN)
    drawn = pl.concat([rest, chosen]).sort("cluster", "id")
    titles = dict(run.pool.select("id", "title").iter_rows())
    points, told = [], []
    for key, row in enumerate(drawn.iter_rows(named=True)):
        colour = colours.get(row["group"], 7) if row["split"] else None
        points.append(Point(row["x"], row["y"], key, colour))
        told.append(
            {
                "id": row["id"],
                "title": row["title"],
                "at": f"{row['group']} · {row['domain'] or 'none'}",
                "split": row["split"],
                "words": _words(row["cluster_words"]),
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
    labels = [Words(x["x"], x["y"], _words(x["words"], 3)) for x in clusters.head(16).to_dicts()]
    return {
        "svg": scatter(points, labels, "Map of the pool by meaning; picked rows in colour"),
        "drawn": len(rest),
        "pool": len(pool) - len(chosen),
        "picked": len(chosen),
        "groups": sorted((group, colours.get(group, 7)) for group in chosen["group"].unique()),
        "points": told,
        "head": ["topic", "in the pool", "picked", "one of its rows"],
        "rows": [
            [_words(x["words"]), f"{x['rows']:,}", f"{x['picked']:,}", x["example"]]
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
        "head": _QUANTILE_HEAD,
        "rows": [_quantiles(item, 2) for item in (before, after)],
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


def duplicates(run: Run) -> dict[str, Any]:
    """Show the pairs that were found, with their measured similarity."""
    found = jaccards(run.folder)
    count, pairs = len(found), run.pairs
    borders = [0.5 + edge / 40 for edge in range(21)]
    step = [(0.5 + k / 10, 0.6 + k / 10) for k in range(5)]
    kinds = {
        kind: [
            [
                number(x["jaccard"]),
                x["field"],
                f"{x['a_title'] or ''} ({x['a']})",
                f"{x['b_title'] or ''} ({x['b']})",
            ]
            for x in pairs.filter(pl.col("kind") == kind).iter_rows(named=True)
        ]
        for kind in ("least alike", "near miss", "most alike")
    }
    return {
        "count": count,
        "svg": histogram(
            Values("none", []),
            Values("pairs", found.to_list()),
            borders,
            "Jaccard similarity of the pairs that count as copies",
            colour=3,
            width=WIDTH,
        ),
        "head": ["Jaccard", "pairs"],
        "rows": [
            [
                f"{low:.1f} to {high:.1f}",
                f"{int(((found >= low) & ((found < high) | (high > 0.99))).sum()):,}",
            ]
            for low, high in step
        ],
        "pair_head": ["Jaccard", "field", "row", "and"],
        "kinds": kinds,
    }


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


def timings(run: Run) -> dict[str, Any]:
    """Say how long each stage took when it last worked."""
    drawn = [Bar(x.stage, x.seconds, note="s", colour=7) for x in run.manifests]
    return {
        "svg": bars(drawn, "Seconds of each stage"),
        "total": number(sum(x.seconds for x in run.manifests), 1),
        "head": ["stage", "seconds", "rows in", "rows a second"],
        "rows": [
            [
                x.stage,
                number(x.seconds),
                f"{x.rows_in:,}",
                number(x.rows_in / x.seconds, 0) if x.seconds else "–",
            ]
            for x in run.manifests
        ],
    }


def _colours(book: Book) -> dict[str, int]:
    """Give each group the same colour everywhere."""
    names = sorted({*book.rows["group"].unique(), *(x["group"] for x in book.manifest["groups"])})
    return {name: place % 8 for place, name in enumerate(names)}


def _quantiles(item: Values, digits: int = 0) -> list[str]:
    series = pl.Series(item.values, dtype=pl.Float64)
    marks = [series.quantile(q, "nearest") for q in _QUANTILES]
    cells = [number(None if mark is None else round(mark, digits), digits) for mark in marks]
    return [item.name, f"{len(series):,}", *cells, number(_mean(series), digits)]


def _mean(values: pl.Series) -> float | None:
    mean = values.mean()
    return mean if isinstance(mean, float) else None


def _by(frame: pl.DataFrame, *keys: str) -> Mapping[tuple[Any, ...], pl.DataFrame]:
    return frame.partition_by(list(keys), as_dict=True, maintain_order=True)


def _words(value: str | Sequence[str] | None, count: int = 5) -> str:
    words = value.split(", ") if isinstance(value, str) else list(value or [])
    return ", ".join(words[:count])
