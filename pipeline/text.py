"""Plain text in, clean plain text out: characters, white space, titles.

Markdown code (fenced blocks, and inline spans where a rule could hurt them) is told apart from
prose here, so that other modules can change prose without touching code. Every function accepts
any string, surrogates and control characters included, and runs in time linear in its length.
"""

import re
import unicodedata
from collections.abc import Callable
from html import unescape

import ftfy

# Where a fence may stand: behind quote marks, list markers and indentation. (?>...) here and elsewhere, since
# Python before 3.11.5 matches a group with *+ or ++ wrongly where it can backtrack inside.
_FENCE = re.compile(
    r"^(?>(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*)(?P<marks>`{3,}+|~{3,}+)(?P<info>[^`\n]*+)$",
    re.MULTILINE,
)
_INLINE_CODE = re.compile(r"(`++)(?:[^`\n]++)\1(?!`)")
# Noncharacters, which no text can hold by right.
_TOKEN_START, _TOKEN_END = "\ufdd2", "\ufdd3"
_TOKEN = re.compile(f"{_TOKEN_START}(\\d+){_TOKEN_END}")
_INDENTED_LINES = re.compile(r"(?:^(?: {4}|\t)[^\n]*\n?)+", re.MULTILINE)

# Joiners belong to Persian, Indic scripts and emoji; beside Latin text or at an edge they are junk.
_LATIN = "\u0000-\u024f\u1e00-\u1eff\u2000-\u200b\u2010-\u206f"
_STRAY_JOINERS = re.compile(
    f"(?:^|(?<=[{_LATIN}]))[\u200c\u200d]+|[\u200c\u200d]+(?:$|(?=[{_LATIN}]))"
)
_INVISIBLE = dict.fromkeys(
    [
        *range(0x00, 0x09),
        *range(0x0E, 0x20),
        0x7F,
        0xAD,  # soft hyphen
        0x200B,
        *range(0x200E, 0x2010),  # marks and embeddings of writing direction
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        0xFEFF,
        *range(0xFFF9, 0xFFFC),
        *range(0xD800, 0xE000),  # half characters: no encoder takes them
        *range(0xFDD0, 0xFDF0),  # noncharacters, which pipeline.markdown uses as its own marks
        0xFFFE,
        0xFFFF,
    ]
)
_ODD_SPACES = {
    0x0B: "\n",
    0x0C: "\n",
    0x2028: "\n",
    0x2029: "\n\n",
    0xA0: " ",
    0x202F: " ",
    **dict.fromkeys(range(0x2000, 0x200B), " "),
}
# A byte 0x80-0x9F read as Latin-1 nearly always was Windows-1252.
_C1 = {code: bytes([code]).decode("cp1252", errors="ignore") or None for code in range(0x80, 0xA0)}
_CHARACTERS: dict[int, str | int | None] = {**_INVISIBLE, **_ODD_SPACES, **_C1}
_ANY_ODD_CHARACTER = re.compile("[" + "".join(map(chr, sorted(_CHARACTERS))) + "\u200c\u200d\r]")
_ODD_ASCII = bytes([*(code for code in _CHARACTERS if code < 0x80), ord("\r")])

# UTF-8 read as Windows-1252: a lead byte as a letter, then a continuation byte as anything.
_CONTINUATION = "\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014\u2018-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122"
_MOJIBAKE = re.compile(
    f"[\u00c2-\u00c5\u00ce-\u00d9][{_CONTINUATION}]|[\u00e2-\u00f4][{_CONTINUATION}]{{2}}"
)
_MOST_MOJIBAKE_ROUNDS = 4

_TRAILING_SPACES = re.compile(r"(?<![ \t])[ \t]++$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")
_LEADING_BLANK_LINES = re.compile(r"\A(?>(?:[ \t]*+\n)+)")

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TITLE_SUFFIX = re.compile(
    r"\s\[(?:closed|duplicate|on[ -]hold|migrated|locked|deleted|solved)\]$", re.IGNORECASE
)


