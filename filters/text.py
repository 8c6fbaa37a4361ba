"""The prose of a Markdown text: what its author says in their own words.

Code, LaTeX, block quotes, quoted speech and web addresses are taken out, so that a rule about
wording never fires on an `I` in a loop or on a sentence that somebody else said.
Input: a Markdown column. Output: the expression of a derived column (see `DERIVED`).
"""

from __future__ import annotations

import polars as pl

CODE = (
    r"(?s:````.*?(?:````|\z))"  # a longer fence, which may hold a shorter one
    r"|(?s:```.*?(?:```|\z))"  # fenced; LIMA also writes inline code this way
    r"|(?s:~~~.*?(?:~~~|\z))"
    r"|``[^\n]+?``"
    r"|`[^`\n]*`"
)
_MATH = (
    r"|(?s:\$\$.*?\$\$)"
    r"|\$[^\s$](?:[^$\n]*[^\s$\\])?\$"  # no space inside the dollars, so that money stays
)
_QUOTED = (
    r"|(?m:^[ \t]*>.*$)"
    r'|"[^"\s](?:[^"\n]*[^"\s])?"'
    r"|“[^“”\n]*”|„[^„“”\n]*[“”]|«[^«»\n]*»|‘[^‘’\n]*’"
    r"|(?:^|[\s(])'[^'\s](?:[^'\n]*[^'\s])?'(?:[\s.,;:!?)]|$)"  # not the apostrophe of "don't"
)
_ADDRESS = r"|https?://\S+|www\.\S+"

# One alternation and one pass: what begins first wins, as in a lexer, so that a quotation mark
# inside code opens no quotation. No body holds its own opening mark: otherwise a text of openings
# that never close would take time with the square of its length.
NOT_PROSE = CODE + _MATH + _QUOTED + _ADDRESS


def fast(pattern: str) -> str:
    r"""The pattern with `\b` and `\w` read as ASCII, five times as fast.

    Rust's Unicode `\b` leaves its fast engine at the first accented letter; the words that rules
    look for are ASCII, so nothing is lost.
    """
    return pattern.replace(r"\b", r"(?-u:\b)").replace(r"\w", "[0-9A-Za-z_]")


def prose(column: str = "response") -> pl.Expr:
    """The text without code, LaTeX, quotations and addresses; each becomes one space."""
    return pl.col(column).str.replace_all(NOT_PROSE, " ")


def snippet(text: pl.Expr, pattern: str) -> pl.Expr:
    """The first match of the pattern with up to 30 characters on either side, on one line.

    The pattern must hold no capturing group.
    """
    found = text.str.extract(rf"([^\n]{{0,30}}(?:{pattern})[^\n]{{0,30}})", 1)
    return found.str.replace_all(r"\s+", " ").str.strip_chars()


# Columns that `judge` computes once per surviving row, when the first rule asks for them:
# name -> (the column it is made from, the expression).
DERIVED: dict[str, tuple[str, pl.Expr]] = {
    "prose": ("response", prose("response")),
}
