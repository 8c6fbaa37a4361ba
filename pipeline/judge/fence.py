"""Fences around a text, so that what it says is read as material and never as an instruction.

A fence carries a mark that its text cannot hold: the digest of all texts of the request. A text
that wanted to close its own fence would have to contain its own SHA-256. Being a digest and not a
lot, the same request has the same words, and the cache of replies holds.
"""

import hashlib
import re
from collections.abc import Sequence

# The last two marks of a fence are enough to break it; wide ones and spaced ones look like it, too.
_FENCE = re.compile(
    r"(?:[-=#*+<>~_\u2014\u2550\uff03\uff0d\uff1d]\s{0,2}){2}\s*((?:begin|end)\s+of\s)",
    re.IGNORECASE,
)
# What chat templates use to open and close turns. A server may read them inside a text, too.
_CONTROL = re.compile(
    r"<\|[^|<>\s]{1,40}\|>|<\uff5c[^<>\s]{1,40}\uff5c>|</?(?:s|bos|eos|pad|unk|think|tool_call)>"
    r"|</?(?:start|end)_of_turn>|<</?SYS>>|\[/?(?:INST|SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS)\]",
    re.IGNORECASE,
)
# Characters that a person does not see: controls, zero width, direction marks, language tags.
# The joiners stay, since scripts need them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u2064\u3164\u2066-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)


def mark_of(texts: Sequence[str]) -> str:
    """Return the mark of a request: 16 hexadecimal digits that none of its texts decides."""
    whole = "".join(f"{len(text)}:{text}" for text in texts)
    return hashlib.sha256(f"fence\x00{whole}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def escape(text: str) -> str:
    """Take the power out of a text: no unseen characters, no template tokens, no fences."""
    seen = _UNSEEN.sub("", text.encode("utf-8", "replace").decode("utf-8"))
    tokens = _CONTROL.sub(lambda found: f"{found[0][0]} {found[0][1:]}", seen)
    return _FENCE.sub(r"(text) \1", tokens)


def fence(text: str, name: str, mark: str) -> str:
    """Put a text between its fences."""
    return f"=== begin of {name} {mark} ===\n{escape(text)}\n=== end of {name} {mark} ==="


def shorten(text: str, limit: int) -> str:
    """Leave out the middle of a text that is longer than `limit` characters, and say so in it."""
    if len(text) <= limit:
        return text
    head, tail = limit - limit // 3, limit // 3
    left = len(text) - head - tail
    return f"{text[:head]}\n(... {left:,} characters are left out here ...)\n{text[-tail:]}"
