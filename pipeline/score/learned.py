"""A learned score: a small model on surface features and the fit, trained by `thousand learn`.

A model is a folder: `model.safetensors` with arrays, `model.json` with what they were made for,
`README.md` (the card). Nothing in it runs when it is read. A linear member and a forest of small
trees are both on the scale of the training labels; the score is their mean. Both see the same
features; the linear member also sees the state of a language model that read the response, where
the score was trained with one, and then weighs double. Whole vectors of the embedding are left out:
they tell the topic, and did not help on sites that a model had not seen (docs/quality.md).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import TypeAdapter

from pipeline.encoder import find_model, model_digest
from pipeline.errors import ModelError
from pipeline.lm.states import Reading
from pipeline.manifest import digest_file, digest_json
from pipeline.recipe import Embed
from pipeline.score.surface import FEATURES, surface
from pipeline.vectors import PROMPT, RESPONSE, cosines, matrix

FORMAT = 3
WEIGHTS = "model.safetensors"
ABOUT = "model.json"

Floats = npt.NDArray[np.float64]

# The features in the order of the arrays; a state follows where there is one.
COLUMNS = (*FEATURES, "fit")
# What a language model made of the response: a column that the stage `likelihood` adds.
STATE = "response_state"
# The share of the linear member, chosen on half of the sites of docs/quality.md.
_LINEAR, _LINEAR_WITH_STATE = 1 / 2, 2 / 3

_ARRAYS = (
    "mean", "scale", "coefficients", "intercept",
    "tree_starts", "left", "right", "feature", "threshold", "value", "tree_base",
)  # fmt: skip


def features(frame: pl.DataFrame) -> Floats:
    """Return rows by COLUMNS of a frame with `prompt`, `response` and both vectors, none null.

    With a column `response_state` its numbers follow.
    """
    fit = cosines(matrix(frame[PROMPT]), matrix(frame[RESPONSE]))
    state = [matrix(frame[STATE])] if STATE in frame.columns else []
    return np.column_stack([surface(frame).to_numpy(), fit, *state]).astype(np.float64)


@dataclass(frozen=True)
class Learned:
    """A trained model; `about` is what `model.json` holds."""

    arrays: dict[str, npt.NDArray[Any]]
    about: dict[str, Any]

    @property
    def reading(self) -> Reading | None:
        """How a language model has to read a response before it can be scored; null: it need not."""
        return reading_of(self.about)

    def predict(self, columns: Floats) -> Floats:
        """Return the score of rows of `features`, on the scale of the training labels."""
        a = self.arrays
        standard = (columns - a["mean"]) / a["scale"]
        # Row by row, so that the sum of a row does not depend on its neighbours.
        linear = np.einsum("ij,j->i", standard, a["coefficients"]) + a["intercept"][0]
        share = _LINEAR_WITH_STATE if columns.shape[1] > len(COLUMNS) else _LINEAR
        mean: Floats = share * linear + (1 - share) * self._trees(columns)
        return mean

    def _trees(self, columns: Floats) -> Floats:
        a = self.arrays
        total = np.full(len(columns), a["tree_base"][0])
        rows = np.arange(len(columns))
        for start in a["tree_starts"]:
            node = np.full(len(columns), start)
            while True:
                inner = a["left"][node] >= 0
                if not inner.any():
                    break
                # Trees were split on float32, as scikit-learn holds its data.
                value = columns[rows, a["feature"][node]].astype(np.float32)
                goes = np.where(value <= a["threshold"][node], a["left"][node], a["right"][node])
                node = np.where(inner, goes, node)
            total += a["value"][node]
        return total


def save(model: Learned, folder: Path) -> None:
    """Write the model's files; `model.json` last, with the digest of what decides a score."""
    from safetensors.numpy import save as as_bytes

    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).unlink(missing_ok=True)
    arrays = {name: np.ascontiguousarray(model.arrays[name]) for name in _ARRAYS}
    (folder / WEIGHTS).write_bytes(as_bytes(arrays))  # their own writer hides the file from others
    about = {**model.about, "format": FORMAT, "sha256": _digest(folder, model.about)}
    (folder / ABOUT).write_text(
        json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _digest(folder: Path, about: Mapping[str, Any]) -> str:
    """Digest of the arrays, and of what has to be read, and how, for them."""
    needs = [about.get("embedding"), about.get("language_model")]
    return digest_json([digest_file(folder / WEIGHTS), *needs])


def load(folder: Path) -> Learned:
    """Read a model. Raises ModelError if there is none, or if it is damaged or of another make."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        damaged = about["sha256"] != _digest(folder, about)
    except FileNotFoundError as error:
        raise ModelError(
            f"{folder} holds no learned score: {Path(error.filename).name} is not there. Train one "
            "with `thousand learn`."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / ABOUT} cannot be read ({error}); train it again.") from error
    if about.get("format") != FORMAT or about.get("columns") != list(COLUMNS):
        raise ModelError(
            f"{folder} was trained by another version of Thousand, with other features; train it "
            "again with `thousand learn`."
        )
    reading = reading_of(about)
    width = reading.width if reading else 0
    if damaged:
        raise ModelError(
            f"{folder / WEIGHTS} and {ABOUT} are not what was trained; train it again."
        )
    try:
        arrays = load_file(folder / WEIGHTS)
    except SafetensorError as error:
        raise ModelError(f"{folder / WEIGHTS} is damaged ({error}); train it again.") from error
    if not _sound(arrays, len(COLUMNS) + width):
        raise ModelError(f"{folder / WEIGHTS} holds no arrays of a learned score; train it again.")
    return Learned(arrays, about)


def _sound(arrays: dict[str, npt.NDArray[Any]], wide: int) -> bool:
    """Tell whether arrays from anywhere can be worked with: their shapes, and trees that end."""
    if set(arrays) != set(_ARRAYS) or any(array.ndim != 1 for array in arrays.values()):
        return False
    nodes = len(arrays["left"])
    sizes = dict.fromkeys(("mean", "scale", "coefficients"), wide)
    sizes |= dict.fromkeys(("intercept", "tree_base"), 1)
    sizes |= dict.fromkeys(("right", "feature", "threshold", "value"), nodes)
    if any(len(arrays[name]) != size for name, size in sizes.items()):
        return False
    whole = ("tree_starts", "left", "right", "feature")
    if any(arrays[name].dtype != (np.int64 if name in whole else np.float64) for name in _ARRAYS):
        return False
    if not all(np.isfinite(arrays[name]).all() for name in set(_ARRAYS).difference(whole)):
        return False
    if (
        not (arrays["scale"] > 0).all()
        or not np.isin(arrays["feature"], np.arange(len(COLUMNS))).all()
    ):
        return False
    starts, left, right = arrays["tree_starts"], arrays["left"], arrays["right"]
    inner = left >= 0
    # A child stands behind its parent, so that every way down ends.
    after = (
        (left > np.arange(nodes)) & (right > np.arange(nodes)) & (left < nodes) & (right < nodes)
    )
    return bool(after[inner].all() and ((starts >= 0) & (starts < nodes)).all())


def reading_of(about: Mapping[str, Any]) -> Reading | None:
    """Return how a model that says this of itself wants responses to be read.

    Raises ModelError where that cannot be understood.
    """
    said = about.get("language_model")
    if said is None:
        return None
    try:
        return TypeAdapter(Reading).validate_python(said)
    except ValueError as error:
        raise ModelError(
            "A learned score does not say which language model it was trained with; train it again."
        ) from error


def reading_for(folder: str | None) -> Reading | None:
    """Return what the learned score of a recipe needs; null also where it cannot be read.

    The stage `score` says what is wrong with a folder.
    """
    try:
        return load(Path(folder)).reading if folder else None
    except ModelError:
        return None


def embedding_of(settings: Embed) -> dict[str, Any]:
    """Return what decides the vectors that a score learns from, but for their rounding."""
    digest = model_digest(find_model(settings.model))
    return {"model": settings.model, "sha256": digest, "max_tokens": settings.max_tokens}


def check_embedding(model: Learned, settings: Embed) -> None:
    """Raise ModelError where rows are embedded otherwise than the training rows were."""
    trained, asked = model.about.get("embedding") or {}, embedding_of(settings)
    for name, key in (("model", "sha256"), ("max_tokens", "max_tokens")):
        if trained.get(key) != asked[key]:
            raise ModelError(
                f"The learned score was trained with embed.{name} {trained.get(name)}, and the recipe has "
                f"{'another of that name' if trained.get(name) == asked[name] else asked[name]}: set it to "
                "what the card says, or train the score again."
            )


def measure(frame: pl.DataFrame, model: Learned) -> pl.Series:
    """Return the score of each row of a stage; null for a row without a response."""
    there = frame["response"].is_not_null() & frame[RESPONSE].is_not_null()
    if model.reading:
        if frame.schema.get(STATE) != pl.Array(pl.Float16, model.reading.width):
            raise ModelError(
                "The rows were read for another learned score than the recipe has now; run again."
            )
        there &= frame[STATE].is_not_null()  # of the pool the likeliest are read, not all
    elif STATE in frame.columns:
        frame = frame.drop(STATE)
    values = np.full(len(frame), np.nan)
    answered = frame.filter(there)
    if len(answered):
        values[there.to_numpy()] = model.predict(features(answered))
    return pl.Series("learned", values).fill_nan(None)
