"""A release of a dozen rows, some of them hostile, made by a real run."""

import json
from pathlib import Path

import pytest

from pipeline.loading import parse
from pipeline.run import Result, Workspace, curate

EVIL = (
    "</script><script>document.title='pwned';window.pwned=1</script>"
    '<img src=http://127.0.0.1:9/a.png onerror="window.pwned=2">\u2028'
    "<svg onload=window.pwned=3><iframe srcdoc='<script>parent.pwned=4</script>'></iframe>"
    "<style>@import url(http://127.0.0.1:9/b.css)</style>"
)
MARKDOWN = """\
# A heading

Some *emphasis*, `code <b>`, and a [link](http://127.0.0.1:9/c) and [a worse one](javascript:window.pwned=5).

![a picture](http://127.0.0.1:9/d.png) <http://127.0.0.1:9/e>

```html
<script>window.pwned = 6</script>
```

| a | b |
|---|---|
| <b onmouseover=window.pwned=7>x</b> | data:text/html,<script>window.pwned=8</script> |

<details open ontoggle="window.pwned=9">
<a href="javascript:window.pwned=10">click</a>
"""
TOPICS = (
    *("Bread rises because yeast makes gas.", "Tomatoes want sun, water and patience."),
    *("A star twinkles since air bends its light.", "Python lists grow as you append to them."),
    *("Cats sleep for most of the day.", "A violin is tuned in fifths."),
    *("Rain falls when drops become too heavy.", "Knots hold by friction of the rope."),
    *("Maps trade shape against area.", "Coffee tastes bitter when it is ground too fine."),
    *("Ships float since they push water away.", "Glue needs clean surfaces."),
)


def examples() -> list[dict]:
    rows = [
        {
            "id": f"e{number:02d}",
            "prompt": f"Tell me about this, number {number}: {text.split()[0].lower()}?",
            "response": f"{text} This is the long answer to question {number}.",
            "author": "Ada",
            "licence": "CC0-1.0",
        }
        for number, text in enumerate(TOPICS)
    ]
    rows[0] |= {
        "prompt": rows[0]["prompt"] + f" What does {EVIL} mean here?",
        "author": "<script>window.pwned = 11</script>",
    }
    rows[1] |= {"response": MARKDOWN, "domain": "<b>bold</b>"}
    rows[2] |= {"response": EVIL + " and more words to read."}
    return rows


@pytest.fixture(scope="session")
def recipe():
    value = {
        "name": "evil",
        "description": EVIL,
        "select": {"quotas": {"authored": 11}, "validation": {}, "test": {}, "method": "longest"},
    }
    return parse(value, "evil")


@pytest.fixture(scope="session")
def made(tmp_path_factory, recipe) -> tuple[Workspace, Path, Result]:
    """A workspace, its dumps and the first release."""
    folder = tmp_path_factory.mktemp("review")
    (folder / "dumps" / "authored").mkdir(parents=True)
    lines = [json.dumps(row) for row in examples()]
    (folder / "dumps" / "authored" / "rows.jsonl").write_text("\n".join(lines))
    space = Workspace(folder / "ws")
    return space, folder / "dumps", curate(recipe, folder / "dumps", space)
