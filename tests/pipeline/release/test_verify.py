import json

import polars as pl
import pytest

from pipeline import loading as recipes
from pipeline.manifest import describe
from pipeline.release import folder
from pipeline.release.build import build
from pipeline.release.verify import verify

from .conftest import STAGES, TINY, make_run


@pytest.fixture
def release(run, tiny, tmp_path):
    return build(run, tiny, tmp_path / "releases", stages=STAGES).path


def edit_manifest(release, change, *, reseal=False):
    path = release / "manifest.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    if reseal:
        value["seal"] = folder.seal(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def forge(release, name):
    """Make the manifest agree with the bytes of a changed file."""

    def agree(value):
        entry = next(item for item in value["files"] if item["path"] == name)
        entry |= vars(describe(release / name, release))

    edit_manifest(release, agree, reseal=True)


def edit_table(release, name, change):
    path = release / name
    change(pl.read_parquet(path)).write_parquet(path)
    forge(release, name)


def edit_text(release, name, old, new):
    path = release / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    forge(release, name)


def flip_a_byte(release):
    path = release / "data/train.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_in_half(release):
    path = release / "decisions.parquet"
    path.write_bytes(path.read_bytes()[:-200])


def add_a_file(release):
    (release / "data" / "more.parquet").write_bytes(b"")


def remove_a_file(release):
    (release / "jsonl" / "train.jsonl").unlink()


def edit_a_count(release):
    edit_manifest(release, lambda value: value["funnel"][2]["dropped"].update(too_short=2))


def forge_a_count(release):
    edit_manifest(
        release, lambda value: value["funnel"][2]["dropped"].update(too_short=2), reseal=True
    )


def edit_the_recipe(release):
    edit_manifest(release, lambda value: value["recipe"].update(seed=7), reseal=True)


def refuse_a_licence(release):
    def change(value):
        value["recipe"]["release"]["refuse_licences"] = ["licenseref-*"]

    edit_manifest(release, change, reseal=True)


def break_a_quota(release):
    edit_manifest(release, lambda value: value["groups"][0].update(wanted=9), reseal=True)


def drop_a_row(release):
    edit_table(release, "data/train.parquet", lambda frame: frame.head(2))


def swap_a_response(release):
    edit_table(
        release, "data/train.parquet", lambda frame: frame.with_columns(response=pl.lit("No."))
    )


def add_a_test_response(release):
    edit_table(
        release, "data/test.parquet", lambda frame: frame.with_columns(response=pl.lit("42"))
    )


def take_an_author(release):
    edit_table(release, "data/train.parquet", lambda frame: frame.with_columns(author=pl.lit(" ")))


def put_a_row_in_two_splits(release):
    train = pl.read_parquet(release / "data/train.parquet")
    edit_table(
        release,
        "data/validation.parquet",
        lambda frame: train.head(1).with_columns(split=pl.lit("validation")),
    )


def decide_twice(release):
    edit_table(release, "decisions.parquet", lambda frame: pl.concat([frame, frame.slice(1, 1)]))


def forget_a_decision(release):
    edit_table(release, "decisions.parquet", lambda frame: frame.head(-1))


def drop_an_attribution(release):
    path = release / "ATTRIBUTION.md"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(x for x in lines if "thing 6" not in x), encoding="utf-8")
    forge(release, "ATTRIBUTION.md")


