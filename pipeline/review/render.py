"""Show a text of a dump as a reader sees it: Markdown and code, and nothing that acts.

HTML in the text stays text, links lead nowhere, images are named and not loaded. What Markdown
makes is cleaned once more by nh3 (ammonia), so that a fault in one of the two is not enough.
"""

import difflib
import functools
from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "pre"),
    *("code", "em", "strong", "s", "table", "thead", "tbody", "tr", "th", "td", "span"),
}
_CONTEXT = 2  # lines around a change


@functools.cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    made.add_render_rule("link_open", _link)
    made.add_render_rule("link_close", _link_end)
    made.add_render_rule("image", _image)
    return made


def to_html(text: str) -> str:
    """Render a Markdown text as HTML that is safe inside a page."""
    import nh3

    return nh3.clean(
        _markdown().render(text),
        tags=_TAGS,
        attributes={"ol": {"start"}, "span": {"title"}},
        tag_attribute_values={"span": {"class": {"link", "image"}}},
        link_rel=None,
        strip_comments=True,
        url_schemes=set(),
    )


def _link(
    self: object,
    tokens: "Sequence[Token]",
    place: int,
    options: object,
    env: MutableMapping[str, Any],
) -> str:
    from markupsafe import escape

    return f'<span class="link" title="{escape(tokens[place].attrGet("href") or "")}">'


def _link_end(
    self: object,
    tokens: "Sequence[Token]",
    place: int,
    options: object,
    env: MutableMapping[str, Any],
) -> str:
    return "</span>"


def _image(
    self: object,
    tokens: "Sequence[Token]",
    place: int,
    options: object,
    env: MutableMapping[str, Any],
) -> str:
    from markupsafe import escape

    token = tokens[place]
    source = escape(token.attrGet("src") or "")
    return f'<span class="image" title="{source}">[image: {escape(token.content)}]</span>'


def changes(before: str, after: str) -> list[tuple[str, str]]:
    """List the lines of an edit: (" ", same), ("-", before), ("+", after), ("…", left out)."""
    old, new = before.splitlines(), after.splitlines()
    found: list[tuple[str, str]] = []
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(
        _CONTEXT
    ):
        if found:
            found.append(("…", ""))
        for kind, a, b, c, d in group:
            if kind == "equal":
                found += [(" ", line) for line in old[a:b]]
            else:
                found += [("-", line) for line in old[a:b]]
                found += [("+", line) for line in new[c:d]]
    return found
