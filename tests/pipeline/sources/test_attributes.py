import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.sources import attributes
from pipeline.sources.attributes import WELL_FORMED, attribute, cut

ASKED = ("Id", "Title", "Body", "LastEditorDisplayName")
ROW = '  <row Id="1" PostTypeId="2" Body="a &lt; é" LastEditorDisplayName="Ann" Title="" />\n'
# Everything that a row is made of, and what breaks one.
PARTS = st.sampled_from(
    ['"', "<", " ", "=", "/>", "\x01", "\t", "é", "x", ' Id="', ' Body="', "<row", "</row>", "\n"]
)


def by_regexes(lines: pl.Series) -> pl.DataFrame:
    return lines.to_frame("line").select(
        pl.col("line").str.contains(WELL_FORMED).alias("sound"),
        *(attribute(name).alias(name) for name in ASKED),
    )


def agree(lines: list[str]) -> None:
    series = pl.Series("line", lines, pl.String)
    wanted = by_regexes(series)
    got = cut(series, ASKED)
    assert got["sound"].to_list() == wanted["sound"].to_list()
    assert_frame_equal(got.filter("sound"), wanted.filter("sound"))


def test_a_row_is_cut_by_its_quotes_alone() -> None:
    frame, regular = attributes._cut_regular(pl.Series([ROW, ROW.replace("\n", "\r\n")]), ASKED)
    assert regular.all()
    assert frame.rows() == [(True, "1", "", "a &lt; é", "Ann")] * 2


@pytest.mark.parametrize(
    "row",
    [
        ROW.replace(" Body", "  Body"),
        ROW.replace(" Body", "\tBody"),
        ROW.replace(" Body", "Body"),
        ROW.replace("Body=", "Body ="),
        ROW.replace("Body", "Unheard"),
        ROW.replace("Body", "LastEditorDisplayNameAndMore"),
        ROW.replace("Body", "LastEditorDisplayNamf"),
        ROW.replace("Ann", "a < b"),
        ROW.replace("Ann", "\x00"),
        ROW.replace("Ann", 'say "hi"'),
        ROW.replace("Ann", "a\tb"),
        ROW.replace(" />", ">  </row>"),
        ROW.replace(" />", "   />"),
        ROW.replace(" />", " /></posts>"),
        ROW.replace("<row", "<rows"),
        ROW.replace("<row", "<r"),
        ROW.lstrip(),
        ROW.strip() + ROW,
        ROW.replace(' Title=""', ' Title="" Title="second"'),
        "<row />",
        "  <row\n",
        "<row ",
        '"',
        "",
    ],
)
def test_odd_rows_are_judged_as_the_regexes_judge_them(row: str) -> None:
    agree([row])
    agree([ROW, row, ROW])


@given(st.lists(st.lists(st.tuples(st.integers(0, len(ROW)), PARTS), max_size=3), max_size=4))
def test_broken_rows_are_judged_as_the_regexes_judge_them(
    edits: list[list[tuple[int, str]]],
) -> None:
    rows = []
    for edit in edits:
        row = ROW
        for place, part in edit:
            row = row[:place] + part + row[place:]
        rows.append(row)
    agree(rows)


@given(st.lists(st.sampled_from([*attributes._NAMES, "Body", "Idd", "I"]), max_size=12))
def test_names_are_told_apart(names: list[str]) -> None:
    values = "".join(f' {name}="{number}"' for number, name in enumerate(names))
    agree([f"  <row{values} />\n"])


def test_no_lines_give_no_rows() -> None:
    agree([])
