from __future__ import annotations

import polars as pl
import pytest

from filters.language import identify, language
from filters.rule import judge

ENGLISH = "Boil the water for ten minutes, then let the tea stand until it is dark enough to drink."
FRENCH = "Faites bouillir l'eau pendant dix minutes, puis laissez infuser le thé avant de le boire."
ARABIC = "اغلي الماء لمدة عشر دقائق ثم اترك الشاي حتى يصبح داكنا بما يكفي للشرب في الصباح الباكر"
CODE = "```php\n" + "echo $valeur; // afficher la valeur dans la page\n" * 20 + "```"


def reasons(*texts: str | None, allowed: tuple[str, ...] = ("en",)) -> list[str | None]:
    frame = pl.DataFrame({"response": texts}, schema={"response": pl.String})
    return judge(frame, [language(allowed)])["reason"].to_list()


def test_other_languages_are_dropped():
    assert reasons(ENGLISH, FRENCH, ARABIC) == [None, "language", "language"]
    assert reasons(ENGLISH, FRENCH, ARABIC, allowed=("fr", "ar")) == ["language", None, None]


@pytest.mark.parametrize(
    "text",
    [
        ENGLISH + "\n" + CODE,  # code is not read
        CODE,
        "Oui, bien sûr.",  # too short to judge
        f'{ENGLISH} In French: "{FRENCH}"',
        None,
        "",
        "\n\t\x00",
    ],
)
def test_near_misses_pass(text):
    assert reasons(text) == [None]


def test_the_detail_names_the_language():
    judged = judge(pl.DataFrame({"response": [FRENCH]}), [language()])
    assert str(judged["detail"][0]).startswith("fr (")
    assert str(judged["detail"][0]).endswith("%), allowed: en")


def test_identify():
    found = identify(pl.Series("text", [ENGLISH, None, FRENCH * 100]))
    assert found.struct.field("language").to_list() == ["en", None, "fr"]
    assert found.struct.field("confidence").drop_nulls().is_between(0.65, 1).all()
