import io
from xml.sax.saxutils import quoteattr

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.recipe import Limits
from pipeline.sources import opening, xmlrows
from pipeline.sources.attributes import WELL_FORMED, as_number, attribute
from pipeline.sources.base import Tally
from pipeline.sources.stackexchange.posts import as_moment, number

ROW = '<row Id="1" PostTypeId="2" CreationDate="2010-01-01T00:00:00.000" Body="x" />'
NEEDED = ("Id", "PostTypeId", "CreationDate")
XML_CHARS = st.characters(
    exclude_categories=["Cs"],
    exclude_characters=[*(chr(c) for c in range(32) if c not in (9, 10, 13)), "\ufffe", "\uffff"],
)


def read(data: str | bytes, limits: Limits | None = None) -> tuple[pl.DataFrame, Tally]:
    tally = Tally(1.0)
    raw = data.encode() if isinstance(data, str) else data
    frames = xmlrows.row_frames(
        io.BytesIO(raw), "posts", NEEDED, limits or Limits(), "Posts.xml", tally
    )
    return pl.concat(frames), tally


@given(st.text(XML_CHARS), st.data())
def test_unescaping_undoes_any_escaping_once(text: str, data: st.DataObject) -> None:
    styles = data.draw(st.lists(st.sampled_from("nxXd"), min_size=1))
    written = "".join(
        _written(char, styles[place % len(styles)]) for place, char in enumerate(text)
    )
    assert xmlrows.unescape(pl.Series([written])).to_list() == [text]


def _written(char: str, style: str) -> str:
    if style == "x":
        return f"&#x{ord(char):x};"
    if style == "X":
        return f"&#x{ord(char):06X};"
    if style == "d":
        return f"&#{ord(char)};"
    return quoteattr(char, {"\n": "&#xA;", '"': "&quot;"})[1:-1]


def test_what_is_no_reference_stays_and_what_is_no_character_is_marked() -> None:
    texts = ["&amp;lt;p&amp;gt; &amp;#10;", "&nbsp; & &#; &#xZZ;", "&#0;&#xD800;&#x1F600;", None]
    assert xmlrows.unescape(pl.Series(texts)).to_list() == [
        "&lt;p&gt; &#10;",
        "&nbsp; & &#; &#xZZ;",
        "\ufffd\ufffd\U0001f600",
        None,
    ]


def test_attributes_are_found_in_any_order_and_only_as_attributes() -> None:
    row = '<row Body="&quot; Score=&quot;7" Score="-12" Title="" OwnerUserId="٣" Id="1_0"/>'
    frame = pl.DataFrame({"line": [row]}).select(
        attribute("Body"),
        attribute("Title").alias("title"),
        attribute("Tags").alias("tags"),
        number("Score").alias("score"),
        as_number(attribute("Score")).alias("late"),
        number("OwnerUserId").alias("arabic digit"),
        as_number(attribute("Id")).alias("no number"),
    )
    assert frame.row(0) == ("&quot; Score=&quot;7", "", None, -12, -12, None, None)


def test_times_are_read_with_and_without_fraction() -> None:
    texts = ["2011-04-08T00:00:00", "2011-04-08", "2011-02-31T00:00:00", "x"]
    times = pl.DataFrame({"time": texts}).select(as_moment(pl.col("time"))).to_series()
    assert [str(time) for time in times] == ["2011-04-08 00:00:00", "None", "None", "None"]


@pytest.mark.parametrize(
    "text",
    [
        f'\ufeff<?xml version="1.0" encoding="utf-8"?>\r\n<posts>\r\n  {ROW}\r\n</posts>\r\n',
        f"<posts>\n{ROW}\n</posts>",
        f"<posts>{ROW}\n</posts>\n\n",
        f"<posts>\n{ROW}</posts>\n",
        f"<posts>{ROW}</posts>",
        f'<?xml version="1.0"?><!-- a <posts> --><posts a="b">{ROW}\n  </posts>',
        f"<?xml version='1.0'?>\n<!DOCTYPE posts>\n<posts>\n\n{ROW}\n</posts >",
        f"<posts>\n{ROW.replace(' />', '></row>')}\n</posts>{' ' * 999}\n",
    ],
)
def test_all_spellings_of_a_table_give_the_same_row(text: str) -> None:
    frame, tally = read(text)
    row = frame["line"].str.strip_chars().str.replace("></row>", " />", literal=True)
    assert row.to_list() == [ROW]
    assert frame.select(pl.col("line").str.contains(WELL_FORMED)).item()
    assert tally.rows["Posts.xml"] == 1
    assert not tally.malformed


