"""Train a learned score from a user's labels and write it with its card: `thousand learn`."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.cores import cores
from pipeline.embed import decisive, embed_texts
from pipeline.errors import CurationError
from pipeline.learning.card import render
from pipeline.learning.fit import (
    FOLDS,
    Training,
    check_groups,
    check_labels,
    out_of_fold,
    train,
)
from pipeline.learning.labels import counted_once, named_groups, topics
from pipeline.learning.measures import (
    Figure,
    auc,
    calibration_error,
    interval,
    rank_correlation,
    reliability,
)
from pipeline.lm.find import find_model
from pipeline.lm.states import Reading, states
from pipeline.manifest import digest_file
from pipeline.recipe import Embed
from pipeline.score.learned import (
    ABOUT,
    STATE,
    WEIGHTS,
    Floats,
    Learned,
    embedding_of,
    features,
    save,
)
from pipeline.vectors import PROMPT, RESPONSE, column, matrix

CARD = "README.md"


@dataclass(frozen=True)
class Answer:
    """What training gave; `model` is ready to be saved."""

    model: Learned
    rows: int
    groups: int
    grouped_by: str
    figures: dict[str, dict[str, Figure]]
    warnings: Sequence[str]

    def to_json(self, out: Path) -> dict[str, Any]:
        """Return the answer of `thousand learn --json`."""
        figures = {
            name: {who: asdict(figure) for who, figure in each.items()}
            for name, each in self.figures.items()
        }
        return {
            "out": str(out),
            "rows": self.rows,
            "groups": self.groups,
            "grouped_by": self.grouped_by,
            "figures": figures,
            "warnings": list(self.warnings),
        }

    def render(self, out: Path) -> str:
        """Say it for people."""
        lines = [
            f"{self.rows:,} rows of {self.groups} groups ({self.grouped_by}); on groups that it never saw:",
            *(
                f"  {name}: {figures['learned']}, length alone {figures['length']}"
                for name, figures in self.figures.items()
            ),
            *(f"warning: {sentence}" for sentence in self.warnings),
            f"{out}: name it in a recipe as score.learned",
        ]
        return "\n".join(lines)


def learn(
    frame: pl.DataFrame,
    files: Sequence[Path],
    *,
    told: Sequence[str] = (),
    groups: str | None = None,
    settings: Embed | None = None,
    lm: str | None = None,
    cache: Path | None = None,
    seed: int = 0,
    done: Callable[[int], None] | None = None,
) -> Answer:
    """Train on rows with `prompt`, `response`, `label` and `group`; see pipeline.learning.labels.

    `told` are sentences on how the rows were read, which stand in answer and card. `lm` names a language
    model that reads the responses; `done` hears of those that it has read. Below `cache` lie vectors
    (`embeddings`) and states (`lm`). Raises CurationError where there is too little to learn from.
    """
    frame, counted = counted_once(frame)
    settings = settings or Embed()
    labels = frame["label"].to_numpy().astype(np.float64)
    check_labels(labels)
    # What reads costs minutes: what is wrong with the rows is told before it.
    found = named_groups(frame, groups)
    if found:
        check_groups(found[0])
    if lm:
        find_model(lm)
    rows = with_vectors(frame, settings, cache and cache / "embeddings")
    numbers, grouped_by = found or topics(frame, matrix(rows[PROMPT]), groups)
    check_groups(numbers)
    reading = None
    if lm:
        rows, reading = with_states(rows, lm, cache and cache / "lm", done)
    data = Training(features(rows), labels, numbers)
    held_out = out_of_fold(data, seed)
    figures = compare(data, held_out, rows["response"].str.len_chars().to_numpy().astype(float))
    warnings = [*told, *counted, *below_length(figures)]
    about = {
        "seed": seed,
        "embedding": embedding_of(settings),
        "language_model": asdict(reading) if reading else None,
        "trained_on": {
            "files": [{"name": path.name, "sha256": _digest(path)} for path in files],
            "rows": len(data),
            "groups": len(np.unique(numbers)),
            "grouped_by": grouped_by,
            "labels": f"from {labels.min():g} to {labels.max():g}, {labels.mean():.3f} on average",
        },
        "warnings": warnings,
        "measured": {
            "folds": min(FOLDS, len(np.unique(numbers))),
            "figures": {
                name: {who: asdict(figure) for who, figure in each.items()}
                for name, each in figures.items()
            },
            "calibration_error": calibration_error(held_out, labels),
            "reliability": [
                {"score": score, "label": label, "rows": count}
                for score, label, count in reliability(held_out, labels)
            ],
        },
    }
    model = train(data, about, seed)
    return Answer(model, len(data), len(np.unique(numbers)), grouped_by, figures, warnings)


def with_vectors(frame: pl.DataFrame, settings: Embed, cache: Path | None) -> pl.DataFrame:
    """Add the vectors of prompt and response, from the cache where they are known."""
    texts = frame["prompt"].to_list() + frame["response"].to_list()
    found, _ = embed_texts(texts, settings, decisive(settings), cache, threads=cores())
    return frame.with_columns(
        column(PROMPT, found[: len(frame)]), column(RESPONSE, found[len(frame) :])
    )


def with_states(
    frame: pl.DataFrame, name: str, cache: Path | None, done: Callable[[int], None] | None = None
) -> tuple[pl.DataFrame, Reading]:
    """Add what a language model makes of each response; say how it read them."""
    from pipeline.lm.load import load_model
    from pipeline.lm.score import rows_of

    model = load_model(name, cache=cache)
    reading = Reading.by(model, name)
    found = states(model, rows_of(frame), reading, cache=cache, threads=cores(), done=done)
    lost = int(np.isnan(found).any(axis=1).sum())
    if lost:
        raise CurationError(
            f"{name} makes no finite numbers of {lost} of the {len(frame)} responses; train without --lm, or by "
            "another model."
        )
    return frame.with_columns(column(STATE, found)), reading


def compare(data: Training, scores: Floats, length: Floats) -> dict[str, dict[str, Figure]]:
    """Measure held-out scores and length alone; AUC where there are two labels, else Spearman."""
    two = len(np.unique(data.labels)) == 2
    measure, name = (auc, "AUC") if two else (rank_correlation, "rank correlation (Spearman)")
    labels = (data.labels == data.labels.max()).astype(np.float64) if two else data.labels
    figures = {
        what: {
            who: interval(measure, values, labels, data.groups, inside=inside)
            for who, values in (("learned", scores), ("length", length))
        }
        for what, inside in ((name, False), (f"{name} inside a group", True))
    }
    # Where each group has labels of one kind, such as good rows of one site, nothing is told inside it.
    return {
        what: each
        for what, each in figures.items()
        if all(np.isfinite(figure.value) for figure in each.values())
    }


def below_length(figures: Mapping[str, Mapping[str, Figure]]) -> list[str]:
    """Warn of each figure by which the learned score ranks no better than length does."""
    return [
        f"By {name} the learned score ({one['learned'].value:.2f}) is below length alone "
        f"({one['length'].value:.2f}): give it no weight (score.weights.learned=0), or more and better labels."
        for name, one in figures.items()
        if one["learned"].value < one["length"].value
    ]


def check_out(out: Path) -> None:
    """Raise CurationError where no model can be written; to be asked before the work is done."""
    if out.resolve() == Path.cwd():
        raise CurationError("--out names the folder that you stand in; name a new one.")
    if out.is_file():
        raise CurationError(f"{out} is a file; name a new folder with --out.")
    if out.exists() and any(out.iterdir()) and not _is_ours(out):
        raise CurationError(
            f"{out} holds other files than a learned score; name a new folder with --out."
        )
    parent = out.resolve().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent):
            pass
    except OSError as error:
        raise CurationError(
            f"{out}: no folder can be written there ({error.strerror}); name another with --out."
        ) from error


def _is_ours(out: Path) -> bool:
    """Tell a learned score of any version, with nothing beside it, from anything else."""
    try:
        about = json.loads((out / ABOUT).read_text(encoding="utf-8"))
        marks = {"format", "columns", "sha256"} <= set(about)
    except (OSError, ValueError, TypeError):
        return False
    return marks and {path.name for path in out.iterdir()} <= {ABOUT, WEIGHTS, CARD}


def _beside(out: Path, what: str) -> Path:
    return out.with_name(f".{out.name}.{what}")


def write(model: Learned, out: Path) -> None:
    """Write the model's folder whole or not at all; refuses a folder that holds something else."""
    check_out(out)
    out = out.resolve()  # a link stays one
    scratch = _beside(out, "scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    save(model, scratch)
    (scratch / CARD).write_text(render(model.about), encoding="utf-8")
    # The old one is there until the new one is whole; a folder cannot replace one that holds files.
    old = _beside(out, "old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.replace(old)
    scratch.replace(out)
    shutil.rmtree(old, ignore_errors=True)


def _digest(path: Path) -> str:
    if path.is_file():
        return digest_file(path)
    return ", ".join(digest_file(file) for file in sorted(path.rglob("*.parquet")))
