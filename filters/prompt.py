"""Prompts that do not stand alone: the reader would need the page, a picture or another post.

LIMA (arXiv 2305.11206) section 2.1 takes "questions that are self-contained in the title". The
paper gives no test for that; this one names what a reader of the prompt alone would miss, and
lets everything else pass. docs/decisions/0001-lima-rules.md shows what it drops.
"""

from __future__ import annotations

import polars as pl

from filters.rule import Rule
from filters.text import CODE, fast, snippet

SOURCE = "LIMA (arXiv 2305.11206), section 2.1"

_MEDIA = r"!?\[[^\[\]]*\]\([^()]*\)|<?https?://\S+|www\.\S+"
# Scripts that put no space between words: their words cannot be counted this way.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"

# A prompt made of these words alone has no subject: "Help please", "Why is this not working?"
_EMPTY_WORDS = fast(
    r"(?i)\b(?:a|about|again|all|am|an|and|any|anybody|anyone|are|at|be|been|but|by|can|can't|cannot"
    r"|could|did|do|does|doesn't|doing|don't|error|explain|explanation|fix|for|from|get|getting|give"
    r"|good|has|have|having|hello|help|here|hey|hi|how|i|i'm|idea|ideas|if|in|is|isn't|issue|issues"
    r"|it|it's|just|know|like|make|me|mean|means|my|need|needed|newbie|no|not|of|on|one|or|please"
    r"|pls|plz|possible|problem|problems|question|questions|quick|really|should|simple|so|solve"
    r"|some|somebody|someone|something|stuck|stupid|tell|thank|thanks|that|that's|the|them|there"
    r"|these|they|thing|things|think|this|those|to|understand|urgent|us|use|very|want|was|we|were"
    r"|what|what's|when|where|which|who|why|will|with|won't|work|working|works|would|wrong|you"
    r"|your)\b"
)
_TIMELY = fast(
    r"(?i)\bth(?:is|ese) (?:year|month|week|weekend|day|days|time|century|decade|age|season|summer"
    r"|winter|spring|autumn|fall|morning|evening|afternoon|world|planet|life|kind of|sort of"
    r"|type of|way)\b"
)
# "Those of you who bake, ...": the words that follow say who is meant.
_SAYS_WHO = fast(r"(?i)\bthose (?:of (?:you|us)|who|whose|with|without|in)\b")
# "What does this sticker mean?": within the first words nothing has been named yet.
_POINTS_EARLY = fast(r"(?i)^\W*(?:\S+\s+){0,5}?(?:this|these|those)(?:\s+\p{L}|\s*$)")
_THING = (
    r"(?:code|errors?|exceptions?|images?|pictures?|photos?|screenshots?|diagrams?|figures?|graphs?"
    r"|snippets?|scripts?|functions?|query|queries|programs?|outputs?|examples?|sentences?|passages?"
    r"|links?|files?|tables?|questions?|problems?|lines?|statements?|commands?|scenario)"
)
_POINTS_AT_BODY = fast(
    rf"(?i)\b(?:the )?(?:following|below|above|attached) (?:\w+ )?{_THING}\b"
    rf"|\b(?:the|this|these|my) {_THING} (?:below|above|attached)\b"
)
_PICTURE = r"(?:images?|pictures?|pics?|photos?|screen ?shots?|diagrams?|attachments?|videos?)"
_POINTS_AT_PAGE = fast(
    rf"(?i)\b(?:attached|following|above|below) {_PICTURE}\b"
    rf"|\b{_PICTURE} (?:below|above|attached|is attached|are attached)\b"
    rf"|\b(?:in|from|on) (?:this|these) (?:\w+ )?{_PICTURE}\b"
    rf"|\b(?:here(?:'s| is| are)|see(?: the| my| this)?) (?:an? |the |my |some )?(?:\w+ )?{_PICTURE}\b"
    r"|\bthis (?:link|jsfiddle|fiddle|plunker|codepen|repo)\b|\bclick here\b"
    r"|\b(?:my|this|that) (?:previous|earlier|last|other|related|linked) (?:question|post|thread)\b"
    r"|\bfollow[- ]?up (?:to|on|of|question)\b"
    r"|\b(?:inspired by|related to|similar to|as in) (?:this|that|my) (?:question|post|answer)\b"
)


def not_self_contained(
    minimum_words: int = 3, *, short_characters: int = 200, column: str = "prompt"
) -> Rule:
    """Drop prompts that cannot be understood alone.

    A prompt of at most `short_characters` without code is read as a title: it must name its
    subject. A longer one, or one that shows code, only must not point at pictures, links or
    other posts. Use `column="title"` to hold every question to its title, as the paper does.
    """
    text = pl.col(column).str.strip_chars()
    words = text.str.replace_all(_MEDIA, " ").str.replace_all(CODE, " code ")
    first = words.str.strip_chars().str.extract(r"^([^.?!\n]*)", 1)
    first = first.str.replace_all(_TIMELY, " ").str.replace_all(_SAYS_WHO, " ")
    title = (text.str.len_chars() <= short_characters) & ~text.str.contains(
        r"`|^(?: {4}|\t)|\n(?: {4}|\t|>|\s*\n)"
    )
    bare = words.str.count_matches(r"\S+")
    few = (bare < minimum_words) & ~words.str.contains(_UNSPACED)
    checks: tuple[tuple[pl.Expr, pl.Expr], ...] = (
        (~words.str.contains(r"\p{L}"), pl.lit("no words")),
        (few, pl.format(f"{{}} words, at least {minimum_words}", bare)),
        (
            title & ~words.str.replace_all(_EMPTY_WORDS, "").str.contains(r"[\p{L}\p{N}]"),
            pl.format("names no subject: {}", text),
        ),
        (
            title & first.str.contains(_POINTS_EARLY),
            pl.format("points at what is not there: {}", text),
        ),
        (
            title & words.str.contains(_POINTS_AT_BODY),
            pl.format("points at what is not there: {}", snippet(words, _POINTS_AT_BODY)),
        ),
        (
            words.str.contains(_POINTS_AT_PAGE),
            pl.format("points at what is not there: {}", snippet(words, _POINTS_AT_PAGE)),
        ),
    )
    return Rule(
        code="not_self_contained",
        fails=pl.any_horizontal(fails for fails, _ in checks),
        detail=pl.coalesce(pl.when(fails).then(detail) for fails, detail in checks),
        needs=frozenset({column}),
        cost=10,
        source=SOURCE,
    )
