import json
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.recipe import Ingest
from pipeline.sources import reddit
from pipeline.sources.base import Tally
from pipeline.sources.reddit.rules import is_bot, is_gone, story_prompt

DUMPS = Path(__file__).parents[4] / "shared" / "data" / "dumps"


def settings(**values: object) -> Ingest:
    return Ingest.model_validate({"reddit": values})


def read(dumps: Path, recipe: Ingest | None = None) -> tuple[pl.DataFrame, Tally]:
    recipe = recipe or Ingest()
    tally = Tally(max_malformed=1.0)
    (found,) = reddit.find(dumps, recipe)
    return pl.concat([pl.DataFrame(), *reddit.read(found, recipe, tally, dumps)]), tally


def write(dumps: Path, name: str, *records: object) -> None:
    path = dumps / "reddit" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "\n".join(r if isinstance(r, str) else json.dumps(r) for r in records).encode()
    if name.endswith(".zst"):
        # As Pushshift writes: neither size nor checksum, and a window of 2 GiB.
        window = zstandard.ZstdCompressionParameters.from_level(
            1, window_log=31, write_content_size=False, write_checksum=False
        )
        packer = zstandard.ZstdCompressor(compression_params=window).compressobj()
        data = packer.compress(data) + packer.flush()
    path.write_bytes(data)


def thread(id: str, title: str = "[WP] A door.", **more: object) -> dict[str, object]:
    return {
        "id": id, "subreddit": "WritingPrompts", "title": title, "selftext": "", "author": "asker",
        "score": 50, "created_utc": 1500000000, **more,
    }  # fmt: skip


def reply(id: str, to: str, score: object = 20, **more: object) -> dict[str, object]:
    return {
        "id": id, "subreddit": "WritingPrompts", "link_id": f"t3_{to}", "parent_id": f"t3_{to}",
        "body": f"Story {id}.", "author": "writer", "score": score, "created_utc": "1500000100",
        **more,
    }  # fmt: skip


def test_best_reply_wins_by_votes_then_time_then_id(tmp_path: Path) -> None:
    write(
        tmp_path, "RC_2017-07.zst",
        reply("c9", "t1"),
        reply("c2", "t1", created_utc=1500000050.0),
        reply("c1", "t1", created_utc="1500000050"),
        reply("c4", "t1", parent_id="t1_c9", score=900),
        reply("c5", "t1", score=3),
    )  # fmt: skip
    write(tmp_path, "RS_2017-07", thread("t1", over_18=False))
    rows, tally = read(tmp_path)
    row = rows.row(0, named=True)
    assert row["id"] == "reddit:WritingPrompts:c1"
    assert (row["title"], row["body"], row["response"]) == ("A door.", None, "Story c1.")
    assert row["url"] == "https://www.reddit.com/r/WritingPrompts/comments/t1/_/c1/"
    assert (row["author"], row["author_url"]) == ("writer", "https://www.reddit.com/user/writer")
    assert row["prompt_author"] == "asker"
    assert (row["licence"], row["votes"]) == ("LicenseRef-Reddit", 20)
    assert row["created_at"] == datetime(2017, 7, 14, 2, 40, 50)
    assert row["votes_rank"] == (1 + 3 / 2) / 4  # one below, three alike, of four usable ones
    assert tally.left_out == {
        ("reddit/RC_2017-07.zst", "not_top_answer"): 2,
        ("reddit/RC_2017-07.zst", "not_a_post"): 1,
        ("reddit/RC_2017-07.zst", "low_votes"): 1,
    }


