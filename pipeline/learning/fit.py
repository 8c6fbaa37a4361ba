"""Fit a learned score and say how good it is on sites that it never saw.

Everything that is chosen is chosen inside the training part of a fold: the penalty of the linear
member by an inner cross-validation over groups. Figures come from rows of groups that the fold did
not train on, so that a topic learned by heart earns nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import CurationError
from pipeline.score.learned import COLUMNS, Floats, Learned

PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
FOLDS = 5
_INNER_FOLDS = 3
_TREES = 150
_RATE = 0.05
_LEAF_ROWS = 20
_DEPTH = 3

Groups = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Training:
    """Rows to learn from: features (see pipeline.score.learned), labels, and the groups of rows."""

    columns: Floats
    labels: Floats
    groups: Groups

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Training":
        """Return some of the rows."""
        return Training(self.columns[rows], self.labels[rows], self.groups[rows])


def folds(groups: Groups, count: int) -> list[npt.NDArray[np.bool_]]:
    """Split rows into parts of about equal size so that no group is in two of them.

    The largest group goes first, each to the part that is smallest so far; no chance is involved.
    """
    # As scikit-learn's GroupKFold, whose sort is not stable: with it, groups of equal size could
    # fall into other parts on another processor.
    names, sizes = np.unique(groups, return_counts=True)
    order = sorted(range(len(names)), key=lambda place: (-sizes[place], names[place]))
    filled = np.zeros(min(count, len(names)))
    part_of = {}
    for place in order:
        part = int(np.argmin(filled))
        part_of[int(names[place])] = part
        filled[part] += sizes[place]
    parts = np.array([part_of[int(group)] for group in groups])
    return [parts == part for part in range(len(filled))]


def check_labels(labels: Floats) -> None:
    """Raise CurationError where there is nothing, or too little, to learn from."""
    if len(np.unique(labels)) < 2:
        raise CurationError(
            f"All {len(labels)} labels are {labels[0] if len(labels) else 'missing'}: there is "
            "nothing to tell apart. Give rows of both kinds."
        )
    if len(labels) < 2 * _LEAF_ROWS * FOLDS:
        raise CurationError(
            f"There are {len(labels)} labelled rows; at least {2 * _LEAF_ROWS * FOLDS} are needed."
        )


def check_groups(groups: Groups) -> None:
    """Raise CurationError where what was learned could not be measured honestly."""
    found = len(np.unique(groups))
    if found < FOLDS:
        raise CurationError(
            f"The labelled rows come from {found} groups (sites or topics); at least {FOLDS} are "
            "needed to tell quality from topic. Add rows of other sites, or use --groups topics."
        )


def train(data: Training, about: dict[str, object], seed: int = 0) -> Learned:
    """Fit both members on all rows; the trees see COLUMNS alone, the linear one all features."""
    from sklearn.ensemble import GradientBoostingRegressor

    data = Training(data.columns, evened(data.labels), data.groups)
    mean, scale, coefficients, intercept = _linear(data, _penalty(data))
    trees = GradientBoostingRegressor(
        n_estimators=_TREES,
        learning_rate=_RATE,
        max_depth=_DEPTH,
        min_samples_leaf=_LEAF_ROWS,
        subsample=0.7,
        max_features=0.5,
        random_state=seed,
    ).fit(data.columns[:, : len(COLUMNS)], data.labels)
    arrays = {
        "mean": mean,
        "scale": scale,
        "coefficients": coefficients,
        "intercept": np.array([intercept]),
        **_forest([stage[0].tree_ for stage in trees.estimators_]),
        "tree_base": np.asarray(trees.init_.constant_, np.float64).ravel(),
    }
    return Learned(arrays, {**about, "columns": list(COLUMNS)})


def evened(labels: Floats) -> Floats:
    """Return the ranks of labels, stretched to the labels' own scale by least squares.

    Most ratings of people crowd at the top of their scale; by ranks, the difference between good and
    better counts like that between bad and good. Two kinds of labels stay as they are.
    """
    from scipy.stats import rankdata

    ranks = rankdata(labels)
    ranks -= ranks.mean()
    slope = float(ranks @ labels / max(ranks @ ranks, 1e-12))
    return np.asarray(labels.mean() + slope * ranks, np.float64)


def out_of_fold(data: Training, seed: int = 0, count: int = FOLDS) -> Floats:
    """Return for each row the score by a model that saw no row of its group."""
    scores = np.zeros(len(data))
    for held in folds(data.groups, count):
        model = train(data.take(~held), {}, seed)
        scores[held] = model.predict(data.columns[held])
    return scores


def _penalty(data: Training) -> float:
    """Choose the penalty with the least squared error on groups held out of these rows."""
    errors = np.zeros(len(PENALTIES))
    for held in folds(data.groups, _INNER_FOLDS):
        rest, test = data.take(~held), data.take(held)
        mean, scale = _scaling(rest.columns)
        # All penalties in one fit, as if each were for a label of its own.
        many = np.repeat(rest.labels[:, None], len(PENALTIES), axis=1)
        ridge = _ridge(np.array(PENALTIES)).fit((rest.columns - mean) / scale, many)
        found = ridge.predict((test.columns - mean) / scale)
        errors += np.sum((found - test.labels[:, None]) ** 2, axis=0)
    return PENALTIES[int(np.argmin(errors))]


def _linear(data: Training, penalty: float) -> tuple[Floats, Floats, Floats, float]:
    mean, scale = _scaling(data.columns)
    ridge = _ridge(penalty).fit((data.columns - mean) / scale, data.labels)
    return mean, scale, np.asarray(ridge.coef_, np.float64), float(ridge.intercept_)


def _scaling(columns: Floats) -> tuple[Floats, Floats]:
    deviation = columns.std(axis=0)
    return columns.mean(axis=0), np.where(deviation > 1e-9, deviation, 1.0)


def _ridge(penalty: float | Floats) -> Any:  # noqa: ANN401
    from sklearn.linear_model import Ridge

    return Ridge(alpha=penalty, solver="cholesky")


def _forest(trees: Sequence[object]) -> dict[str, npt.NDArray[np.generic]]:
    """Put the nodes of all trees into one array for each property; leaves have no child (-1)."""
    starts, left, right, feature, threshold, value = [], [], [], [], [], []
    start = 0
    for tree in trees:
        inner = tree.children_left >= 0  # type: ignore[attr-defined]
        starts.append(start)
        left.append(np.where(inner, tree.children_left + start, -1))  # type: ignore[attr-defined]
        right.append(np.where(inner, tree.children_right + start, -1))  # type: ignore[attr-defined]
        feature.append(np.where(inner, tree.feature, 0))  # type: ignore[attr-defined]
        threshold.append(tree.threshold)  # type: ignore[attr-defined]
        value.append(_RATE * tree.value[:, 0, 0])  # type: ignore[attr-defined]
        start += len(inner)
    return {
        "tree_starts": np.array(starts, np.int64),
        "left": np.concatenate(left).astype(np.int64),
        "right": np.concatenate(right).astype(np.int64),
        "feature": np.concatenate(feature).astype(np.int64),
        "threshold": np.concatenate(threshold),
        "value": np.concatenate(value),
    }
