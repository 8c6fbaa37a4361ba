"""The ledger: appended only, whole lines only, several writers, kills; what its entries come to."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import StageError
from pipeline.review.ledger import Entry, Ledger, content_digest, ledger_of
from pipeline.review.verdicts import Reviews, agreement, flags, kappa

START = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = "a" * 64


def entry(number: int = 0, **changes) -> Entry:
    value = {"at": START + timedelta(seconds=number), "reviewer": "ada", "id": "r1"}
    return Entry(**{**value, "digest": TEXT, "verdict": "accept", **changes})


def test_what_is_appended_is_read_again(tmp_path: Path):
    ledger = Ledger(tmp_path / "x.reviews.jsonl")
    assert ledger.entries() == []
    first = entry(1, verdict="reject", reason="wrong \u2028 <b>\n")
    second = entry(2, verdict="edit", response="better")
    ledger.append([first])
    ledger.append([second])
    assert Ledger(ledger.path).entries() == [first, second]


def test_nothing_is_ever_changed(tmp_path: Path):
    ledger = Ledger(tmp_path / "x.reviews.jsonl")
    ledger.append([entry(1)])
    before = ledger.path.read_bytes()
    ledger.append([entry(2, verdict="clear"), entry(3, verdict="flag")])
    assert ledger.path.read_bytes().startswith(before)


def test_a_torn_line_was_never_said_and_the_next_writer_takes_it_away(tmp_path: Path):
    ledger = Ledger(tmp_path / "x.reviews.jsonl")
    ledger.append([entry(1)])
    with ledger.path.open("ab") as handle:
        handle.write(entry(2).line()[:-20])
    assert ledger.entries() == [entry(1)]
    ledger.append([entry(3)])
    assert ledger.entries() == [entry(1), entry(3)]


def test_a_broken_line_in_the_middle_is_an_error_that_names_it(tmp_path: Path):
    path = tmp_path / "x.reviews.jsonl"
    path.write_bytes(entry(1).line() + b'{"id": 3}\n' + entry(2).line())
    with pytest.raises(StageError, match="line 2 is no decision"):
        Ledger(path).entries()


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "reject"},
        {"verdict": "edit"},
        {"verdict": "edit", "response": "  "},
        {"verdict": "accept", "response": "text"},
        {"reviewer": ""},
        {"digest": "short"},
        {"verdict": "perhaps"},
        {"more": 1},
    ],
)
def test_what_is_no_decision_is_refused(changes: dict):
    with pytest.raises(ValidationError):
        entry(**changes)


def write_some(path: str, reviewer: str) -> None:
    ledger = Ledger(Path(path))
    for number in range(40):
        ledger.append([entry(number, reviewer=reviewer, id=f"r{number}")])


def test_writers_at_once_lose_nothing(tmp_path: Path):
    path = tmp_path / "x.reviews.jsonl"
    with ProcessPoolExecutor(4) as pool:
        for _ in pool.map(write_some, [str(path)] * 4, ["ada", "ben", "cem", "dot"]):
            pass
    found = Ledger(path).entries()
    assert len(found) == 160
    for reviewer in ("ada", "ben", "cem", "dot"):
        own = [item.id for item in found if item.reviewer == reviewer]
        assert own == [f"r{number}" for number in range(40)]


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline.review.ledger import Entry, Ledger
ledger = Ledger(Path(sys.argv[1]))
for number in range(100000):
    ledger.append([Entry(at=datetime.now(UTC), reviewer="ada", id=f"r{number}", digest="a" * 64, verdict="accept")])
    print(number, flush=True)
"""


@pytest.mark.slow
def test_a_kill_loses_nothing_that_was_confirmed(tmp_path: Path):
    path = tmp_path / "x.reviews.jsonl"
    confirmed = 0
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline()
        time.sleep(0.3)
        os.kill(writer.pid, signal.SIGKILL)
        confirmed += 1 + len(writer.stdout.read().splitlines())
        writer.stdout.close()
        writer.wait()
    found = Ledger(path).entries()
    assert confirmed <= len(found) <= confirmed + 3
    assert confirmed > 10


def test_it_stands_beside_the_workspace(tmp_path: Path):
    assert ledger_of(tmp_path / "ws") == tmp_path / "ws.reviews.jsonl"


# What entries come to


def test_the_last_word_of_a_reviewer_counts():
    entries = [
        entry(1, verdict="reject", reason="no"),
        entry(2),
        entry(3, id="r2"),
        entry(4, id="r2", verdict="clear"),
    ]
    assert [(s.id, s.review) for s in Reviews.of(entries).stands] == [("r1", "accepted")]


def test_one_who_rejects_is_enough_and_the_last_edit_stands():
    edits = [
        entry(1, verdict="edit", response="one"),
        entry(2, reviewer="ben", verdict="edit", response="two"),
        entry(3, reviewer="cem"),
    ]
    (stand,) = Reviews.of(edits).stands
    assert (stand.review, stand.response) == ("edited", "two")
    (stand,) = Reviews.of([*edits, entry(4, reviewer="dot", verdict="reject", reason="r")]).stands
    assert (stand.review, stand.reason, stand.response) == ("rejected", "r", None)


def test_a_changed_text_has_no_verdict():
    row = {"id": "r1", "system": None, "history": [], "prompt": "p", "response": "r"}
    reviews = Reviews.of([entry(1, digest=content_digest(row))])
    assert reviews.match([row])["review"].to_list() == ["accepted"]
    assert reviews.match([row | {"response": "r2"}]).is_empty()
    assert reviews.match([row | {"votes": 7}])["review"].to_list() == ["accepted"]


def test_flags_change_no_verdict():
    entries = [entry(1), entry(2, verdict="flag", reason="odd")]
    assert Reviews.of(entries) == Reviews.of(entries[:1])
    assert list(flags(entries).values()) == ["odd"]
    assert flags([*entries, entry(3, verdict="unflag")]) == {}


@given(st.permutations([entry(i, id=f"r{i}") for i in range(5)]))
def test_verdicts_do_not_depend_on_the_order_of_other_texts(entries):
    assert Reviews.of(entries).digest() == Reviews.of(sorted(entries, key=lambda e: e.id)).digest()


def test_kappa_is_that_of_cohens_example():
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    assert kappa(pairs) == pytest.approx(0.4)
    assert kappa([(True, True)] * 3) is None


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_kappa_is_that_of_scikit_learn(pairs):
    import warnings

    from sklearn.metrics import cohen_kappa_score

    value = kappa(pairs)
    if value is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert value == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)))


def test_agreement_is_about_texts_that_both_judged():
    entries = [
        entry(1),
        entry(2, reviewer="ben", verdict="reject", reason="no"),
        entry(3, id="r2", verdict="edit", response="x"),
        entry(4, id="r2", reviewer="ben"),
        entry(5, id="r3"),
    ]
    (found,) = agreement(entries)
    assert (found.first, found.second, found.rows, found.same) == ("ada", "ben", 2, 1)
    assert found.kappa == 0
