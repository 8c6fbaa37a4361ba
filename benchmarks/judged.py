"""What a judge's marks are worth beside the other parts of the score. Called by quality.py.

A judge costs a call for each text, so it reads few of each set, drawn by lot; all lines of the
table are of the same rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from ablation import agreement, by_lot, candidates, drawn, lines, table, texts_of
from numpy.typing import NDArray

from pipeline.judge.asking import Asker
from pipeline.judge.pairs import read_benchmark
from pipeline.judge.pointwise import grade_rows
from pipeline.recipe import Judge

Floats = NDArray[np.float64]
Column = Callable[[pl.DataFrame, Floats], str]

ROWS = 100  # of each set; half as many pairs
ALL = "**all, default weights**"


@dataclass(frozen=True)
class Rows:
    """Texts that a judge grades, and what each column of the table makes of a score of them."""

    frame: pl.DataFrame  # prompt, response
    columns: Mapping[str, Column]


def some(frame: pl.DataFrame) -> pl.DataFrame:
    """Draw as many rows as a judge reads."""
    return drawn(frame, ROWS)


def pairs(folder: Path) -> list[Rows]:
    """The labelled pairs of a folder, each response graded by itself."""
    sets, _ = read_benchmark(folder)
    found = []
    for name, every in sets.items():
        chosen = by_lot(every, ROWS // 2)
        title = f"{name.removesuffix('-v1')} ({len(chosen)})"
        found.append(
            Rows(texts_of(chosen), {title: lambda _, s, chosen=chosen: agreement(chosen, s)})
        )
    return found


def section(sets: Sequence[Rows], settings: Judge, cache: Path) -> str:
    """Let a judge grade the rows of all sets, and write the section about its marks."""
    head: list[str] = []
    cells: dict[str, list[str]] = {}
    asked = lost = 0
    for rows in sets:
        frame = candidates(rows.frame, cache)
        marked = _marked(frame, settings, cache / "replies")
        asked, lost = asked + len(frame), lost + marked["judge_mark"].null_count()
        with_judge = lines(marked)
        scores = {name: with_judge[name] for name in ("random", "longer is better", "judge alone")}
        scores |= {ALL: lines(frame)[ALL], "the same, and the judge": with_judge[ALL]}
        for column, measured in rows.columns.items():
            head.append(column)
            for name, s in scores.items():
                cells.setdefault(name, []).append(measured(frame, s))
    return "\n\n".join(
        [
            "## A judge",
            f"The marks of {settings.model} on the scale `{settings.scale}`: {asked:,} texts, {lost} of them "
            "without a mark. Labels of people: Spearman's rank correlation over rows of the half of the sites that "
            "nothing was chosen on. LIMA's rows: AUC. Pairs: agreement as LIMA counts it.",
            table(["score", *head], [[name, *values] for name, values in cells.items()]),
        ]
    )


def _marked(frame: pl.DataFrame, settings: Judge, replies: Path) -> pl.DataFrame:
    rows = frame.select("id", "prompt", "response", history=pl.lit(None))
    with Asker(settings, replies) as asker:
        marks = grade_rows(rows, asker)
    return frame.with_columns(marks["mark"].alias("judge_mark"))
