import json
import os
import subprocess
import sys

import pytest

from pipeline import loading
from pipeline.errors import ReleaseError
from pipeline.release.build import build
from pipeline.release.publish import publish
from pipeline.release.verify import verify

from .conftest import PICKED, STAGES, TINY, make_run
from .fake_hub import fake_hub


@pytest.fixture
def release(run, tiny, tmp_path):
    return build(run, tiny, tmp_path / "releases", stages=STAGES).path


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_to_a_folder_all_at_once_and_only_once(release, tmp_path):
    out = tmp_path / "out"
    dry = publish(release, str(out), dry_run=True)
    assert sorted(item["path"] for item in dry.files) == names(release)
    assert not out.exists()
    done = publish(release, str(out))
    place = out / "tiny" / release.name
    assert done.to == str(place)
    assert names(place) == names(release)
    assert verify(place).ok
    assert [path.name for path in place.parent.iterdir()] == [release.name]
    assert publish(release, str(out)).unchanged
    (place / "manifest.json").write_text("{}")
    with pytest.raises(ReleaseError, match="is there and is not this release"):
        publish(release, str(out))


def test_what_is_not_sound_is_not_published(release, tmp_path):
    with (release / "jsonl" / "train.jsonl").open("a") as handle:
        handle.write("{}\n")
    with pytest.raises(ReleaseError, match=r"not sound and is not published: jsonl/train.jsonl"):
        publish(release, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("word", ["hub:", "hub:owner", "hub:owner/name/more"])
def test_a_repository_has_an_owner_and_a_name(release, word):
    with pytest.raises(ReleaseError, match="write hub:OWNER/NAME"):
        publish(release, word)


def test_offline_is_offline(release, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ReleaseError, match="HF_HUB_OFFLINE is set"):
        publish(release, "hub:owner/set")


def push(release, address, *words):
    environment = os.environ | {
        "HF_ENDPOINT": address,
        "HF_TOKEN": "hf_only_for_the_fake",
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
    }
    command = [sys.executable, "-m", "pipeline", "publish", str(release), "--to", "hub:owner/set"]
    return subprocess.run(
        [*command, *words], env=environment, capture_output=True, text=True, check=False
    )


def test_to_the_hub_in_one_commit_with_a_tag(release, tiny, tmp_path):
    with fake_hub() as (hub, address):
        dry = push(release, address, "--dry-run", "--json")
        assert dry.returncode == 0, dry.stderr
        assert sorted(item["path"] for item in json.loads(dry.stdout)["files"]) == names(release)
        assert hub.requests == []
        done = push(release, address, "--json")
        assert done.returncode == 0, done.stderr
        assert sorted(hub.files) == names(release)
        assert all((release / name).read_bytes() == data for name, data in hub.files.items())
        assert hub.commits == [f"tiny {release.name}"]
        assert hub.tags == {release.name: "1".rjust(40, "0")}
        assert hub.private
        assert all(token == "Bearer hf_only_for_the_fake" for _, _, token in hub.requests)
        assert json.loads(push(release, address, "--json").stdout)["unchanged"]
        assert len(hub.commits) == 1
        # The next version has no validation rows: the file of the earlier one goes.
        hub.files["notes.md"] = b"of somebody else"
        picked = {row: "train" if split == "validation" else split for row, split in PICKED.items()}
        quotas = {"stem": 1, "other": 2, "authored": 1}
        select = {"quotas": quotas, "validation": {}, "test": {"reddit": 1}}
        recipe = loading.parse({**TINY, "select": select}, "tiny")
        run = make_run(tmp_path, picked=picked)
        second = build(run, recipe, tmp_path / "releases", stages=STAGES).path
        done = push(second, address)
        assert done.returncode == 0, done.stderr
        assert sorted(hub.files) == sorted([*names(second), "notes.md"])
        assert "data/validation.parquet" not in hub.files


def test_a_hub_that_refuses_is_one_sentence(release):
    with fake_hub() as (hub, address):
        hub.refuse = True
        done = push(release, address)
    assert done.returncode == 1
    assert done.stderr.startswith("error: The hub did not take owner/set (")
    assert "HF_TOKEN" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
