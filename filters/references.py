"""Answers that lean on the page around them: other answers, comments, votes, the site itself.

LIMA (arXiv 2305.11206) section 2.1 drops answers "that reference other answers ('as mentioned',
'stack exchange', etc.)". The "etc." is spelled out here, with the words of the forums that this
project reads; docs/decisions/0001-lima-rules.md gives the reasons.
"""

from __future__ import annotations

import polars as pl

from filters.rule import Rule
from filters.text import fast, snippet

_SAYING = r"(?:mentioned|said|stated|noted|pointed out|suggested|explained|described|commented)"
_WHOSE = r"(?:(?:the|a|an|his|her|their|your|this|that|other|another|some|many|most|all|\w+'s) )*"
_PEOPLE = r"(?:users?|posters?|answerers?|commenters?|contributors?)"
_POST = r"(?:answers?|comments?|repl(?:y|ies)|posts?|questions?|threads?)"
_NOT_THIS_ONE = (
    r"(?:(?:the|some|all|many|most|both|and|see|several|few|two|these|those|any of the|as|in)"
    r" other|the (?:currently )?accepted|the (?:top|highest|most)[- ](?:voted|rated|upvoted)"
    r"|the top|the upvoted|the existing|the duplicate)"
)

PUBLISHED: tuple[str, ...] = (
    # "as mentioned" in the open, in an answer or by somebody; not "as mentioned in the manual"
    r"(?i:\bas (?:\w+ ){0,3}?mentioned(?:[,.;:)]| (?:above|before|earlier|previously|already)\b))",
    rf"(?i:\bas (?:\w+ ){{0,3}}?{_SAYING} (?:in|by) {_WHOSE}{_POST}\b)",
    r"(?i:\bas (?:\w+ ){0,2}?(?:mentioned|commented) by\b)",
    rf"(?i:\bas (?:many |some )?(?:others|someone|somebody|everyone|people)(?: \w+){{0,3}}? {_SAYING}\b)",
    rf"(?i:\bas (?:\w+ ){{0,3}}?{_SAYING} by (?:(?:an|the|many|some) ?)?(?:others?\b|other {_PEOPLE}\b))",
    rf"(?i:\bas (?:(?:an|the|many|some) ?)?other {_PEOPLE}(?: \w+){{0,3}}? {_SAYING}\b)",
    r"(?i:\bas (?:[^\s.,;]+ ){1,3}and others (?:here |have |already |also ){0,3}"
    rf"(?:{_SAYING}|suggest|mention|say|point out|note|recommend)\b)",
    # the site
    r"(?i:\bstack ?exchange\b|\bstackoverflow\b)|\bStack Overflow\b|\b\w+\.SE\b",
    r"\b(?:on|here on|over on|from) S[OE]\b|\bS[OE] (?:answer|question|post|thread)s?\b",
    r"(?i:\bthis (?:subreddit|stack exchange|stack site)\b)",
    r"\b[Rr]eddit(?:ors?)?\b|(?:^|[\s(])/?[ru]/\w{3,}",
    # other answers, as such
    rf"(?i:\b{_NOT_THIS_ONE} (?:\w+ )?(?:answer|repl)(?:s|y|ies)?\b)",
    r"(?i:\banswers? (?:above|already (?:given|posted)|(?:given|provided|posted) by)\b)",
    r"(?i:\b(?:answers?|replies|responses) (?:given |posted |provided )?(?:so|thus) far\b)",
    # people and comments of the page
    r"\b(?:[Tt]he|[Aa]s|[Tt]o|[Bb]y|[Ff]or) OP\b|\bOP(?:'s|’s| asked| is| was| wants?| said)\b",
    r"(?i:\b(?:original poster|question asker|the asker|the questioner|previous poster"
    r"|other posters?)\b)",
    r"(?m:^@[A-Za-z]\w+(?:[:,]| (?:I|you|your|the|that|thanks|yes|no)\b))",
    r"(?i:\b(?:as|like|per|thanks to|thank you|thanks|credit to|agree with|according to) @[a-z]\w+)",
    rf"(?i:\b(?:{_SAYING}|said|posted|given|summari[sz]ed|recommended|provided) by @[a-z]\w+)",
    r"(?i:(?:^|[\s(])@[a-z][\w-]+(?:'s|’s)? (?:\w+ )?(?:said|says|states|stated|mentions|mentioned"
    r"|suggested|suggests|points out|pointed|noted|notes|wrote|commented|recommends|recommended"
    r"|already|answers?|comments?|suggestion|is (?:right|correct))\b)",
    # a first and a last name; a word before it tells it from an annotation in Java
    r"\b(?:as|and|but|by|from|in|like|of|per|see|than|that|to|via|with) "
    r"@\p{Lu}\p{Ll}+ \p{Lu}\p{Ll}+(?:[\s.,;:!?)'’]|$)",
    r"(?i:\bcomments? (?:above|section)\b|\b(?:above|previous|other) comments?\b)",
    # votes
    r"(?i:\b(?:up|down)[- ]?vot(?:e|es|ed|ing|er|ers)\b)|(?:^|\s)\+1 (?:for|to)\b",
    r"(?i:\bvote(?:d|s)? to close\b|\bmark(?:ed)? (?:it |this )?as (?:accepted|a duplicate)\b)",
    r"(?i:\baccept (?:this|an|my) answer\b|\bpossible duplicate\b)",
    r"(?i:\bthanks for the (?:gold|silver|award)s?\b)",
)

# Pointers at one post or person. LIMA's own answers hold them, so its filter did not look for
# them; a reader misses the thing pointed at all the same.
WIDER: tuple[str, ...] = (
    r"\b[A-Z]\w+(?:'|’)s? (?:\w+ )?(?:answer|comment|reply)\b",
    r"(?i:\b(?:your|his|her|their) (?:comment|answer|reply)\b)",
    r"(?i:\b(?:another|previous|earlier|linked|alternative|above) (?:\w+ )?(?:answer|reply)\b)",
    r"(?i:\b(?:see|read|check(?: out)?) (?:also )?(?:this|that|the|here) (?:\w+ )?"
    r"(?:answer|question|post|thread)\b)",
    r"(?i:\b(?:linked|related|duplicate|similar|previous|original) (?:question|thread|post)s?\b)",
    r"(?i:\b(?:in|from|per|based on|given|following|regarding) (?:the |your |his |her |their "
    r"|another |other |some |various |a )?comments?(?: (?:below|to|on|by|thread)\b|[,.;:)]))",
    r"(?i:\b(?:on|in|for) this (?:site|forum|stack|thread|community)\b)",
    r"(?i:\bleave (?:me )?a comment\b|\bcomments? below\b)",
    rf"(?i:\bas (?:\w+ ){{0,3}}?{_SAYING} (?:above|before|earlier|previously|already)\b)",
)


def refers_to_other_answers(*, wider: bool = False) -> Rule:
    """Drop answers that point at other answers, comments, people or votes on their page.

    `wider` also drops pointers at one post ("Kamil's answer", "your comment", "a linked question").
    """
    pattern = fast("|".join(PUBLISHED + WIDER if wider else PUBLISHED))
    return Rule(
        code="refers_to_other_answers",
        fails=pl.col("prose").str.contains(pattern),
        detail=snippet(pl.col("prose"), pattern),
        needs=frozenset({"prose"}),
        cost=14,
        source="LIMA (arXiv 2305.11206), section 2.1",
    )
