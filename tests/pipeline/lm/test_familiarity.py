"""Familiarity: texts of one length are held against each other, by label or against unseen ones."""

from pathlib import Path

import numpy as np
import polars as pl

from pipeline.audit.familiarity import measure


def rows(count: int, words: int, *, labels: bool) -> pl.DataFrame:
    random = np.random.default_rng(words)
    texts = [" ".join(map(str, random.integers(0, 99, words))) for _ in range(count)]
    members = [n % 2 == 0 for n in range(count)] if labels else [None] * count
    return pl.DataFrame(
        {"id": [str(n) for n in range(count)], "prompt": ["Q"] * count, "response": texts},
    ).with_columns(member=pl.Series(members, dtype=pl.Boolean))


def test_labels_and_unseen_texts_give_areas_and_nothing_gives_none(
    tiny_folder: Path, tmp_path: Path
):
    labelled = rows(24, 40, labels=True)
    found = measure(labelled, str(tiny_folder), None, 0, tmp_path, 0)
    first, second = found["lengths"][:2]
    assert (first["words"], first["rows"], first["members"], first["others"]) == (32, 24, 12, 12)
    assert 0 <= first["auc"]["min_k"]["low"] <= first["auc"]["min_k"]["value"] <= 1
    assert second["rows"] == 0  # none has 64 words
    assert found["compared_with"] == "labels"
    plain, other = rows(12, 40, labels=False), rows(12, 40, labels=False)
    against = measure(plain, str(tiny_folder), other, 0, tmp_path, 0)
    # The same texts on both sides: nothing can tell them apart.
    assert against["lengths"][0]["auc"]["perplexity"]["value"] == 0.5
    assert against["lengths"][0]["flagged_share"] <= 0.1
    alone = measure(plain, str(tiny_folder), None, 0, tmp_path, 0)
    assert alone["compared_with"] is None
    assert "auc" not in alone["lengths"][0]
