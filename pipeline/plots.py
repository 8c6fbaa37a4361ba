"""Pictures of a run, as PNG: where the picked rows lie among the pool, and how long they are."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from pipeline.run import FunnelLine
from pipeline.stage import outputs

# Colours that people with colour blindness can tell apart (Okabe and Ito).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")


def cluster_map(run: Path) -> bytes:
    """Draw the pool in two dimensions, the picked rows on top, with the words of large clusters."""
    columns = ["id", "group", "x", "y", "cluster", "cluster_words"]
    pool = pl.concat([pl.read_parquet(f.path, columns=columns) for f in outputs(run / "score")])
    picked = pl.concat([pl.read_parquet(f.path, columns=["id"]) for f in outputs(run / "select")])
    chosen = pool.filter(pl.col("id").is_in(picked["id"].implode()))
    figure = Figure(figsize=(9, 6.5), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.scatter(pool["x"], pool["y"], s=6, color="#c8c8c8", linewidths=0, label="pool")
    for colour, (key, part) in zip(
        COLOURS, sorted(chosen.partition_by("group", as_dict=True).items()), strict=False
    ):
        axes.scatter(part["x"], part["y"], s=16, color=colour, linewidths=0, label=str(key[0]))
    large = (
        pool.group_by("cluster", "cluster_words")
        .agg(pl.len(), pl.col("x").median(), pl.col("y").median())
        .sort("len", "cluster", descending=[True, False])
    )
    for row in _apart(large.to_dicts(), axes.get_xlim(), axes.get_ylim()):
        words = row["cluster_words"]
        text = words if isinstance(words, str) else ", ".join((words or [])[:3])
        axes.annotate(
            text,
            (row["x"], row["y"]),
            fontsize=8,
            ha="center",
            bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.75},
        )
    axes.set_title(f"{len(chosen):,} picked rows in a pool of {len(pool):,}, by meaning")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower right", markerscale=1.4)
    return _png(figure)


def _apart(
    rows: list[dict[str, Any]], width: tuple[float, float], height: tuple[float, float]
) -> list[dict[str, Any]]:
    """Choose the first dozen labels that do not stand on each other."""
    wide, high = (width[1] - width[0]) * 0.2, (height[1] - height[0]) * 0.04
    chosen: list[dict[str, Any]] = []
    for row in rows:
        if all(
            abs(row["x"] - other["x"]) > wide or abs(row["y"] - other["y"]) > high
            for other in chosen
        ):
            chosen.append(row)
    return chosen[:12]


def length_histogram(release: Path) -> bytes:
    """Draw the characters of the responses of the training rows, group by group."""
    train = pl.read_parquet(release / "data" / "train.parquet", columns=["group", "response"])
    lengths = train.with_columns(pl.col("response").str.len_chars().alias("characters"))
    groups = sorted(lengths["group"].unique())
    figure = Figure(figsize=(9, 1.1 + 1.1 * len(groups)), dpi=110, layout="constrained")
    all_axes = figure.subplots(len(groups), 1, sharex=True, squeeze=False)[:, 0]
    top = float(lengths["characters"].quantile(0.99) or 1) * 1.05
    for axes, group, colour in zip(all_axes, groups, COLOURS, strict=False):
        values = lengths.filter(pl.col("group") == group)["characters"]
        axes.hist(values.to_numpy(), bins=40, range=(0, top), color=colour)
        axes.set_ylabel(f"{group}\n({len(values):,})", rotation=0, ha="right", va="center")
        axes.set_yticks([])
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
    all_axes[-1].set_xlabel("characters of the response")
    all_axes[0].set_title("How long the training responses are")
    return _png(figure)


def funnel_picture(lines: Sequence[FunnelLine], splits: Mapping[str, int]) -> str:
    """Draw the funnel as SVG: a bar per stage that drops rows, with what it dropped and why."""
    shown = [line for line in lines if line.dropped or line.stage == lines[0].stage]
    bars = [(f"{lines[0].rows_in:,} records", lines[0].rows_in, "")]
    for line in shown:
        reasons = sorted(line.dropped.items(), key=lambda item: (-item[1], item[0]))
        said = ", ".join(f"{reason} {count:,}" for reason, count in reasons[:4])
        more = len(reasons) - 4
        bars.append((line.stage, line.rows_out, said + (f", {more} more" if more > 0 else "")))
    figure = Figure(figsize=(9.5, 0.52 * len(bars) + 0.6), layout="constrained")
    axes = figure.subplots()
    top = bars[0][1]
    for place, (name, rows, said) in enumerate(bars):
        colour = COLOURS[2] if place == len(bars) - 1 else COLOURS[0]
        axes.barh(-place, rows, left=(top - rows) / 2, height=0.72, color=colour)
        label = f"{rows:,}" if place else name
        axes.text(top / 2, -place, label, ha="center", va="center", color="white", weight="bold")
        if place:
            axes.text(-top * 0.02, -place, name, ha="right", va="center")
            axes.text(top * 1.02, -place, said, ha="left", va="center", fontsize=8, color="#666666")
    out = ", ".join(f"{rows:,} {split}" for split, rows in splits.items())
    axes.set_title(f"{top:,} records in, {sum(splits.values()):,} rows out ({out})", loc="left")
    axes.set_xlim(-top * 0.14, top * 1.95)
    axes.set_axis_off()
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
    return buffer.getvalue()


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
