"""Read the rows to learn from: a labelled table, or good rows and ordinary ones in two files.

Any shape that `thousand audit` reads is read. A label is a number, or a verdict of a review
(accept, reject). The group of a row, by which learning is checked, is the site it comes from; where rows
name none, topics stand in for sites.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.errors import CurationError
from pipeline.instructions import read_instructions

GROUP_COLUMNS = ("domain", "site", "host")
VERDICTS = {
    "accept": 1.0, "accepted": 1.0, "edit": 1.0, "edited": 1.0, "reject": 0.0, "rejected": 0.0,
    "true": 1.0, "false": 0.0,
}  # fmt: skip
EDITS = ("edit", "edited")
TEXTS = {"prompt": "new_prompt", "response": "new_response"}  # what an export says of an edit
UNDECIDED = ("flag", "clear")  # a review's words for "look again"
TOPICS = "topics"
_TOPICS = 20


def labelled(
    files: Sequence[Path], column: str, groups: str | None
) -> tuple[pl.DataFrame, list[str]]:
    """Return `prompt`, `response`, `label` and `group` of tables with a column of labels.

    Rows without a label, a prompt or a response are left out; sentences say how many. An edit counts with the text that
    the reviewer wrote. Raises CurationError where a label is no number and no verdict, or where no row has one.
    """
    if column in (*TEXTS, *TEXTS.values()):
        raise CurationError(f"The column {column!r} holds texts; name a column of labels.")
    frame, told = _read(files, groups, label=column)
    said = pl.col("label").str.strip_chars().str.to_lowercase()
    open_ = said.is_null() | said.is_in(["", *UNDECIDED])
    told += _left_out("Rows without a label", frame.filter(open_))
    frame = frame.filter(~open_)
    if not len(frame):
        raise CurationError(
            f"{_named(files)}: no row has a label in a column {column!r}; name the column with --label."
        )
    verdict = said.replace_strict(VERDICTS, default=None, return_dtype=pl.Float64)
    read_as = pl.coalesce(said.cast(pl.Float64, strict=False), verdict)
    bad = frame.filter(read_as.is_null() | ~read_as.is_finite())
    if len(bad):
        raise CurationError(
            f"{bad['file'][0]}, record {bad['number'][0]}: the label {bad['label'][0]!r} is neither a "
            f"number nor one of {', '.join(VERDICTS)}; repair it, or leave it empty."
        )
    return frame.select("prompt", "response", read_as.alias("label"), "group"), told


def contrasted(
    good: Sequence[Path], ordinary: Sequence[Path], groups: str | None
) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows of good files with label 1 and those of ordinary files with label 0.

    Rows without a prompt or a response are left out; sentences say how many.
    """
    frames, told = [], []
    for files, label in ((good, 1.0), (ordinary, 0.0)):
        frame, said = _read(files, groups)
        frames.append(frame.select("prompt", "response", pl.lit(label).alias("label"), "group"))
        told += said
    return pl.concat(frames), told


def counted_once(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Leave out rows that are given again with the same label; say what was found, in sentences.

    Rows that are given with several labels stay, as several opinions. Raises CurationError where all are.
    """
    once = frame.unique(["prompt", "response", "label"], keep="first", maintain_order=True)
    disputed = int((once.group_by("prompt", "response").len()["len"] > 1).sum())
    texts = once.select("prompt", "response").n_unique()
    if disputed and disputed == texts:
        raise CurationError(
            f"All {texts:,} labelled rows are given with more than one label, so that there is nothing to tell "
            "apart; look whether the same file was named twice."
        )
    told = []
    if len(once) < len(frame):
        again = len(frame) - len(once)
        told.append(f"Rows given again with the same label, which count once: {again:,}.")
    if disputed:
        told.append(
            f"Rows given with more than one label, each of which counts: {disputed:,} of {texts:,}."
        )
    return once, told


def _read(
    files: Sequence[Path], groups: str | None, label: str | None = None
) -> tuple[pl.DataFrame, list[str]]:
    """Read rows with the columns `label`, `group`, `file` and `number`, whatever those of the files are called."""
    wanted = [groups] if groups and groups != TOPICS else list(GROUP_COLUMNS)
    keep = list(dict.fromkeys([*([label] if label else []), *TEXTS.values(), *wanted]))
    frames = []
    for path in files:
        frame = read_instructions(path, keep=keep)
        said = pl.col(label) if label else pl.lit(None, pl.String)
        edited = said.str.strip_chars().str.to_lowercase().is_in(EDITS)
        frames.append(
            frame.select(
                *(
                    pl.when(edited & (pl.col(new).str.strip_chars() != ""))
                    .then(new)
                    .otherwise(own)
                    .alias(own)
                    for own, new in TEXTS.items()
                ),
                label=said,
                group=pl.lit(None, pl.String) if groups == TOPICS else pl.coalesce(wanted),
                file=pl.lit(str(path)),
                number=pl.row_index() + 1,
            )
        )
    frame = pl.concat(frames)
    whole = pl.all_horizontal(
        pl.col(name).str.strip_chars().fill_null("") != "" for name in ("prompt", "response")
    )
    left_out = _left_out("Rows without a prompt or a response", frame.filter(~whole))
    return frame.filter(whole), left_out


def _left_out(what: str, rows: pl.DataFrame) -> list[str]:
    return [f"{what}, which are left out: {len(rows):,}."] if len(rows) else []


Groups = tuple[npt.NDArray[np.int64], str]  # the number of each row's group; what they are


def named_groups(frame: pl.DataFrame, groups: str | None) -> Groups | None:
    """Number the groups that rows name; None where topics stand in, as asked or as some name none."""
    known = frame["group"].is_not_null()
    if groups not in (None, TOPICS) and not known.all():
        lacking = (
            "No labelled row has"
            if not known.any()
            else f"{int((~known).sum()):,} labelled rows lack"
        )
        raise CurationError(
            f"{lacking} a value in a column {groups!r}; name another column, or use --groups topics."
        )
    if groups == TOPICS or not known.all():
        return None
    return frame["group"].rank("dense").cast(pl.Int64).to_numpy(), groups or "sites"


def topics(frame: pl.DataFrame, prompts: npt.NDArray[np.float32], groups: str | None) -> Groups:
    """Number the topics of rows, by the vectors of their prompts."""
    from pipeline.cluster import assign
    from pipeline.recipe import Cluster

    known = frame["group"].is_not_null()
    found, _ = assign(prompts, Cluster(clusters=min(_TOPICS, len(frame))))
    some = (
        f", since some rows ({int((~known).sum()):,}) name no site"
        if known.any() and not groups
        else ""
    )
    return found, f"topics of the prompts, by k-means{some}"


def _named(files: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in files)
