import faiss
import numpy as np
import polars as pl

from pipeline.cluster import ClusterStage, assign
from pipeline.recipe import Cluster
from pipeline.vectors import snap
from pipeline.words import alike

TOPICS = {"bread": "sourdough starter flour oven", "bikes": "chain gears pedal wheel"}


def two_topics() -> tuple[list[dict], np.ndarray]:
    random = np.random.default_rng(0)
    rows, vectors = [], []
    for i in range(30):
        topic = list(TOPICS)[int(i % 3 == 0)]
        text = f"You should use the {TOPICS[topic]} `{'code_word ' * 3}` for it {i}"
        rows.append({"prompt": f"About {topic}?", "response": text if i % 7 else None})
        axis = np.eye(8)[int(i % 3 == 0)]
        vectors.append(axis + random.normal(0, 0.1, 8))
    return rows, np.array(vectors)


def test_finds_topics_and_names_them_without_code_and_stop_words(make_rows, run) -> None:
    rows, vectors = two_topics()
    kept, _, manifest = run(ClusterStage(Cluster(clusters=2, words=3)), make_rows(rows, vectors))
    by_topic = kept.group_by(pl.col("prompt")).agg(pl.col("cluster").unique())
    assert dict(by_topic.iter_rows()) == {"About bread?": [0], "About bikes?": [1]}
    words = dict(kept.select("cluster", "cluster_words").unique("cluster").iter_rows())
    assert set(words[0]) <= {"bread", *TOPICS["bread"].split()}
    assert set(words[1]) <= {"bikes", *TOPICS["bikes"].split()}
    assert kept["cluster_similarity"].min() > 0.8
    assert manifest.facts["all"]["clusters"] == 2
    # The map sets the topics apart.
    assert (kept["x"] > 0).eq(kept["cluster"] == kept["cluster"][kept["x"].arg_max()]).all()


def test_order_of_rows_and_threads_do_not_show(make_rows, run) -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(300, 16))
    frame = make_rows([{} for _ in range(300)], vectors)
    stage = ClusterStage(Cluster(clusters=9, seed=3))
    one, _, _ = run(stage, frame)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1 if threads > 1 else 2)
    try:
        two, _, _ = run(stage, frame[100:], frame[:100].reverse())
    finally:
        faiss.omp_set_num_threads(threads)
    assert one.equals(two.sort("id"))
    assert one["cluster"].value_counts(sort=True)["cluster"][0] == 0  # the largest is number 0


def test_more_clusters_than_rows_is_one_each() -> None:
    labels, similarity = assign(snap(np.eye(3, 4)).astype(np.float32), Cluster(clusters=50))
    assert sorted(labels) == [0, 1, 2]
    assert (similarity == 1).all()


def test_forms_of_a_word_are_alike() -> None:
    assert alike("flight", "flights")
    assert alike("travel", "travelling")
    assert alike("memory", "memories")
    assert not alike("station", "stamp")
