"""Pictures of a run, as PNG: where the picked rows lie among the pool, and how long they are."""

import io
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

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
        .head(12)
    )
    for row in large.iter_rows(named=True):
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


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
