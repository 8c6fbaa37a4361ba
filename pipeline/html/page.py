"""One self-contained HTML page: its style, its script and its data inside, and nothing from outside.

In: a template that extends base.html, and values that may hold any text of a dump. Out: a page
that opens offline. Texts are escaped by jinja2; the content security policy names the page's one
style and one script by their digests, so that markup which slipped through would not run either.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent

# Characters that end a script element, open a comment in it, or end a line of JavaScript.
_ESCAPES = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def environment(folder: Path) -> "Environment":
    """Return templates of `folder` that can extend base.html and import macros.html."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader([folder, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = number
    return made


def render(
    template: Path, values: Mapping[str, object], *, script: str = "", data: object = None
) -> str:
    """Fill a template; `data` is there for the script as JSON in the element `data`."""
    style = (HERE / "style.css").read_text(encoding="utf-8")
    page = environment(template.parent).get_template(template.name)
    return page.render(
        **values,
        csp=policy(style, script),
        style=Markup(style),
        script=Markup(script),
        data=json_text(data),
    )


def policy(style: str, script: str) -> str:
    """Write a policy that allows this style, this script, pictures inside, and no request."""
    parts = ["default-src 'none'", "img-src data:", "base-uri 'none'", "form-action 'none'"]
    parts.append(f"style-src '{_digest(style)}'")
    if script:
        parts.append(f"script-src '{_digest(script)}'")
    return "; ".join(parts)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def json_text(value: object) -> Markup:
    """Write a value as JSON that cannot leave its script element, whatever texts it holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char, escape in _ESCAPES.items():
        text = text.replace(char, escape)
    return Markup(text)


def number(value: float | None, digits: int = 2) -> str:
    """Write a number for people: whole ones with thousands, others rounded, none as a dash."""
    if value is None:
        return "–"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.{digits}f}"
