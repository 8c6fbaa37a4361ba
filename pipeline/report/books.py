"""The sections that the books fill: the head, the funnel with its reasons, copies, times.

Every function returns plain values for report.html; texts of rows stay texts until the template
escapes them. So in rows.py and space.py.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from pipeline.html.figures import WIDTH, Bar, Values, bars, histogram
from pipeline.html.page import number
from pipeline.record import REASONS, shown_title
from pipeline.release.gates import failed
from pipeline.release.licences import summarise
from pipeline.report import funnel
from pipeline.report.book import TITLE, Book, Run, jaccards
from pipeline.report.summaries import mean

FAILING = 200  # rows that fail a gate; the manifest has all


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
        ("rows held back" if failed(manifest) else "rows released", f"{len(book.rows):,}", counts),
        (
            "domains",
            f"{book.rows.select('group', 'domain').n_unique():,}",
            f"{book.rows['group'].n_unique()} groups",
        ),
        ("tokens a training row", number(mean(train["tokens"]), 0), "WordPiece, all messages"),
        ("mean quality", number(mean(quality)), "0 to 1, within groups"),
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


def gates(book: Book) -> dict[str, Any]:
    """List what each gate found, and the rows that fail one."""
    outcomes = book.manifest.get("gates") or []
    titles = dict(book.rows.select("id", shown_title(TITLE)).iter_rows())
    failing = [
        [item["gate"], f"{titles.get(row, '')} ({row})", why]
        for item in outcomes
        if not item["ok"]
        for row, why in item["rows"]
    ]
    return {
        "blocked": bool(failed(book.manifest)),
        "head": ["gate", "outcome", "found"],
        "rows": [
            [item["gate"], "passed" if item["ok"] else "failed", item["said"]] for item in outcomes
        ],
        "failing_head": ["gate", "row", "why"],
        "failing": failing[:FAILING],
        "failing_count": len(failing),
    }


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


def _by(frame: pl.DataFrame, *keys: str) -> Mapping[tuple[Any, ...], pl.DataFrame]:
    return frame.partition_by(list(keys), as_dict=True, maintain_order=True)
