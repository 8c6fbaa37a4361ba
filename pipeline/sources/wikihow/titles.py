"""Titles of wikiHow articles: "3 Ways to Grill Zucchini - wikiHow" is "How to Grill Zucchini"."""

import hashlib
import re
import unicodedata
from urllib.parse import quote

from pipeline.text import plain_title

_SITE = re.compile(r"\s*[-–—|]\s*wiki ?how\s*$", re.IGNORECASE)
_WITH = re.compile(r"\s*\(with (?:pictures|videos?|examples|images|photos)\)\s*$", re.IGNORECASE)
# What follows the colon is advertising, not a part of the name of a game or a film.
_SUBTITLE = re.compile(
    r":\s+(?:(?:(?:the|a|an)\s+)?\d+\+?[ -].*"
    r"|[^:]*\b(?:steps?|ways?|tips|tricks|methods?|guides?|solutions?|examples|symptoms|signs|tests"
    r"|reasons|ideas|advice|remedies|more|patterns|visuals)|[^:]*\?)$",
    re.IGNORECASE,
)
_COUNT_BEHIND = re.compile(r"(?<=\?)\s+\d+ (?:reasons|ways|signs|tips|steps)$", re.IGNORECASE)
_WAYS = re.compile(
    r"^(?:the\s+)?(?:\d{1,3}\+?\s+)?(?:(?:best|easy|simple|quick|fast|foolproof|fun|effective|"
    r"natural|great|different|proven|sure|more|and|&|,)\s+)*ways?\s+to\s+(?=\S)",
    re.IGNORECASE,
)
_INNER_HOW = re.compile(
    r"^(?:expert )?(?:advice|tips|guide|tutorial)(?: (?:on|for|to|about))? how to ", re.IGNORECASE
)
# Published tables glue the number of the method to the title of the article: "Draw a Sphere1".
_GLUED_NUMBER = re.compile(r"(?<=[a-z]{2}|[a-z]\))(?<!\bmp)[1-9]\d?$")
_HOW = re.compile(r"^how\s+to\s+", re.IGNORECASE)

_VERBS = frozenset(
    """accept achieve add adjust adopt apologize apply arrange ask assemble attach attract avoid
    bake be become begin behave boil braid breed brew build bury buy calculate calm care carve
    catch celebrate choose clean close collect communicate compare conduct configure connect
    convert convince cope cook create crochet cure customize cut deal debone decide decorate
    decrease defeat delete deliver describe design determine develop diagnose dig disable discover
    disinfect download draw dress drive dry earn eat eliminate enable encourage enjoy escape
    explain extract feed file fight find fix flirt fly follow forgive freeze get give go grill grow
    handle have heal help hide identify ignore impress improve increase insert install introduce
    invest join juggle keep kick kill knit know launch lead learn live look lose lower maintain make
    manage marinate measure meditate meet memorize overcome pack pass perform persuade pick play
    polish practice prepare preserve prevent propose protect prove publish purchase put quit raise
    reach react read rebuild recognize record recover recycle reduce refinish regain relax remember
    remove repair replace reset resize restore ride roast roll run save say select sell send serve
    set sew sharpen shave sing sit sleep soak soften solve speak spell spend stay steam store study
    survive swim take talk teach tell tie treat try turn tutor understand unclog uninstall update
    upgrade upload use verify visit wash wear weave win wire wrap write""".split()  # noqa: SIM905
)
# Verbs only before an article or the like: "Train a Dog", but not "Train Travel".
_DOUBTFUL = frozenset(
    """answer book break change charge check control copy cover cross date drink drop exercise
    field fill fold glue hang hold iron jump land lift light lock mix move open order paint park
    plan plant plot print pull push rent report rescue retire rig sand score seal search shape ship
    shop sign sketch skate smoke spot start stop swing text throw time trace track trade train trim
    walk watch water wax weld work""".split()  # noqa: SIM905
)
_ARTICLES = frozenset("a an the your yourself someone somebody people up out on off in".split())  # noqa: SIM905


def how_to_title(found: str) -> str:
    """Normalise a title to "How to ..." where that is what it means; else only tidy it."""
    title = plain_title(found)
    before = None
    while before != title:
        before = title
        for pattern in (_SITE, _WITH, _COUNT_BEHIND, _SUBTITLE):
            title = pattern.sub("", title).strip() or before
    title = _GLUED_NUMBER.sub("", title)
    title = _INNER_HOW.sub("How to ", title)
    title = _WAYS.sub("How to ", title)
    if _HOW.match(title):
        return "How to " + _HOW.sub("", title)
    words = title.split()
    first = words[0].lower() if words else ""
    verb = first in _VERBS or (
        first in _DOUBTFUL and len(words) > 1 and words[1].lower() in _ARTICLES
    )
    return f"How to {title}" if verb and not title.endswith("?") else title


def slug(title: str) -> str:
    """Name an article in ids: lower-case letters, digits and dashes, at most 100 of them."""
    bare = _HOW.sub("", title)
    plain = unicodedata.normalize("NFKD", bare).encode("ascii", "ignore").decode().lower()
    dashed = re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")[:100].strip("-")
    return dashed or hashlib.sha256(title.encode("utf-8", "replace")).hexdigest()[:16]


def page_url(title: str) -> str:
    """Build the address of an article from its title."""
    bare = _HOW.sub("", title).strip().replace(" ", "-")
    return "https://www.wikihow.com/" + quote(bare, safe="-(),&!", errors="replace")
