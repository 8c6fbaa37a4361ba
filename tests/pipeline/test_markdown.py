"""Markup to Markdown: the cases of docs/cleaning.md, laws for any input, and real dumps."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from pipeline.markdown import html_to_markdown, reddit_to_markdown
from pipeline.text import clean_text, outside_code, plain_title, split_fences

ROOT = Path(__file__).parents[2]
DUMPS = ROOT.parent / "shared" / "data" / "dumps" / "stackexchange"
CASE = re.compile(
    r"^### (?P<name>.+)\n\n"
    r"~~~~(?P<kind>html|reddit|title)\n(?P<given>(?s:.*?))\n~~~~\n\n"
    r"~~~~markdown\n(?P<expected>(?s:.*?))\n~~~~$",
    re.MULTILINE,
)
CONVERT: dict[str, Callable[[str], str]] = {
    "html": lambda text: clean_text(html_to_markdown(text)),
    "reddit": lambda text: clean_text(reddit_to_markdown(text)),
    "title": plain_title,
}
DOCUMENT = (ROOT / "docs" / "cleaning.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "given_text", "expected"),
    [
        pytest.param(m["kind"], m["given"], m["expected"], id=m["name"])
        for m in CASE.finditer(DOCUMENT)
    ],
)
def test_case_of_the_document(kind: str, given_text: str, expected: str) -> None:
    assert CONVERT[kind](given_text) == expected


def test_every_heading_of_the_document_is_a_case() -> None:
    headings = re.findall(r"^### .+\n\n~~~~", DOCUMENT, re.MULTILINE)
    assert len(headings) == len(CASE.findall(DOCUMENT)) >= 40


# Characters that a page cannot show, so they are here and not in the document.
CLEANED = [
    ("composed", "cafe\u0301", "café"),
    ("mojibake", "donâ€™t say cafÃ©", "don’t say café"),
    ("mojibake beside right characters", "naïve: donâ€™t\n漢字 CafÃ©", "naïve: don’t\n漢字 Café"),
    ("mojibake in code is its subject", "It shows `cafÃ©`.", "It shows `cafÃ©`."),
    ("mojibake in a block", "```\ncafÃ©\n```", "```\ncafÃ©\n```"),
    ("capitals are no mojibake", "LÂ’AVION À PARIS", "LÂ’AVION À PARIS"),
    ("quotes and dashes stay", "“It’s” – ‘fine’… ﬁne", "“It’s” – ‘fine’… ﬁne"),
    ("quotes in code stay", '`print("x")`', '`print("x")`'),
    ("invisible", "\ufeffa\u200bb\u00adc\u2060d\u200e\x00\x07e", "abcde"),
    ("Windows-1252 as Latin-1", "it\x92s \x93so\x94", "it’s “so”"),
    ("odd spaces", "a\u00a0b\u2009c\u202fd", "a b c d"),
    ("joiners of Persian stay", "می\u200cخواهم", "می\u200cخواهم"),
    ("joiners of emoji stay", "👩\u200d🔬 ok", "👩\u200d🔬 ok"),
    ("joiners in Latin go", "a\u200cb\u200d", "ab"),
    ("line ends", "a\r\nb\rc\u2028d", "a\nb\nc\nd"),
    ("spaces and blank lines", "\n\na  \n\n\n\nb\t\n \n", "a\n\nb"),
    ("code keeps both", "a\n\n```\nx  \n\n\n\ny\n```\n\n\n\nb", "a\n\n```\nx  \n\n\n\ny\n```\n\nb"),
    ("half a character", "a\ud83db", "ab"),
    ("first line keeps its indentation", "\n    code", "    code"),
]


@pytest.mark.parametrize(
    ("text", "expected"), [pytest.param(*case, id=name) for name, *case in CLEANED]
)
def test_clean_text(text: str, expected: str) -> None:
    assert clean_text(text) == expected
    assert clean_text(expected) == expected


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("How do I sort? [closed]", "How do I sort?"),
        ("How do I sort? [duplicate] [on hold]", "How do I sort?"),
        ("What does a[0] &amp;lt; mean?", "What does a[0] &lt; mean?"),
        ("[closed]", "[closed]"),
        ("a=1&copy=2 \u200b\n b", "a=1&copy=2 b"),
    ],
)
def test_plain_title(title: str, expected: str) -> None:
    assert plain_title(title) == expected


# Text made of what the functions look for, so that the laws are tried where they could break.
MARKUP = """
< > & ; \\ | ` ``` ~~~ * _ $ # - 1. <p> </p> <pre> </pre> <code> </code> <li> <ul> </ul> <ol> <br> <sub>
<blockquote> </blockquote> <sup>2</sup> <a> </a> <table> <td> <!-- --> &lt; &amp; &#x200B; EDIT: Tom
Cheers, [x](y) http://a.b/c >! !< ^ Ã© â€™ Ã é 漢 x
"""
CHARACTERS = "\n\r\t \x00\x80\x99\u0301\u200b\u200c\u200d\u2028\ufeff\ufdd0\ufdd1\ufdd2\ufdd3\ud800"
PIECES = st.lists(
    st.sampled_from([*MARKUP.split(), *CHARACTERS, "    ", "\n\n", "\r\n", "Hope this helps!"])
    | st.text(max_size=5),
    max_size=30,
).map("".join)
ANY_TEXT = PIECES | st.text(alphabet=st.characters())


@given(ANY_TEXT)
def test_clean_text_is_idempotent(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once


@given(ANY_TEXT)
def test_everything_is_total(text: str) -> None:
    for convert in CONVERT.values():
        convert(text).encode()
    html_to_markdown(text)
    reddit_to_markdown(text)


@given(ANY_TEXT)
def test_fences_join_to_the_text(text: str) -> None:
    assert "".join(piece for _, piece in split_fences(text)) == text


@given(PIECES.filter(lambda text: "\ufdd2" not in text and "\ufdd3" not in text))
def test_outside_code_puts_everything_back(text: str) -> None:
    assert outside_code(text, lambda prose: prose, indented=True) == text


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=0x24F), min_size=1))
def test_code_survives_escaping(code: str) -> None:
    code = code.replace("\x7f", "").strip()
    escaped = code.replace("&", "&amp;").replace("<", "&lt;")
    markdown = html_to_markdown(f"<p>See:</p><pre><code>x\n{escaped}\nx\n</code></pre>")
    assert f"\nx\n{code}\nx\n" in markdown


HOSTILE = {
    "nested div": "<div>" * 100_000 + "x",
    "nested quotes": "<blockquote>" * 100_000 + "x",
    "nested bold": "<b>" * 100_000 + "x",
    "nested lists": "<ul><li>" * 20_000 + "x",
    "nested labels": "<p>" + "<b>" * 40_000 + "x",
    "less than": "<" * 1_000_000,
    "fewer less than": "<" * 40_000,
    "ampersands": "&" * 1_000_000,
    "attributes": "<p " + "a=b " * 1_000_000 + ">x",
    "open links": "<a " * 40_000,
    "links to nowhere": "<a>http://" * 40_000,
    "open superscripts": "<sup>" * 40_000,
    "open comments": "<!-- language: " * 40_000,
    "open blocks": "<pre " * 40_000,
    "banners": "<blockquote><p><b>Possible Duplicate" * 2_000,
    "backticks": "`" * 200_000,
    "ticks apart": "` `` " * 50_000,
    "fences": "```\n" * 100_000,
    "open brackets": "[" * 200_000,
    "open targets": "[x](" * 50_000,
    "open brackets in targets": "[x](a" + "(a" * 100_000,
    "open titles": '[x](a "' * 20_000,
    "open spoilers": ">!" * 50_000,
    "spaces": " " * 500_000 + "x",
    "newlines": "\n" * 500_000 + "x",
    "tabs and newlines": "\t\n" * 200_000,
    "greetings": "Hope this helps! " * 50_000,
    "signatures": "<p>Cheers</p>" * 5_000,
    "mojibake": "Ã©â€™" * 20_000,
    "joiners": "\u200d" * 500_000,
    "list markers": "- " * 200_000,
    "digits": "1" * 500_000,
    "labels": "EDIT" * 100_000,
    "hosts": "http://" * 100_000,
    "stars": "*" * 300_000,
    "dots": "www." + "a." * 100_000,
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in HOSTILE.items()])
def test_hostile_input_takes_bounded_time(text: str) -> None:
    for convert in CONVERT.values():
        started = time.process_time()
        convert(text)
        assert time.process_time() - started < 5


def test_text_too_deep_is_not_lost() -> None:
    assert html_to_markdown("<div>" * 5_000 + "still &lt; here") == "still < here"


def real_bodies() -> Iterator[str]:
    zstandard = pytest.importorskip("zstandard")
    for path in sorted(DUMPS.glob("*/Posts.xml.zst")):
        with path.open("rb") as raw:
            rows = ElementTree.iterparse(zstandard.ZstdDecompressor().stream_reader(raw))
            count = 0
            for _, row in rows:
                if row.get("PostTypeId") in {"1", "2"} and (body := row.get("Body")):
                    yield body
                    count += 1
                row.clear()
                if count == 400:
                    break


@pytest.mark.skipif(not DUMPS.exists(), reason="no real dumps beside the checkout")
def test_real_posts() -> None:
    marker = re.compile(r"^[ >]*(?:(?:[-*+]|\d+[.)])(?:[ ]|$)[ >]*)+", re.MULTILINE)
    one_marker = re.compile(r"(?:[-*+]|\d+[.)])(?:[ ]|$)")
    problems: list[str] = []
    seen = 0
    for body in real_bodies():
        seen += 1
        converted = html_to_markdown(body)
        text = clean_text(converted)
        tree = LexborHTMLParser(body)
        prose = "".join(piece for is_code, piece in split_fences(text) if not is_code)
        plain = re.sub(r"(`+)[^`].*?\1", "", prose)
        if re.search(r"<p>|</a>|<li>|<pre|\]\(https?:", plain):
            problems.append(f"markup left: {body[:200]}")
        if re.search(r"&(?:lt|gt|amp|quot);", plain) and "&amp;" not in body:
            problems.append(f"entities left: {body[:200]}")
        wanted = [code for node in tree.css("pre") if (code := node.text()).strip()]
        got = [piece for is_code, piece in split_fences(converted) if is_code]
        if [code.rstrip().strip("\n") for code in wanted] != [block_text(code) for code in got]:
            problems.append(f"code changed: {body[:200]}")
        markers = sum(len(one_marker.findall(found)) for found in marker.findall(prose))
        if len(tree.css("li")) > markers:
            problems.append(f"list items lost: {body[:200]}")
    assert seen > 1_000
    assert not problems


def block_text(block: str) -> str:
    """Take the fences and the indentation of the list or quote around it off a block."""
    lines = block.split("\n")
    indent = lines[0].index("`")
    return "\n".join(line[indent:] for line in lines[1:-1]).rstrip().strip("\n")