@pytest.mark.parametrize("rows", [1, 900, 1024, 1025, 5000, 20_000])
def test_lines_keep_their_numbers_whatever_the_size(rows: int) -> None:
    row = ROW.replace('"x"', f'"{"x" * (1024 - len(ROW))}"')  # 1 KiB with the end of the line
    frame, tally = read("<posts>\n" + f"{row}\n" * rows + "hello\n</posts>")
    assert frame["number"].to_list() == list(range(2, rows + 2))
    assert [line for _, line, _ in tally.malformed] == [rows + 2]
    assert tally.rows["Posts.xml"] == rows + 1


@pytest.mark.parametrize("text", ["<posts></posts>", "<posts />", "<posts>\n</posts>\n"])
def test_an_empty_table_has_no_rows(text: str) -> None:
    frame, tally = read(text)
    assert len(frame) == 0
    assert not tally.malformed


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds nothing to read; it should hold <posts>"),
        ("<xml>\n" + ROW + "\n</xml>", "<xml> where <posts> belongs"),
        ("hello\n", "no element where <posts> belongs"),
        ("\ufeff<posts>\n" + ROW, "breaks off: there is no </posts>"),
        ('<posts>\n<row Id="1" Body="a"/>\n</posts>', "no PostTypeId, CreationDate (it has Body"),
        ('<!DOCTYPE posts [<!ENTITY a "<row ">]>\n<posts>\n' + ROW, "declares entities"),
        ('<!DOCTYPE posts SYSTEM "file:///etc/passwd" [\n]>\n<posts>\n' + ROW, "declares entities"),
        ("<?a?>" * 20_000 + "!" + ROW, "no element where <posts> belongs"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(text: str, says: str) -> None:
    with pytest.raises(SourceError) as caught:
        read(text)
    assert str(caught.value).startswith("Posts.xml ")
    assert says in str(caught.value)


def test_utf_16_is_refused() -> None:
    with pytest.raises(SourceError, match="no element"):
        read(f"<posts>\n{ROW}\n</posts>".encode("utf-16"))


@pytest.mark.parametrize("size", [7, 100, opening.BLOCK])
def test_malformed_lines_are_named_by_line_whatever_the_blocks(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = opening.line_blocks
    monkeypatch.setattr(xmlrows, "line_blocks", lambda *args: blocks(*args, size=size))
    rows = [
        b"<posts>",
        ROW.encode(),
        b"",
        b"hello",
        ROW.replace('"x"', '"\x00"').encode(),  # a whole row: WELL_FORMED refuses it later
        b"\x01" + ROW.encode(),
        ROW.encode("latin-1").replace(b'"x"', b'"\xe9"'),
        ROW.replace('"x"', f'"{"y" * 2000}"').encode(),
        ROW[:40].encode(),
        ROW.encode(),
        b"</posts>",
    ]
    if size < 100:  # the head must be in the first block
        rows[:2] = [b"<posts>" + ROW.encode(), b""]
    monkeypatch.setattr(xmlrows, "_check_head", lambda block, *_: block.replace(b"<posts>", b""))
    frame, tally = read(b"\r\n".join(rows), Limits(max_line_bytes=1024))
    assert frame["number"].to_list() == [1 if size < 100 else 2, 5, 10]
    assert [(line, why[:11]) for _, line, why in sorted(tally.malformed)] == [
        (4, "no whole ro"),
        (6, "no whole ro"),
        (7, "not valid U"),
        (8, "longer than"),
        (9, "no whole ro"),
    ]
    assert tally.rows["Posts.xml"] == 8
    assert "\\x01" in str(tally.malformed)


@pytest.mark.parametrize(
    "row",
    [
        ROW.replace('"x"', '"a < b"'),
        ROW.replace('"x"', '"\x00"'),
        ROW.replace('"x"', "'x'"),
        ROW.replace('"x"', '"say "hi""'),
        ROW.replace(" Body", "\tBody"),
        ROW.replace(" />", " /></posts>"),
        ROW + ROW,
    ],
)
def test_rows_that_are_not_well_formed_are_known(row: str) -> None:
    frame = pl.DataFrame({"line": [ROW, row]})
    assert frame.select(pl.col("line").str.contains(WELL_FORMED)).to_series().to_list() == [
        True,
        False,
    ]


def test_a_row_with_100_000_attributes_is_read_as_a_row() -> None:
    many = " ".join(f'{"a" * (1 + n % 50)}="{n}"' for n in range(100_000))
    frame, tally = read(f'<posts>\n{ROW}\n<row {many} Id="7" />\n</posts>')
    assert frame.select(number("Id")).to_series().to_list() == [1, 7]
    assert not tally.malformed