def split_fences(text: str) -> list[tuple[bool, str]]:
    """Cut the text into (is_code, piece) in order; the pieces joined are the text.

    A fenced piece holds its two fence lines. A fence that nobody closes runs to the end, as in
    CommonMark.
    """
    if "```" not in text and "~~~" not in text:
        return [(False, text)]
    pieces: list[tuple[bool, str]] = []
    start = 0
    opened = ""
    for line in _FENCE.finditer(text):
        marks = line["marks"]
        if not opened:
            if line.start() > start:
                pieces.append((False, text[start : line.start()]))
            start, opened = line.start(), marks
        elif marks.startswith(opened) and not line["info"].strip():
            pieces.append((True, text[start : line.end()]))
            start, opened = line.end(), ""
    if start < len(text):
        pieces.append((bool(opened), text[start:]))
    return pieces


def outside_code(text: str, change: Callable[[str], str], *, indented: bool = False) -> str:
    """Apply `change` to the text with its code taken out, then put the code back.

    `change` sees a short token in place of each fenced block and inline span, so that its anchors
    mean real lines. With `indented`, lines that start with four spaces or a tab count as code too;
    in Markdown made from HTML they are list items and must not.
    """
    if "`" not in text and "~~~" not in text and not indented:
        return change(text)
    taken: list[str] = []

    def take(code: str) -> str:
        taken.append(code)
        return f"{_TOKEN_START}{len(taken) - 1}{_TOKEN_END}"

    def take_match(match: re.Match[str]) -> str:
        return take(match[0])

    if _TOKEN_START in text or _TOKEN_END in text:
        text = text.replace(_TOKEN_START, "").replace(_TOKEN_END, "")
    masked: list[str] = []
    for is_code, piece in split_fences(text):
        if is_code:
            masked.append(take(piece))
            continue
        if indented:
            piece = _INDENTED_LINES.sub(take_match, piece)
        masked.append(_INLINE_CODE.sub(take_match, piece))
    changed = change("".join(masked))
    return _TOKEN.sub(lambda match: taken[int(match[1])], changed)


def clean_text(text: str) -> str:
    """Mend the characters and the white space of a text; applying it twice changes nothing more.

    NFC, LF line ends, no invisible characters; outside code also: mojibake mended, no trailing
    spaces, at most one blank line in a row. Quotes, dashes and ligatures stay as the author typed
    them, and code keeps its bytes but for invisible characters.
    """
    text = _mend_characters(text)
    if " \n" in text or "\t\n" in text or "\n\n\n" in text:
        text = "".join(piece if is_code else _tidy(piece) for is_code, piece in split_fences(text))
    return _LEADING_BLANK_LINES.sub("", text.rstrip())


def plain_title(title: str) -> str:
    """Make one plain line of a title: entities decoded once, `[closed]` and its kin cut off."""
    if "&" in title:
        title = _ENTITY.sub(lambda match: unescape(match[0]), title)
    title = " ".join(_mend_characters(title).split())
    while (shorter := _TITLE_SUFFIX.sub("", title)) != title:
        title = shorter.rstrip()
    return title


def _mend_characters(text: str) -> str:
    if text.isascii() and len(text.encode().translate(None, _ODD_ASCII)) == len(text):
        return text
    text = unicodedata.normalize("NFC", text)
    if _ANY_ODD_CHARACTER.search(text):
        text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_CHARACTERS)
        text = unicodedata.normalize("NFC", _STRAY_JOINERS.sub("", text))
    # Mending may bring back what was mended above (an invisible character in disguise), so go on
    # until nothing changes; real text needs one round.
    for _ in range(_MOST_MOJIBAKE_ROUNDS):
        if not _MOJIBAKE.search(text):
            break
        mended = "".join(
            piece if is_code else _mend_mojibake(piece) for is_code, piece in split_fences(text)
        )
        if mended == text:
            break
        text = unicodedata.normalize("NFC", _STRAY_JOINERS.sub("", mended.translate(_CHARACTERS)))
    return text


def _mend_mojibake(prose: str) -> str:
    """Bit by bit: one right character elsewhere stops ftfy from mending a whole text.

    Inline code is left alone, since mojibake in it is what the author talks about.
    """
    out: list[str] = []
    start = 0
    for code in _INLINE_CODE.finditer(prose):
        out += [_mend_lines(prose[start : code.start()]), code[0]]
        start = code.end()
    return "".join([*out, _mend_lines(prose[start:])])


def _mend_lines(prose: str) -> str:
    return "\n".join(
        ftfy.fix_encoding(line) if _MOJIBAKE.search(line) else line for line in prose.split("\n")
    )


def _tidy(prose: str) -> str:
    return _BLANK_LINES.sub("\n\n", _TRAILING_SPACES.sub("", prose))
