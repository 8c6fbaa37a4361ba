"""Mend the text of published wikiHow tables: citations, tokenised spacing, lost apostrophes."""

import re

_CITATION = re.compile(
    r"\s*\[\d{1,3}\]\s*X (?:Research source"
    r"|Trustworthy Source [^\[\]]{0,300}?Go to source"
    r"|Expert Source [^\[\]]{0,250}?(?:Expert Interview|Expert Interview\.? \d{1,2} \w+ \d{4})"
    r"(?:\. \d{1,2} \w+ \d{4})?\.?(?= |$))",
)
_NUMBER = re.compile(r"\s?\[\d{1,3}\](?!\w)")
_CITED = re.compile(r"[.!?,;:)\"”’'][ \t]?\[\d{1,3}\]|(?:^|\n)\[\d{1,3}\](?:\s|$)")
_EMPTY_LINK = re.compile(r"\s?\[\[\d{1,3}\]\]")
_IMAGE = re.compile(r'\s*\{"smallUrl":.{0,4000}?"\}')
# "up.Practice": the reference between two sentences was cut out together with the space.
_GLUED = re.compile(r"(?<![\w.])([a-z'’-]{2,}+[)\"”]?[.!?])(?=[A-Z][a-z]*[ ,'’])")

_TOKENISED = re.compile(
    r"\b(?:ca|wo|do|does|did|is|are|was|were|have|has|had|could|should|would) n['’]t\b"
    r"|\w ['’](?:s|re|ve|ll)\b|\w [;:?](?=\s|$)|\$ \d|\( \w|“ \w",
    re.IGNORECASE,
)
_NOT = re.compile(r"\b(\w+) n(['’])t\b")
_CLITIC = re.compile(r"(\w) (['’])(s|re|ve|ll|d|m)\b")
_LOOSE_MARK = re.compile(r"(?<=[\w\"”)%]) ([.,;:?!])(?=\s|$|[\"”)])")
_QUOTED = re.compile(r'(^|[\s(])" ([^"\n]{1,200}?) ?"(?=$|[\s).,;:?!])', re.MULTILINE)
_INCHES = re.compile(r'(\d) "(?=\s|$|[,.)])')
_SUFFIX = re.compile(r"\b(an?|or|and|the|as|in|to)\.(?=[A-Z]{2,5}\b)")

_VERBS = "do does did is are was were have has had could should would must need"
# Without their apostrophe these are no other words.
_BARE = {
    **{f"{verb}nt": f"{verb}n't" for verb in _VERBS.split()},
    **{f"{who}{tail}": f"{who}'{tail}" for who in ("you", "they") for tail in ("re", "ve", "ll")},
    "weve": "we've",
    "thats": "that's",
    "whats": "what's",
    "theres": "there's",
    "heres": "here's",
    "youd": "you'd",
    "theyd": "they'd",
    "cant": "can't",
    "wont": "won't",
    "itll": "it'll",
}
_BARE_WORD = re.compile(rf"\b(?:{'|'.join(_BARE)})\b", re.IGNORECASE)


def mend(text: str) -> str:
    """Take out citations and put back what earlier conversions of the text broke."""
    text = uncite(text)
    text = _GLUED.sub(r"\1 ", text)
    if _TOKENISED.search(text):
        text = untokenise(text)
    return _BARE_WORD.sub(_apostrophe, text)


def uncite(text: str) -> str:
    """Take out "[3]" and "[3] X Research source"; an index in code such as a[3] stays."""
    if "smallUrl" in text:
        text = _IMAGE.sub("", text)
    if "[" not in text:
        return text
    text = _EMPTY_LINK.sub("", _CITATION.sub("", text))
    if _CITED.search(text):
        text = _NUMBER.sub("", text)
    return text.strip(" ") if "\n" not in text else text


def untokenise(text: str) -> str:
    """Undo the spacing of tokenisers: "Do n't", "this :", '" on "', "$ 5"."""
    text = _NOT.sub(r"\1n\2t", text)
    text = _CLITIC.sub(r"\1\2\3", text)
    text = re.sub(r" ”", "”", re.sub(r"“ ", "“", text))
    text = _SUFFIX.sub(r"\1 .", text)
    text = _INCHES.sub(r'\1"', text)
    text = _QUOTED.sub(lambda m: f'{m[1]}"{m[2]}"', text)
    text = _LOOSE_MARK.sub(r"\1", text)
    text = re.sub(r"(?<=\d) %", "%", re.sub(r"\( (?=\w)", "(", text))
    text = re.sub(r"(?<=[\w%]) \)", ")", text)
    return re.sub(r"([$#]) (?=\d)", r"\1", text)


def _apostrophe(match: re.Match[str]) -> str:
    word = match[0]
    mended = _BARE[word.lower()]
    if word.isupper():
        return mended.upper()
    return mended[0].upper() + mended[1:] if word[0].isupper() else mended
