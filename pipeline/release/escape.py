"""Text from dumps as data: in Markdown, in HTML and in links it must not act as markup."""

import re
import unicodedata
from urllib.parse import quote, urlsplit

_MARKDOWN = str.maketrans({char: f"\\{char}" for char in "\\`*_[]|~$"})
_INSIDE_WORD = re.compile(r"(?<=\w)\\_(?=\w)")
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")  # would start a numbered list
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"})
_JOINERS = "\u200c\u200d"  # part of words in some scripts
_URL_SAFE = ":/?#[]@!$&*+,;=%~-._"


def one_line(text: str) -> str:
    """Put a text on one line, without control characters and marks that turn the line around."""
    kept = (
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char
        for char in text
        if char in _JOINERS or unicodedata.category(char) not in ("Cf", "Cs", "Co")
    )
    return " ".join("".join(kept).split())


def markdown(text: str) -> str:
    """Show a text as it is, on one line of Markdown: in a paragraph, a link or a table's cell."""
    line = one_line(text).translate(_MARKDOWN).translate(_HTML)
    line = line.replace("://", ":&#47;/").replace("www.", "www&#46;")  # no links by themselves
    line = _INSIDE_WORD.sub("_", line)
    if line[:1] in ("-", "+", "=", "#"):
        line = "\\" + line
    return _NUMBERED.sub(r"\1\\\2", line)


def code(text: str) -> str:
    """Show a text as inline code, on one line."""
    return f"<code>{one_line(text).translate(_MARKDOWN).translate(_HTML)}</code>"


def address(url: str) -> str | None:
    """Return a web address that is safe as a link's target, or None for what is not one."""
    line = one_line(url)
    try:
        parts = urlsplit(line)
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not parts.netloc:
        return None
    return quote(line, safe=_URL_SAFE).replace("[", "%5B").replace("]", "%5D")


def link(text: str, url: str | None) -> str:
    """Make a Markdown link, or the text alone where there is no web address."""
    target = address(url) if url else None
    shown = markdown(text) or "untitled"
    return f"[{shown}]({target})" if target else shown
