import numpy as np
import polars as pl

from pipeline.semantic import SemanticSettings, SemanticStage, nearest_kept
from pipeline.vectors import snap


def test_the_better_row_stays_and_the_book_names_it(make_rows, run) -> None:
    angles = np.array([0.0, 0.1, 0.25, 1.5, 0.0])
    vectors = np.column_stack([np.cos(angles), np.sin(angles)])
    rows = [{"votes": v, "cluster": c} for v, c in ((5, 0), (9, 0), (7, 0), (1, 0), (99, 1))]
    stage = SemanticStage(SemanticSettings(threshold=0.98))
    kept, dropped, manifest = run(stage, make_rows(rows, vectors))
    # r002 is near r001 (cosine 0.989); r000 too (0.995); r004 is in another cluster.
    assert kept["id"].to_list() == ["r001", "r003", "r004"]
    assert set(dropped["reason"]) == {"duplicate_semantic"}
    assert dropped["detail"][0] == (
        "says the same as r001, which has more votes or came first (cosine 0.995)"
    )
    assert manifest.facts["all"] == {"sets_of_copies": 1}


def test_the_table_of_copies(make_rows, run, tmp_path) -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1.0]])
    rows = [{"cluster": 0}] * 3
    run(SemanticStage(SemanticSettings(threshold=0.9)), make_rows(rows, vectors))
    table = pl.read_parquet(next(tmp_path.rglob("tables/clusters.parquet")))
    assert table.columns == ["cluster", "id", "keeps", "similarity_to_kept"]
    assert table.rows() == [(0, "r000", True, 1.0), (0, "r001", False, 1.0)]


def test_prompts_are_not_copies_of_answers(make_rows, run) -> None:
    rows = [{"cluster": 0}, {"cluster": 0, "response": None}]
    kept, _, _ = run(SemanticStage(SemanticSettings()), make_rows(rows, np.ones((2, 3))))
    assert len(kept) == 2


def test_blocks_agree_with_the_plain_rule() -> None:
    random = np.random.default_rng(4)
    vectors = snap(random.normal(size=(2500, 4))).astype(np.float32)
    copies = nearest_kept(vectors, 0.97)
    kept: list[int] = []
    for place, row in enumerate(vectors):
        near = vectors[kept] @ row if kept else np.array([-1.0])
        if near.max() > 0.97:
            assert copies[place][1] == min(1, near.max())
        else:
            kept.append(place)
    assert sorted(copies) == sorted(set(range(2500)) - set(kept))
