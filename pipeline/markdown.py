"""Forum markup in, Markdown out: Stack Exchange HTML and Reddit's own dialect.

What is kept and what is dropped is written down, case by case, in docs/cleaning.md, which the
tests run. The functions here change markup; characters and white space are mended afterwards by
`pipeline.text.clean_text`. All of them accept any string and take time linear in its length.
"""

import re
from html import unescape

from html_to_markdown import _html_to_markdown as rust

from pipeline.text import outside_code, split_fences

# The native options are built once: the public `convert` rebuilds them on every call, and the
# converter is so fast that this is a measurable part of it.
_OPTIONS = rust.ConversionOptions(
    # Tier 1 is the single-pass converter, twice as fast; it hands over to the other by itself.
    tier_strategy=rust.TierStrategy.TIER1,
    extract_metadata=False,
    skip_images=True,
    autolinks=False,
    bullets="-",
    compact_tables=True,
    expand_abbreviations=False,
    include_blockquote_citations=False,
    highlight_style=rust.HighlightStyle.NONE,
    # Together with _BACKSLASH below this makes a bare line feed of <br>.
    newline_style=rust.NewlineStyle.BACKSLASH,
    preprocessing=rust.PreprocessingOptions(enabled=False),
)

# The converter escapes what Markdown could misread ("1\. May"). Backslashes of the author travel as
# these noncharacters, so that every backslash that comes back is the converter's and can go, except
# in front of a bar, where it holds a table together.
_BACKSLASH = "\ufdd0"
_ESCAPED_BAR = "\ufdd1"

# No post is near this (the site's limit is 30,000 characters); some of the converter's loops are
# quadratic in stray "<".
_MOST_TAGS = 50_000
_DOUBLE_QUOTE_GAP = "\n>\n>\n"

_BANNER = re.compile(
    r"<blockquote>\s*+<p>\s*+<(?:strong|b)>\s*+Possible Duplicates?:?.{0,4000}?</blockquote>",
    re.DOTALL | re.IGNORECASE,
)
_LANGUAGE_COMMENT = re.compile(
    r"<!--\s*+(?:begin snippet: |language(?P<all>-all)?:\s*+)(?:lang-)?(?P<name>[\w+#.-]++)[^<>]*?-->"
    r"(?P<pre>\s*+<pre(?=[\s>]))?",
    re.IGNORECASE,
)
_PRE = re.compile(r"<pre(?=[\s>])([^<>]*+)>", re.IGNORECASE)
_PRE_LANGUAGE = re.compile(r"\blang(?:uage)?-([\w+#.-]++)")
# The prettifier's short names, as fences spell them.
_LANGUAGES = {
    "py": "python",
    "js": "javascript",
    "ts": "typescript",
    "cs": "csharp",
    "c#": "csharp",
    "rb": "ruby",
    "hs": "haskell",
    "pl": "perl",
    "rs": "rust",
    "sh": "bash",
    "c++": "cpp",
    "vb": "vbnet",
    "none": "",
    "default": "",
    "or": "",
}

