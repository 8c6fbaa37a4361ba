"""Personal data of invented people: found by shape and checksum; what is nobody's stays."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.personal import find, mask, may_hold, personal_data
from filters.rule import judge

KEY = "ghp_" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"


SOMEBODYS = [
    ("Write to wanda.quill@northmail.net before noon.", "e-mail"),
    ("Call me: 020 7946 0018 in the evening.", "telephone"),
    ("From abroad it is +49 30 901820, day and night.", "telephone"),
    ("The office is (212) 736-5000.", "telephone"),
    ("My router answers at 81.2.69.142, try it.", "ip"),
    ("It is at 2a02:8109:9a40:1f::52 today.", "ip"),
    (f"export TOKEN {KEY}", "key"),
    ('api_key = "q8Zr2LmX7vT4nB9cK1wD5yHs"', "key"),
    (
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7b3\n-----END RSA PRIVATE KEY-----",
        "key",
    ),
    ("Charge 4539 1488 0343 6467 please.", "card"),
    ("My visa is 4539148803436467.", "card"),
    ("Transfer it to DE89 3704 0044 0532 0130 00.", "identity"),
    ("Her number is 219-09-5678, keep it.", "identity"),
]


@pytest.mark.parametrize(("text", "kind"), SOMEBODYS)
def test_what_is_somebodys_is_found(text: str, kind: str):
    assert [hit.kind for hit in find(text)] == [kind]


@given(
    st.sampled_from([text for text, _ in SOMEBODYS]),
    st.lists(
        st.tuples(st.integers(0, 90), st.sampled_from('0149 .-()/+@:="AXk_\n٣éſıK\x1f')), max_size=4
    ),
)
def test_nothing_is_found_where_it_is_not_worth_looking(text: str, edits: list[tuple[int, str]]):
    for place, letter in edits:
        text = text[:place] + letter + text[place:]
    assert not find(text) or may_hold(pl.Series([text])).all()


@pytest.mark.parametrize(
    "text",
    [
        "Write to jane@example.com or you@yourdomain.com; clone git@github.com:a/b.git.",
        "Version 10.0.19041.1 and version 81.2.69.142 of the driver; Chrome/58.0.3029.110.",
        "Ping 8.8.8.8, 192.168.0.17, 127.0.0.1 or 203.0.113.9; see section 3.2.1.4.",
        "2001:db8::1 and a::b, std::vector<int>::iterator at 12:34:56.",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8, MD5 d41d8cd98f00b204e9800998ecf8427e",
        "token: 123e4567-e89b-12d3-a456-426614174000, password = your_password_goes_here_1",
        "ISBN 978-0-306-40615-7, ISBN-10 0-306-40615-2, 2019-05-17 10:11:12, 1559347200",
        "40.712812, -74.006015 or +40.712812; pi is 3.14159265358979323846",
        "The test card 4111 1111 1111 1111, and 1234 5678 9012 3456 is none.",
        "Ring (212) 555-0142 in the film; ABN 51 824 753 556 and 1,234,567,890 dollars.",
        "x = 4539148803436467 * 2",
    ],
)
def test_what_is_nobodys_passes(text: str):
    assert find(text) == []


def test_the_rule_says_what_and_does_not_repeat_it():
    frame = pl.DataFrame({"response": ["Ask wanda.quill@northmail.net.", "Ask me.", None]})
    judged = judge(frame, [personal_data()])
    assert judged["reason"].to_list() == ["personal_data", None, None]
    assert judged["detail"][0] == "e-mail in the response"


def test_masking_twice_changes_nothing_more():
    text, counts = mask("Write to wanda.quill@northmail.net or +49 30 901820, thanks.")
    assert text == "Write to [e-mail address] or [telephone number], thanks."
    assert dict(counts) == {"e-mail": 1, "telephone": 1}
    assert mask(text) == (text, {})
