import importlib.util
import warnings

import polars as pl
import pytest

from pipeline.release.build import build

from .conftest import STAGES


@pytest.mark.skipif(
    importlib.util.find_spec("mlcroissant") is None, reason="needs mlcroissant (extra dev)"
)
def test_croissant_is_valid_and_its_records_are_the_rows(run, tiny, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mlcroissant's own
        import mlcroissant

        release = build(run, tiny, tmp_path / "releases", stages=STAGES).path
        dataset = mlcroissant.Dataset(jsonld=str(release / "croissant.json"))
        assert not dataset.metadata.ctx.issues.errors
        assert not dataset.metadata.ctx.issues.warnings
        records = list(dataset.records("train"))
    rows = pl.read_parquet(release / "data" / "train.parquet")
    assert [record["train/id"].decode() for record in records] == rows["id"].to_list()
    assert [record["train/response"].decode() for record in records] == rows["response"].to_list()
    assert set(records[0]) >= {f"train/{name}" for name in ("licence", "author", "url", "quality")}
