from __future__ import annotations

import polars as pl
import pytest

from filters.repetition import repeated_or_lost
from filters.rule import judge
from pipeline.filter import rules_for
from pipeline.recipe import Rules

STEPS = ["Cut the paper.", "Fold it once.", "Fold it again.", "Glue the ends."]
PROSE = "The lake lies in the mountains. Its water is blue. No fish live there. Few people come. "


def judged(text: str) -> tuple[str | None, str | None]:
    row = judge(pl.DataFrame({"response": [text]}), [repeated_or_lost()]).row(0, named=True)
    return row["reason"], row["detail"]


def test_a_sentence_under_every_step():
    said = "The edges must lie on each other, or it tears"
    text = "\n".join(f"{n}. **{step}** {said}." for n, step in enumerate(STEPS, 1))
    assert judged(text) == ("low_quality", f"said again and again: {said}")


def test_a_paragraph_again_and_again():
    text = "\n\n".join(["- The edges must lie on each other, or it tears"] * 3)
    assert judged(text)[0] == "low_quality"


@pytest.mark.parametrize(
    "text",
    [
        "Preheat the oven to degrees. Bake the bread for minutes.",
        "Heat it slowly to degrees F, and let it cool for about minutes.",
        "Simmer for minutes or until soft. After minutes, take it from the fire.",
        "Let it rest at degrees for minutes before you cut it.",
        "Cook the soup for hour. Stir for seconds each.",
        "Cut strips of inches in length, about inch thick.",
        "Add cup of flour, then stir in tablespoons sugar.",
    ],
)
def test_lost_numbers(text):
    reason, detail = judged(text)
    assert reason == "low_quality"
    assert str(detail).startswith("2 numbers are lost: ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Preheat the oven to degrees and bake the bread for 20 minutes.",  # one slip
        "It rained for hours, for days, for weeks. The train came within minutes.",
        "He talked for minutes on end. It was a matter of minutes. It comes every hour.",
        "Cook it for another minute or so, and then for another minute.",
        "Convert radians to degrees, Celsius to degrees Fahrenheit, and feet to inches.",
        "Bake for `t` minutes at `k` degrees. Then bake for $m$ minutes.",
        'Bake for "ten" minutes. Cool for "five" minutes.',
        "A few degrees of latitude, and a couple of inches of rain, and lots of cups.",
        "For a minute he stood still. In seconds it was over.",
        # said twice; short; under some of many steps
        "The edges must lie on each other, or it tears. " * 2 + PROSE,
        "\n".join(f"{n}. Click on Save." for n in range(5)),
        "The edges must lie on each other, or it tears.\n\n".join(
            [PROSE, *(PROSE.replace("lake", f"lake of {name}") * 2 for name in ("A", "B", "C"))]
        ),
        "```\n" + "print('the same line, again and again')\n" * 9 + "```",
    ],
)
def test_whole(text):
    assert judged(text) == (None, None)


def test_the_recipe_switches_it_on():
    assert "low_quality" in [rule.code for rule in rules_for(Rules(require_whole=True))]
    assert "low_quality" not in [rule.code for rule in rules_for(Rules())]


def test_a_short_sentence_that_is_a_third_of_the_text() -> None:
    import polars as pl

    from filters.repetition import repeated_or_lost
    from filters.rule import judge

    shouting = "BUY THE MARKS!!! THE BEST MARKS!!! " * 8
    steps = "Click on Save. " + " ".join(
        f"Open the menu number {n} of the program." for n in range(9)
    )
    rows = pl.DataFrame({"response": [shouting, steps]})
    assert judge(rows, [repeated_or_lost()])["reason"].to_list() == ["low_quality", None]