TAMPERING = {
    flip_a_byte: r"data/train.parquet: its bytes were changed",
    cut_in_half: r"decisions.parquet: it cannot be checked",
    add_a_file: r"data/more.parquet: it is not part of the release",
    remove_a_file: r"jsonl/train.jsonl: the file is missing",
    edit_a_count: r"manifest.json: it was changed after it was written",
    forge_a_count: r"the funnel does not add up at filter: 8 in, 7 out, 2 dropped",
    edit_the_recipe: r"the recipe does not have the digest",
    break_a_quota: r"other in train has 2 of 9 rows and no shortfall says so",
    drop_a_row: r"data/train.parquet: it has 2 rows, the manifest says 3",
    swap_a_response: r"train.parquet, row 1 \(stackexchange:cooking:2\): its messages are not",
    add_a_test_response: r"test.parquet, row 1 \(reddit:AskReddit:x7\): it has a response",
    take_an_author: r"row 1 \(stackexchange:cooking:2\): it has no author",
    put_a_row_in_two_splits: r"validation.parquet, row 1 \(.*:2\): the id is in train, too",
    decide_twice: r"decisions.parquet: stackexchange:stem:3 is listed 2 times",
    forget_a_decision: r"stackexchange:stem:1 is released and not listed as kept",
    drop_an_attribution: r"ATTRIBUTION.md: no line names stackexchange:cooking:6",
    lambda release: edit_text(release, "README.md", "data/test", "test"): (
        r"README.md: its head does not name the file of each split"
    ),
    lambda release: edit_text(release, "README.md", "license: other", "license: mit"): (
        r"README.md: its licence is mit, the rows make it mixed-partly-unlicensed"
    ),
    lambda release: edit_text(release, "README.md", "license:", "license: ["): (
        r"README.md: its head is not valid YAML, see line \d+\.$"
    ),
    lambda release: edit_text(release, "jsonl/train.jsonl", "Do it 6", "Do it 7"): (
        r"train.jsonl, line 2: it is not the chat of stackexchange:cooking:6"
    ),
    lambda release: edit_text(release, "ATTRIBUTION.md", "Author 6", "Author 9"): (
        r"ATTRIBUTION.md: the line of stackexchange:cooking:6 does not name its author"
    ),
    lambda release: (release / "manifest.json").write_text("[]"): (
        r"is not a release's manifest: something in it has another form than it should have\.$"
    ),
    lambda release: (release / "manifest.json").write_text("{"): (
        r"is not a release's manifest: it is not JSON \(line 1, column 2: Expecting property"
    ),
    lambda release: (release / "manifest.json").write_text("{}"): r"manifest: it lacks 'format'\.$",
    lambda release: edit_manifest(release, lambda value: value.pop("funnel"), reseal=True): (
        r"manifest.json: it lacks 'funnel', so nothing else was checked\.$"
    ),
    lambda release: edit_manifest(release, lambda value: value.update(rows=[]), reseal=True): (
        r"manifest.json: 'rows' has another form than it should have"
    ),
    lambda release: edit_manifest(
        release, lambda value: value["funnel"][0].pop("dropped"), reseal=True
    ): r"manifest.json: it cannot be checked: it lacks 'dropped'\.$",
    lambda release: edit_table(
        release, "decisions.parquet", lambda frame: frame.rename({"id": "row"})
    ): r"decisions.parquet: it cannot be checked: its columns are not those of a release\.$",
    lambda release: edit_text(release, "jsonl/train.jsonl", "{", "("): (
        r"train.jsonl, line 1: it is not JSON \(line 1, column 1: Expecting value\)\.$"
    ),
    refuse_a_licence: (
        r"data/test.parquet, row 1 \(reddit:AskReddit:x7\): its licence LicenseRef-Reddit is one "
        r"that the recipe refuses \(release.refuse_licences\)\.$"
    ),
}


def test_a_sound_release_is_ok_and_counted(release):
    report = verify(release)
    assert report.problems == []
    assert (report.files, report.rows, report.decisions) == (8, 5, 9)
    assert report.render().endswith("everything is as promised.")


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda tamper: tamper.__name__)
def test_finds_tampering(release, tamper):
    tamper(release)
    report = verify(release)
    assert not report.ok
    assert any(problem for problem in report.problems if find(TAMPERING[tamper], problem)), (
        report.problems
    )


@pytest.mark.parametrize(
    "name", ["data/test.parquet", "decisions.parquet", "jsonl/train.jsonl", "README.md"]
)
def test_a_missing_file_is_one_problem(release, name):
    (release / name).unlink()
    assert verify(release).problems == [f"{name}: the file is missing."]


def test_a_refused_licence_is_found_in_both_spellings(release):
    def change(value):
        value["recipe"]["release"]["refuse_licences"] = ["cc-by-sa-3.0"]

    edit_manifest(release, change, reseal=True)
    assert any("its licence CC BY-SA 3.0 is one" in text for text in verify(release).problems)


def find(pattern, text):
    import re

    return re.search(pattern, text)


def test_a_shortfall_and_a_refill_are_told_and_hold(tmp_path):
    quotas = {"stem": 4, "other": 1}
    recipe = recipes.parse(TINY | {"select": TINY["select"] | {"quotas": quotas}}, "tiny")
    short = {"split": "train", "group": "stem", "wanted": 4, "got": 1, "missing": 3}
    said = {
        "shortfall": [short | {"because": [["too_short", 1]]}],
        "refilled": {"train": {"other": 1}},
        "missing": {"train": 2},
    }
    run = make_run(tmp_path, said=said)
    release = build(run, recipe, tmp_path / "releases", stages=STAGES).path
    assert verify(release).problems == []
    card = (release / "README.md").read_text(encoding="utf-8")
    assert "stem in train: 1 of 4, 3 missing; most of its rows left as too_short (1)" in card
    assert "Rows taken beyond their quota to fill the gap: other 1 (train)." in card
    edit_manifest(release, lambda value: value["missing"].update(train=0), reseal=True)
    assert "train has 3 rows; 5 are promised and 0 are said to be missing" in " ".join(
        verify(release).problems
    )
