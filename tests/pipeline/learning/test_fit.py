"""Learning on made-up features whose truth is known."""

import numpy as np
import pytest

from pipeline.errors import CurationError
from pipeline.learning.fit import (
    Training,
    check_groups,
    check_labels,
    folds,
    out_of_fold,
    train,
)
from pipeline.learning.measures import auc, interval, rank_correlation
from pipeline.score.learned import COLUMNS

ROWS, SITES = 600, 12


def rows(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(ROWS, len(COLUMNS))), np.arange(ROWS) % SITES, rng


def test_a_planted_signal_is_found_on_sites_that_were_held_out():
    columns, sites, rng = rows()
    labels = columns[:, 3] - 2 * (columns[:, 7] > 0.5) + rng.normal(size=ROWS)
    scores = out_of_fold(Training(columns, labels, sites))
    assert rank_correlation(scores, labels) > 0.6


def test_what_only_tells_the_site_earns_nothing():
    many = 60  # with few sites chance alone correlates
    columns, _, rng = rows()
    sites = np.arange(ROWS) % many
    columns[:] = 0
    columns[:, 0] = sites  # the site, and nothing of the row
    labels = rng.normal(size=many)[sites] + rng.normal(size=ROWS) * 0.1
    data = Training(columns, labels, sites)
    honest = rank_correlation(out_of_fold(data), labels)
    # What a mistake would give: half of each held-out site's rows in the training part.
    leaked = np.zeros(ROWS)
    for held in folds(sites, 5):
        leaked[held] = train(data.take(~held | (np.arange(ROWS) < ROWS / 2)), {}).predict(
            columns[held]
        )
    mixed = out_of_fold(Training(columns, labels, rng.permutation(ROWS) % many))
    assert honest < 0.15
    assert min(rank_correlation(leaked, labels), rank_correlation(mixed, labels)) > 0.5


def test_no_group_is_in_two_folds_and_folds_are_of_like_size():
    groups = np.repeat(np.arange(9), [50, 40, 30, 20, 10, 5, 5, 5, 5])
    parts = folds(groups, 4)
    assert np.sum(parts, axis=0).tolist() == [1] * len(groups)
    for part in parts:
        assert not set(groups[part]) & set(groups[~part])
    assert max(part.sum() for part in parts) <= 50


def test_a_forest_predicts_as_scikit_learn_does():
    from sklearn.ensemble import GradientBoostingRegressor

    from pipeline.learning import fit

    columns, sites, rng = rows()
    labels = columns[:, 1] * columns[:, 2] + rng.normal(size=ROWS)
    model = train(Training(columns, labels, sites), {})
    peer = GradientBoostingRegressor(
        n_estimators=fit._TREES,
        learning_rate=fit._RATE,
        max_depth=fit._DEPTH,
        min_samples_leaf=fit._LEAF_ROWS,
        subsample=0.7,
        max_features=0.5,
        random_state=0,
    ).fit(columns, fit.evened(labels))
    assert np.allclose(model._trees(columns), peer.predict(columns))


def test_a_score_does_not_depend_on_the_rows_beside_it():
    columns, sites, _ = rows()
    model = train(Training(columns, columns[:, 0] ** 2, sites), {})
    alone = [model.predict(columns[row : row + 1])[0] for row in range(50)]
    assert model.predict(columns)[:50].tolist() == alone


def test_too_little_to_learn_from_is_refused():
    with pytest.raises(CurationError, match="nothing to tell apart"):
        check_labels(np.ones(300))
    with pytest.raises(CurationError, match="There are 30 labelled rows"):
        check_labels(np.arange(30.0))
    with pytest.raises(CurationError, match="come from 3 groups"):
        check_groups(np.arange(300) % 3)


def test_a_figure_of_one_group_has_no_interval():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 10)
    labels = (groups > 2).astype(float)  # good rows of some sites, ordinary ones of others
    scores = rng.normal(size=60)
    assert np.isnan(interval(auc, scores, labels, groups, inside=True).value)
    labels[0] = 1
    one = interval(auc, scores, labels, groups, inside=True)
    assert one.low is None
    assert str(one).endswith("(one group)")


def test_auc_and_rank_correlation_by_hand():
    assert auc(np.array([1.0, 2, 3, 3]), np.array([0.0, 1, 0, 1])) == (0 + 1 + 1 + 0.5) / 4 + 0.0
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([3.0, 5, 4])) == pytest.approx(0.5)
    assert np.isnan(auc(np.ones(3), np.ones(3)))
