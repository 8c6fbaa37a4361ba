"""Texts of a dump stay texts: in the page, in its data, in its pictures."""

import json
import re
from pathlib import Path

import pytest

from pipeline.html import figures, page
from pipeline.html.svg import tag

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028\u2029 &amp; \"'`"
TEMPLATE = """{% extends "base.html" %}
{% import "macros.html" as m %}
{% block title %}{{ text }}{% endblock %}
{% block body %}<main id="main">{{ m.table(["a", text], [[text, 1]], right=[1]) }}</main>{% endblock %}
"""


@pytest.fixture
def made(tmp_path: Path) -> str:
    (tmp_path / "x.html").write_text(TEMPLATE)
    return page.render(
        tmp_path / "x.html", {"text": HOSTILE}, script="let one = 1", data={"text": HOSTILE}
    )


def test_markup_in_a_text_is_escaped(made: str):
    assert made.count("<script") == 2  # the data and the script
    assert "<img" not in made


def test_the_data_come_back_as_they_were(made: str):
    text = made.split('id="data">')[1].split("</script>")[0]
    assert json.loads(text) == {"text": HOSTILE}
    assert not set("<>&\u2028\u2029") & set(text)


def test_the_policy_allows_the_own_style_and_script_and_no_request(made: str):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', made)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1]
    assert policy[1].count("sha256-") == 2
    assert "unsafe" not in policy[1]
    assert not re.findall(r"https?://", made)


def test_a_page_without_a_script_allows_none():
    assert "script-src" not in page.policy("a{}", "")


def test_a_name_that_a_template_lacks_is_an_error(tmp_path: Path):
    from jinja2 import UndefinedError

    (tmp_path / "x.html").write_text("{{ missing }}")
    with pytest.raises(UndefinedError):
        page.render(tmp_path / "x.html", {})


def test_attributes_and_text_of_an_element_are_escaped():
    assert tag("text", "<b>", aria_label='"x"', x=1.5000001, class_=None) == (
        '<text aria-label="&#34;x&#34;" x="1.5">&lt;b&gt;</text>'
    )


def test_pictures_hold_their_numbers():
    drawn = figures.bars([figures.Bar("<i>", 3, mark=6, note="of 6")], "rows")
    assert "&lt;i&gt;: 3 of 6" in drawn
    assert 'aria-label="rows"' in drawn


def test_every_value_is_in_some_bin():
    values = [1.0, 2, 3, 1000]
    borders = figures.edges(values, 4, log=True)
    drawn = figures.histogram(
        figures.Values("pool", values), figures.Values("picked", values[:2]), borders, "lengths"
    )
    shares = re.findall(r"([\d.]+)% of picked", drawn)
    assert sum(float(share) for share in shares) == pytest.approx(100)


def test_points_are_drawn_where_all_are_at_one_place():
    points = [figures.Point(1, 1, 0), figures.Point(1, 1, 1, colour=9)]
    drawn = figures.scatter(points, [figures.Words(1, 1, "a"), figures.Words(1, 1, "b")], "map")
    assert drawn.count("<circle") == 2
    assert drawn.count("<text") == 1  # the second would stand on the first


def test_numbers_for_people():
    assert [page.number(value) for value in (None, 1234, 0.5, 2.0)] == ["–", "1,234", "0.50", "2"]