def test_each_unusable_reply_has_its_reason(tmp_path: Path) -> None:
    write(
        tmp_path, "RC_2017-07.jsonl",
        reply("a1", "t1", body="[removed]"),
        reply("a2", "t1", body=" "),
        reply("a3", "t1", author="AutoModerator"),
        reply("a4", "t1", body="Beep.\n\n^(I am a bot, please contact the moderators.)"),
        reply("a5", "t1", distinguished="moderator"),
        reply("a6", "gone"),
        reply("a7", "t1", subreddit="pics"),
    )  # fmt: skip
    write(tmp_path, "RS_2017-07.jsonl", thread("t1"), thread("t1"), thread("t2", "[OT] Chat"))
    rows, tally = read(tmp_path)
    assert rows.is_empty()
    assert {reason: n for (_, reason), n in sorted(tally.left_out.items())} == {
        "removed": 2, "machine_text": 2, "no_answer": 1, "not_a_post": 1, "excluded_site": 1,
        "duplicate_exact": 1,
    }  # fmt: skip
    assert tally.left_out["reddit/RC_2017-07.jsonl", "not_a_post"] == 1
    assert tally.left_out["reddit/RS_2017-07.jsonl", "no_answer"] == 1


def test_a_removed_thread_takes_its_reply_along(tmp_path: Path) -> None:
    write(tmp_path, "RC_1.json", reply("a1", "t1"), reply("a2", "t2"))
    write(tmp_path, "RS_1.json", thread("t1", selftext="[deleted]"), thread("t2", over_18=True))
    rows, tally = read(tmp_path)
    assert rows["adult"].to_list() == [True]
    assert tally.left_out == {
        ("reddit/RC_1.json", "removed"): 1,
        ("reddit/RS_1.json", "removed"): 1,
    }


def test_prompts_come_from_tables_and_from_threads_without_replies(tmp_path: Path) -> None:
    write(tmp_path, "RC_1.json", reply("a1", "q1", subreddit="AskReddit", author="[deleted]"))
    write(
        tmp_path, "RS_1.json",
        thread("q1", "Which?", subreddit="AskReddit", selftext="More."),
        thread("q2", "[Serious] Why?", subreddit="AskReddit", selftext="More."),
        thread("q3", "I have a story", subreddit="AskReddit"),
    )  # fmt: skip
    table = (
        "id,title,score,created_utc,over_18,permalink,selftext,is_self\n"
        'q1,Which?,7,1.5e9,False,,"",True\n'
        "q4,Who?,12,1335842178.0,True,http://www.reddit.com/r/AskReddit/comments/q4/who/,,True\n"
    )
    write(tmp_path, "AskReddit.csv", table)
    rows, tally = read(tmp_path, settings(subreddits=["r/ASKREDDIT"], prompt_subreddits=None))
    assert rows.select("id", "title", "body", "split").rows() == [
        ("reddit:AskReddit:a1", "Which?", "More.", None),
        ("reddit:AskReddit:q2", "Why?", None, "test"),
        ("reddit:AskReddit:q4", "Who?", None, "test"),
    ]
    assert rows["author"].to_list() == ["anonymous", "asker", "anonymous"]
    assert rows["author_url"].to_list()[0] is None
    assert rows["url"].to_list()[2] == "https://www.reddit.com/r/AskReddit/comments/q4/who/"
    assert rows["adult"].to_list()[2] is True
    assert tally.left_out == {
        ("reddit/RS_1.json", "not_a_post"): 1, ("reddit/AskReddit.csv", "duplicate_exact"): 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("title", "prompt"),
    [
        ("[WP] A door.", "A door."),
        ("(wp)[EU]: A door.", "A door."),
        ("A door. [WP]", "A door."),
        ("[FF] A door.", None),
        ("[PI] [WP] A door.", None),
        ("A door.", None),
        ("[WP]", None),
    ],
)
def test_tags_of_writing_prompts(title: str, prompt: str | None) -> None:
    assert story_prompt(title) == prompt


@pytest.mark.parametrize(
    ("author", "text", "bot"),
    [
        ("RemindMeBot", "", True),
        ("gifv-bot", "", True),
        ("sneakpeekbot", "", True),
        ("janebot", "", False),
        ("Abbot", "", False),
        ("Mr_Robot", "", False),
        ("IAmNotABot", "", False),
        ("writer", "*I am a bot, and this action was performed automatically.*", True),
        ("writer", '"I am a bot," she said. The rain fell on the information desk.', False),
        ("writer", "I'm a bot\n", True),
    ],
)
def test_bots(author: str, text: str, bot: bool) -> None:
    assert is_bot(author, text) is bot


