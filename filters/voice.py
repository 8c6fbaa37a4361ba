"""First person: "I" and "my", outside code, quotations and names.

LIMA (arXiv 2305.11206) section 2.1 drops answers "written in the first person ('I', 'my')".
The paper does not say what counts; docs/decisions/0001-lima-rules.md says what counts here.
"""

from __future__ import annotations

import polars as pl

from filters.rule import Rule
from filters.text import fast, snippet

# Each alternative holds exactly one "I" or "My" that is not the author speaking.
_NOT_A_PERSON = fast(
    "|".join(
        (
            r"\bI/O\b",
            r"\bI[²³]",  # I²C
            r"\bI-[A-Za-z0-9]",  # I-beam, I-95
            r"[A-Z]\.\s?I\.",  # A.I., J. I. Smith
            r"\bI\.[A-Z]",  # I.Q.
            r"\(I\)",
            r"(?m:^[ \t]*(?:[-*+][ \t]+)?I[.)][ \t])",  # a list label
            r"\bI ?[=^≈≤≥∈|]|\bI [<>+] ",  # a variable, a current
            r"[=≈≤≥∈] ?I\b",
            r"[A-Za-z]-I\b|%~?\w*I\b",
            r"\b(?:War|Part|Type|Phase|Book|Chapter|Volume|Vol\.|Act|Class|Level|Stage|Section|Grade"
            r"|Article|Title|Tier|Category|Group|Schedule|Appendix|Table|Figure|Division|Error"
            r"|Elizabeth|Charles|James|Henry|Edward|Richard|George|William|Napoleon|Francis|Peter"
            r"|Nicholas|Frederick|Philip|Leopold|Otto|Justinian|Darius|Xerxes|Mary|Wilhelm) I\b",
            r"(?:[Tt]he|[Aa]|[Aa]n) (?:letter |pronoun |word |vowel |variable |capital )I\b",
            r"\bMy (?:Computer|Documents|Pictures|Music|Videos|Network Places)\b",
            r"\b[Mm][Yy][./-]\w",  # my.cnf, my-app
            r"/my\b",
        )
    )
)
_SAID = fast(
    r"\bI\b|\b[Mm]y\b|\bMY\b"
    # unkempt English; a bare "i" is more often a variable
    r"|\bi(?:'|’)(?:m|ve|ll|d)\b"
    r"|\bi (?:am|have|had|was|would|will|think|guess|believe|know|want|need|do|did|don't|can't)\b"
)


def first_person(maximum: int = 0) -> Rule:
    """Drop answers that say "I" or "my" more than `maximum` times in their own voice.

    "me", "mine" and "we" do not count: the paper names two words, and "let me", "give me" and
    the textbook "we" are common in impersonal answers.
    """
    voice = pl.col("prose").str.replace_all(_NOT_A_PERSON, " ")
    said = voice.str.count_matches(_SAID)
    return Rule(
        code="first_person",
        fails=said > maximum,
        detail=pl.format("{} times, at most {}: {}", said, pl.lit(maximum), snippet(voice, _SAID)),
        needs=frozenset({"prose"}),
        cost=12,
        source="LIMA (arXiv 2305.11206), section 2.1",
    )
