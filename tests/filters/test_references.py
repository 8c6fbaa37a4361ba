from __future__ import annotations

import polars as pl
import pytest

from filters.references import refers_to_other_answers
from filters.rule import judge


def reasons(text: str, *, wider: bool = False) -> list[str | None]:
    frame = pl.DataFrame({"response": [text]})
    return judge(frame, [refers_to_other_answers(wider=wider)])["reason"].to_list()


@pytest.mark.parametrize(
    "text",
    [
        "As mentioned, it is blue.",
        "As already mentioned above, it is blue.",
        "As others have said, it is blue.",
        "as mentioned in the other answer",
        "as pointed out in the comments",
        "As mentioned by Dirk it is blue",
        "This is asked often on Stack Exchange.",
        "Ask at physics.stackexchange.com or on StackOverflow.",
        "The other answers are wrong.",
        "See the accepted answer.",
        "Here is what the OP wants.",
        "@user23 said that it is blue.",
        "@user23: it is blue.",
        "Thanks to @user23 it is blue.",
        "as @deong says, there are better ways",
        "See the comment above.",
        "The original poster wants blue.",
        "Please upvote.",
        "+1 for the colour",
        "This is a possible duplicate.",
        "Edit: thanks for the gold!",
        "Most redditors know /u/someone.",
        "It may be blue, as suggested by the other user.",
        "As other users have mentioned, it is blue.",
        "Keep the schema under version control as *alumb* and others suggest.",
        "Trains go there, too (from @Eric Bréchemier).",
        "Read about secret questions in @Jens Roland answer here.",
        "To augment @user23's suggestion, paint it blue.",
        "This was explained by @user23.",
        "In light of the answers so far, it is blue.",
        "The replies given so far say that it is blue.",
    ],
)
def test_refers(text):
    assert reasons(text) == ["refers_to_other_answers"]


@pytest.mark.parametrize(
    "text",
    [
        "As mentioned in the manual, it is blue.",
        "As described, the water is blue.",
        "A stack overflow ends the program with a StackOverflowError.",
        "The @Override annotation and the @property decorator",
        "Write to someone@example.org.",
        "```python\n@user.said\n# as mentioned, stack exchange\n```",
        "Type `stack exchange`.",
        "The answer is 42; no other number will do.",
        "An op amp, or OP07, has two inputs.",
        "Comment out the line; comments begin with a hash.",
        "They exchange the stack of papers.",
        "Add 1 + 1.",
        "See https://stackoverflow.com/q/1 for it.",
        "either/or, and/u/or",
        "Feed the board with 12 V @ 5 A, from @ 5 V upwards.",
        "Follow `@Jens Roland` on Twitter, or read the feed of `@thousand`.",
        "Mark the field with @Autowired and the class with @Component.",
        "@Autowired Clock clock;",
        "Other users of the machine see it as blue.",
        "Use the same key as other users of the machine.",
        "The best answers to a survey are short.",
    ],
)
@pytest.mark.parametrize("wider", [False, True])
def test_does_not_refer(text, wider):
    assert reasons(text, wider=wider) == [None]


@pytest.mark.parametrize(
    "text",
    [
        "It is as in Kamil's answer.",
        "Your comment is right.",
        "See another answer.",
        "See also this question.",
        "Based on comments, it is blue.",
        "As noted above, it is blue.",
        "as often seen on this site",
    ],
)
def test_refers_in_the_wider_sense_only(text):
    assert reasons(text) == [None]
    assert reasons(text, wider=True) == ["refers_to_other_answers"]


def test_the_detail_shows_the_phrase():
    frame = judge(
        pl.DataFrame({"response": ["No. The other answers are wrong."]}),
        [refers_to_other_answers()],
    )
    assert frame["detail"].to_list() == ["No. The other answers are wrong."]