# The tags of links and of media, not what stands between them.
_LINKS = re.compile(r"</?(?:a|iframe|video|audio|embed|object)\b[^<>]*+>", re.IGNORECASE)
_ADDRESS = r"(?>(?:https?://)?)(?:www\.)?(?P<host>[^<>\s/?#:…]++)[^<>\s]*+"
_LINK_TO_ITSELF = rf"<a\b[^<>]*+>\s*+(?=https?://|www\.){_ADDRESS}\s*+</a>"
_URL_IN_BRACKETS = re.compile(rf"[ ]?\({_LINK_TO_ITSELF.replace('?P<host>', '?:')}\)")
_URL_TEXT = re.compile(_LINK_TO_ITSELF)
_SUPER_SUB = re.compile(r"<su(?P<kind>[pb])>(?P<text>[^<>]{0,200})</su(?P=kind)>", re.IGNORECASE)
_CLOSING_TAGS = ("</em>", "</i>", "</strong>", "</b>", "</code>")
_SUPERSCRIPTS = str.maketrans("0123456789+-\u2212", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
_SUBSCRIPTS = str.maketrans("0123456789+-\u2212", "₀₁₂₃₄₅₆₇₈₉₊₋₋")
_ORDINALS = {"st", "nd", "rd", "th", "tm", "r"}

# The label of a later addition: "EDIT:", "Update 2 (May 2013) -", "<b>Edit</b>", "<h2>Update</h2>".
_LATER = (
    r"(?:(?:later|last|final|minor|small|quick|second|2nd|third|another) )?"
    r"(?:edit(?:ed)?|upd(?:ate)?d?|addendum|eta)(?>(?: ?\#?\d{1,4})?)(?>(?: ?\([^()<>\n]{1,40}\))?)"
)
_LABEL = rf"[\[(*=_~-]*+ ?{_LATER}[\])*=_~]*+"
_BOLD = r"(?:strong|b|em|i|u|sup|sub|code)"
_COLON = r"(?::|[-–—](?=[\s<]))"
_LABEL_AT_START = re.compile(
    rf"(?P<open><(?:p|h[1-6])>\s*+(?>(?:<{_BOLD}>\s*+)*))(?:"
    rf"{_LABEL}\s?(?:{_COLON}[*_]*+\s*+|(?P<close>(?>(?:</{_BOLD}>)+))(?:\s?{_COLON}\s*+)?|(?=</|<br\s?/?>))"
    rf"|\[{_LATER}\]\s*+)",
    re.IGNORECASE,
)

# Only a whole last paragraph or a whole last sentence is a signature.
_HELPS = r"(?:(?:i |i do )?hope (?:th(?:is|at|ese|ey)|it)(?: all| will| may| might)?(?: helps?| clarif(?:y|ies)| works)(?: you| someone| others)?(?: out| a bit| a little)?|hth|happy (?:coding|travels|travelling))"
_BYE = r"(?:cheers|(?:best|kind|warm)?\s?regards|best wishes|greetings|(?:many )?thanks(?: again| in advance)?|good luck|enjoy|have fun|safe travels|bon voyage)"
_NAME = r"(?:[,!.]?\s+(?:-{1,2}\s?|–\s?|—\s?)?[A-Z][\w.-]{0,20}(?:\s[A-Z][\w.-]{0,20})?)?"
_SIGNATURE = re.compile(
    rf"(?:(?i:{_HELPS})|(?i:{_BYE}){_NAME}|(?:--\s?|—\s?)[A-Z][\w.-]{{0,20}}(?:\s[A-Z][\w.-]{{0,20}})?)"
    r"\s?[!.,~]*+\s?(?:[:;]-?[)DP]|🙂)?[!.]?"
)
_LAST_SENTENCE = re.compile(rf"(?<=[.!?)])\s+(?i:{_HELPS}|good luck)\s?[!.]*+(?:\s?[:;]-?[)D])?$")
_LAST_SENTENCE_HINT = re.compile("[Hh]ope|HOPE|HTH|hth|appy|luck")
_LONGEST_SIGNATURE = 100
_MOST_SIGNATURES = 4
_RULE_AT_END = re.compile(r"\n+(?:---|\*\*\*|___)\s*+$")

_REDDIT_ESCAPES = re.compile(r"\\([\\_*#.>~^+!|\[\]-])")
_REDDIT_LINK = re.compile(
    r"!?\[([^\[\]\n]*+)\]\((?:[^()\s]|\([^()\s]*\))*(?:[ \t]+\"[^\"\n]*\")?[ \t]*\)"
)
_REDDIT_REFERENCE = re.compile(
    r"^ {0,3}\[[^\[\]\n]{1,80}\]:[ \t]*\S+[ \t]*(?:\"[^\"\n]*\")?$\n?", re.M
)
_PLAIN_URL = re.compile(
    r"^[ \t]*+(?:[-*+][ \t]+)?<?(?:https?://|www\.)[^\s<>]++>?[ \t]*+$\n?", re.M
)
_PLAIN_URL = re.compile(
    r"<?\b(?:https?://(?:www\.)?|www\.)(?P<host>[\w.-]*\w)[^\s<>)\]]*(?<![.,;:!?])>?"
)
_REDDIT_SPOILER = re.compile(r">!((?>(?:[^\n!>]|!(?!<)|>(?!!))+))!<")
_REDDIT_LABEL = re.compile(rf"^(?:[*_#]{{1,3}} ?)?{_LABEL} ?[:\-–—][*_]*+[ \t]*+", re.I | re.M)
_THANKS = re.compile(
    rf"^(?:[*_#]{{1,3}} ?)?{_LABEL}[^\n]{{0,80}}?\b(?:gold|silver|platinum|award|thank|front page|blew up|upvotes|inbox|"
    r"typos?|spelling|grammar|formatting)\b[^\n]*$\n?",
    re.I | re.M,
)


def html_to_markdown(html: str) -> str:
    """Convert the HTML body of a post to Markdown, keeping code and LaTeX as they were written.

    Link targets, images and the furniture of the site go: duplicate banners, "EDIT:" labels,
    signatures. Text nested deeper than the converter goes (1,024 levels) or with more than 50,000
    "<" comes back as plain text.
    """
    if _BACKSLASH in html or _ESCAPED_BAR in html:
        html = html.replace(_BACKSLASH, "").replace(_ESCAPED_BAR, "")
    if html.count("<") > _MOST_TAGS:
        return _text_only(html)
    html = _prepare(html).replace("\\", _BACKSLASH)
    try:
        markdown = rust.convert(html, _OPTIONS).content or ""
    except UnicodeEncodeError:  # half a surrogate pair
        return html_to_markdown(html.encode("utf-8", "ignore").decode().replace(_BACKSLASH, "\\"))
    except rust.ConversionError:
        return _text_only(html.replace(_BACKSLASH, "\\"))
    if "\\" in markdown:
        markdown = markdown.replace("\\|", _ESCAPED_BAR).replace("\\", "")
        markdown = markdown.replace(_ESCAPED_BAR, "\\|")
    markdown = markdown.replace(_BACKSLASH, "\\")
    if _DOUBLE_QUOTE_GAP in markdown:
        markdown = "".join(
            piece if is_code else piece.replace(_DOUBLE_QUOTE_GAP, "\n>\n")
            for is_code, piece in split_fences(markdown)
        )
    if not markdown.strip():
        return _text_only(html.replace(_BACKSLASH, "\\"))
    return _without_signature(markdown.strip("\n"))


def reddit_to_markdown(text: str) -> str:
    """Turn a Pushshift body into plain Markdown: entities decoded once, links reduced to their text.

    Code is left alone; u/ and r/ mentions and `^` superscripts stay as they are.
    """
    if "&" in text:
        text = re.sub(r"&(?:amp;)?(?:#x200[bB]|#8203);", "", text)
        text = re.sub(r"&(?:amp;)?(?:nbsp|#xA0|#160);", " ", text)
        # The ampersand last, else "&amp;lt;" would be decoded twice.
        text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    text = outside_code(text.replace("\r\n", "\n"), _reddit_prose, indented=True)
    return _without_signature(text.strip("\n"))


def _prepare(html: str) -> str:
    """Do on the HTML what is easier there: code cannot be mistaken for prose while it is escaped."""
    if "ossible " in html:
        html = _BANNER.sub("", html)
    if "<pre" in html:
        html = _with_languages(html)
    if ">http" in html or ">www." in html:
        html = _URL_TEXT.sub(r"\g<host>", _URL_IN_BRACKETS.sub("", html))
    html = _LINKS.sub("", html)
    if "<blockquote" in html:
        # Without something in between, the quote would stick to the paragraph before it.
        html = html.replace("<blockquote", "<p></p><blockquote")
    if "<sup" in html or "<sub>" in html:
        html = _SUPER_SUB.sub(_super_sub, html)
    return _LABEL_AT_START.sub(r"\g<open>\g<close>", html)


def _with_languages(html: str) -> str:
    """Move the language that a comment names into the class of the block that follows it."""
    everywhere = ""

    def from_comment(match: re.Match[str]) -> str:
        nonlocal everywhere
        if match["all"]:
            everywhere = match["name"]
        if match["pre"] is None:
            return ""
        return f'<pre class="lang-{match["name"]}"'

    def from_class(match: re.Match[str]) -> str:
        found = _PRE_LANGUAGE.search(match[1])
        name = (found[1] if found else everywhere).lower()
        name = _LANGUAGES.get(name, name)
        return f'<pre class="lang-{name}">' if name else "<pre>"

    if "<!--" in html:
        html = _LANGUAGE_COMMENT.sub(from_comment, html)
        if everywhere:
            return _PRE.sub(from_class, html)
    return _PRE.sub(from_class, html) if "lang" in html else html


def _super_sub(match: re.Match[str]) -> str:
    """x<sup>2</sup> to x², x<sup>n+1</sup> to x^(n+1); longer texts are just small print."""
    raised, text = match["kind"] in "pP", match["text"].strip()
    small = text.translate(_SUPERSCRIPTS if raised else _SUBSCRIPTS)
    if text and not any(old == new for old, new in zip(text, small, strict=True)):
        return small
    before = match.string[max(0, match.start() - 9) : match.start()]
    attached = before[-1:].isalnum() or before.endswith((")", "]", "}", ";", *_CLOSING_TAGS))
    small_print = len(text) > 12 or " " in text.replace(", ", ",")
    if not attached or not text or small_print or text.lower() in _ORDINALS:
        return text
    mark = "^" if raised else "_"
    return f"{mark}{text}" if text.isalnum() else f"{mark}({text.strip('()')})"


def _without_signature(markdown: str) -> str:
    """Cut greetings and names off the end, one paragraph or sentence at a time."""
    for _ in range(_MOST_SIGNATURES):
        cut = markdown.rfind("\n\n") + 1
        last = markdown[cut:].strip()
        if len(last) <= _LONGEST_SIGNATURE and cut and _SIGNATURE.fullmatch(last):
            shorter = markdown[:cut].rstrip()
        else:
            tail = markdown[-_LONGEST_SIGNATURE:]
            found = _LAST_SENTENCE_HINT.search(tail) and _LAST_SENTENCE.search(tail)
            shorter = markdown[: len(markdown) - len(tail) + found.start()] if found else markdown
        shorter = _RULE_AT_END.sub("", shorter)
        if shorter == markdown:
            break
        markdown = shorter
    return markdown


def _reddit_prose(prose: str) -> str:
    if "[" in prose:
        prose = _REDDIT_REFERENCE.sub("", _REDDIT_LINK.sub(r"\1", prose))
    if "http" in prose or "www." in prose:
        prose = _PLAIN_URL.sub(r"\g<host>", prose)
    if ">!" in prose:
        prose = _REDDIT_SPOILER.sub(r"\1", prose)
    prose = _REDDIT_LABEL.sub("", _THANKS.sub("", prose))
    return _REDDIT_ESCAPES.sub(r"\1", prose) if "\\" in prose else prose


def _text_only(html: str) -> str:
    """The last resort for what is no post: no tags, entities decoded, nothing else."""
    return unescape(re.sub(r"<[^<>]*>", " ", html)).strip()