def test_what_counts_as_gone() -> None:
    assert all(map(is_gone, ["", " [removed] ", "*[deleted]*", "[Removed by Reddit]"]))
    assert not is_gone("It was [removed] by the moderators.")


def test_hostile_lines_cost_themselves(tmp_path: Path) -> None:
    bad = [
        "not json", "[" * 100_000, "[1]", "{}", "\x00", "x" * 3_000_000,
        json.dumps(reply("a/b\n", "t1")), json.dumps(reply("c1", "t1", score="many")),
        json.dumps(reply("c1", "t1", score=10**30)), json.dumps(reply("c1", "t1", score=True)),
        json.dumps(reply("c1", "t1", link_id=7)), json.dumps(reply("c1", "t1", body=None)),
        json.dumps(reply("c1", "t1", subreddit="../x")),
        json.dumps(reply("c1", "t1", body="\ud83d")),
    ]  # fmt: skip
    good = reply("c2", "t1", score="31", created_utc="soon", author="a\nb", permalink="//evil")
    write(tmp_path, "RC_1.json", good, *bad)
    write(tmp_path, "RS_1.json", thread("t1"))
    recipe = Ingest.model_validate(
        {"limits": {"max_line_bytes": 1 << 20}, "reddit": {"subreddits": None}}
    )
    rows, tally = read(tmp_path, recipe)
    assert [line for _, line, _ in tally.malformed] == list(range(2, 16))
    row = rows.row(0, named=True)
    assert (row["votes"], row["created_at"], row["author"]) == (31, None, "anonymous")
    assert row["url"].endswith("/r/WritingPrompts/comments/t1/_/c2/")


def test_other_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "city,people\nX,3\n")
    with pytest.raises(SourceError, match="no table of Reddit submissions"):
        read(tmp_path)
    write(tmp_path, "a.csv", "id,title,score\n")
    write(tmp_path, "b.json", {"city": "X"}, *[{"city": "Y"}] * 200)
    with pytest.raises(SourceError, match=r"b\.json holds neither Reddit submissions"):
        read(tmp_path)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
COMMENTS = st.dictionaries(
    st.sampled_from(list(reply("x", "y"))), VALUES | st.sampled_from(["c1", "t3_t1", "20"])
).map(lambda odd: {**reply("c1", "t1"), **odd})


@given(st.lists(COMMENTS | VALUES, max_size=8))
def test_books_add_up(tmp_path_factory: pytest.TempPathFactory, records: list[object]) -> None:
    dumps = tmp_path_factory.mktemp("any")
    write(dumps, "RC_1.json", reply("c0", "t1"), *[json.dumps(r) for r in records])
    write(dumps, "RS_1.json", thread("t1"))
    rows, tally = read(dumps)
    left = sum(tally.left_out.values()) + len(tally.malformed)
    assert sum(tally.rows.values()) == 2 + len(records) == 2 * len(rows) + left


@pytest.mark.skipif(not DUMPS.is_dir(), reason="the real dumps are not here")
def test_real_dumps() -> None:
    rows, tally = read(DUMPS, settings(subreddits=["askreddit"], min_votes=10))
    assert not tally.malformed
    answered = rows.filter(pl.col("response").is_not_null())
    label = "reddit/pushshift/RC_2016_AskReddit.zst"
    assert tally.rows[label] == 42_464
    assert tally.left_out[label, "not_a_post"] == 24_260  # all replies to replies, and one notice
    enough = tally.left_out[label, "not_top_answer"] + len(answered)
    assert 4_750 < enough < 4_861  # replies to threads with ten votes; some are gone or bots'
    assert len(answered) == 240
    assert rows["id"].n_unique() == len(rows)
    assert rows["url"].str.contains(r"^https://www\.reddit\.com/r/AskReddit/comments/\w+/").all()
    assert answered["votes_rank"].is_between(0.7, 1, closed="none").all()
    prompts = rows.filter(pl.col("split") == "test")
    assert prompts["title"].str.contains("?", literal=True).all()
    assert prompts["response"].null_count() == len(prompts) > 1_400
    assert {"AskReddit"} == set(rows["domain"])
