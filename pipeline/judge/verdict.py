"""Find the verdict in a reply: parsed from its text, and weighed by token probabilities.

A reply that gives no verdict, two different ones, or one that is no label is a failure with a
reason. No failure has a score: a score by default looks like a judgement and is none.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Reasons, as they stand in tables.
FAILURES = {
    "no_verdict": "the reply holds no verdict",
    "two_verdicts": "the reply holds two different verdicts",
    "not_a_label": "the verdict is none of those that were asked for",
    "cut_off": "the reply reached its limit of tokens before a verdict",
    "empty": "the reply is empty",
    "refused": "the endpoint refuses this request (status 4xx)",
    "no_response": "there is nothing to judge",
    "no_reference": "there is no reference for this request",
    "unanswered": "no reply came, after all tries",
    "no_room": "the poor text has nearly the best verdict without an attack",
    "budget": "the budget was spent before its turn",
}

_WORD = r"([A-Za-z]+|[+-]?\d+(?:[.,]\d+)?)"
# What may stand around a label: emphasis, quotes, brackets, a TeX box.
_DRESS = r"(?:\\(?:boxed|text|mathrm)\s*\{|\\?[(\[]|[\s*_`\"'$])*"
_SAID = re.compile(
    rf"\bverdict\b[*_`\"']*\s*(?:is|:|\uff1a|=){_DRESS}"
    rf"(?:(?:response|answer|assistant|option|grade|score)\s+{_DRESS}|a\s+(?=tie\b))?" + _WORD,
    re.IGNORECASE,
)
_BLANK = r"[^\S\n]"
# Bounded, since two such runs beside each other take quadratic time to fail.
_CLOSED = rf"(?:{_BLANK}|[*_`\"'$)\]}}\\]){{0,9}}"  # what may follow a label
_NEXT = (  # and what may stand before a further one: "or maybe response B"
    rf"(?:(?:or|to|and|but|even|maybe|perhaps|possibly|rather|really|actually|arguably|an?|the|response|answer"
    rf"|assistant|option)\b|{_BLANK}|[-*_`\"'$(\[{{\\,]){{0,12}}([A-Za-z]+|\d+(?:[.,]\d+)?)"
)
# "A or B", "4/5", "3-4": two verdicts, whatever follows.
_OR = re.compile(
    rf"{_CLOSED}(?:[/|&~=<\u2026]|\.\.+|[-\u2013\u2014](?=\d)|\b(?:or|to|and)\b){_NEXT}\b",
    re.IGNORECASE,
)
# "4, 5", "A (B)", but not "4, 2 gaps" or "A - B is wrong": two verdicts if nothing follows.
_OR_ALONE = re.compile(
    rf"{_CLOSED}(?:[,;(\[\-\u2013\u2014]|\b(?:but|maybe|perhaps|possibly|rather|really|actually)\b){_NEXT}\b"
    rf"{_CLOSED}(?=\Z|\n|[.,;:!?/|&\u2013\u2014-])",
    re.IGNORECASE,
)
# What a mark is out of: "5/6", "5 out of 6", "5 (of 6)", "5 on a scale from 1 to 6"; a share is out of 100.
_OUT_OF = re.compile(
    rf"{_CLOSED}(?:points?|stars?|marks?)?{_CLOSED},?{_BLANK}?[(\[]?(?:(?:/|\b(?:out{_BLANK}+)?of\b)(?:{_BLANK}*the\b)?"
    rf"|on{_BLANK}+a{_BLANK}+scale{_BLANK}+(?:of|from){_BLANK}+[01]{_BLANK}*(?:-|\u2013|to))"
    rf"{_BLANK}?[*_`\"'$]{{0,2}}(\d+|ten)(?:[.,]0+)?(?!\w)|{_CLOSED}(?:[%\uff05]|per{_BLANK}?cent)",
    re.IGNORECASE,
)
# A reply that breaks off before the next of several: "A, or".
_GOES_ON = re.compile(rf"{_CLOSED}(?:[,/|&]\s?(?:(?:or|to|and)\b)?|\b(?:or|to|and)\b)\s*\Z")
# A reply that is nothing but a label, perhaps in bold or with a full stop.
_ALONE = re.compile(rf"{_DRESS}{_WORD}(?:\\?[)\]]|[\s*_`\"'}}.$])*")
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Verdict:
    """What a reply says. `reason` is set where it says nothing; then all else is null.

    `value` is the expected label where the tokens tell, else the parsed one; for a comparison it
    is the probability of A, with half of a tie, or null. `mass` is the probability that the labels
    have together: how much of the judge's mind `value` speaks for.
    """

    label: str | None = None
    value: float | None = None
    mass: float | None = None
    reason: str | None = None
    detail: str | None = None

    @property
    def weighed(self) -> bool:
        """Whether `value` comes from token probabilities."""
        return self.mass is not None


def read(
    reply: str,
    labels: Sequence[str],
    worth: Mapping[str, float],
    tokens: Sequence[Mapping[str, Any]] | None = None,
    *,
    finished: bool = True,
    min_mass: float | None = None,
) -> Verdict:
    """Read a reply. `worth` is the number of each label; `tokens` are the API's logprobs.

    `min_mass` is set where the reply was begun for the judge. If no label is written then, the
    expected one is taken at the first word, given that all labels have this probability there.
    """
    verdict = _written(reply, labels, worth, tokens or [], finished=finished)
    if min_mass is not None and _wordless(verdict):
        first = next(
            (
                number
                for number, token in enumerate(tokens or [])
                if number and token["token"].strip()
            ),
            None,
        )
        masses = _masses((tokens or [])[first], worth) if first is not None else {}
        total = sum(masses.values())
        if total and total >= min_mass:
            expected = sum(worth[label] * part for label, part in masses.items()) / total
            return Verdict(max(masses, key=lambda label: masses[label]), expected, min(total, 1.0))
    return verdict


def _wordless(verdict: Verdict) -> bool:
    """Tell whether a reply spells out no mark, be it on the scale or not."""
    if verdict.reason == "not_a_label":
        return (verdict.detail or "")[:1].isalpha()
    return verdict.reason in ("no_verdict", "cut_off")


def _written(
    reply: str,
    labels: Sequence[str],
    worth: Mapping[str, float],
    tokens: Sequence[Mapping[str, Any]],
    *,
    finished: bool,
) -> Verdict:
    """Read the verdict that a reply spells out."""
    spoken = _THOUGHT.sub(lambda thought: " " * len(thought[0]), reply)
    if not spoken.strip():
        return Verdict(reason="empty" if finished else "cut_off")
    matches = list(_SAID.finditer(spoken))
    # "My verdict is clear" is prose: a word is a verdict only if it is a label. Without any
    # verdict, the last such word stands in for one, and fails as such.
    found = [
        said
        for match in [match for match in matches if _counts(match[1], labels)] or matches[-1:]
        for said in _line(spoken, match, labels)
    ]
    if not found and (alone := _ALONE.fullmatch(spoken)):
        found = [(alone[1], alone.start(1))]
    if not found:
        return Verdict(reason="no_verdict" if finished else "cut_off", detail=_short(reply))
    said = list(dict.fromkeys(_label(word, labels) or f"?{word}" for word, _ in found))
    if len(said) > 1:
        return Verdict(reason="two_verdicts", detail=_short(" and ".join(w for w, _ in found)))
    if said[0].startswith("?"):
        return Verdict(reason="not_a_label", detail=_short(found[-1][0]))
    if not finished and _GOES_ON.match(spoken, found[-1][1] + len(found[-1][0])):
        return Verdict(reason="cut_off", detail=_short(reply))
    value, mass = _expected(tokens, found[-1][1], said[0], worth)
    return Verdict(said[0], worth[said[0]] if value is None else value, mass)


def _line(spoken: str, match: re.Match[str], labels: Sequence[str]) -> Iterable[tuple[str, int]]:
    """Yield the verdict at a match, and another one that stands right after it, with the place of the first.

    What prose says after a verdict is not understood: "A is worse" names A.
    """
    word, start, end = match[1], match.start(1), match.end(1)
    if word[-1].isdigit() and (out_of := _OUT_OF.match(spoken, end)):
        end = out_of.end()
        if out_of[1] != labels[-1]:
            word = spoken[start:end]  # a mark on another scale is none of the labels
    yield word, start
    other = _OR.match(spoken, end) or _OR_ALONE.match(spoken, end)
    numbers = labels[0].isdigit()
    if other and (
        _label(other[1], labels)
        or (numbers and (other[1][-1].isdigit() or other[1].lower() == "half"))
    ):
        yield other[1], start


def _counts(word: str, labels: Sequence[str]) -> bool:
    """Tell a verdict from a word of prose: a label, or a number, be it on the scale or not."""
    return word[-1].isdigit() or _label(word, labels) is not None


def _label(word: str, labels: Sequence[str]) -> str | None:
    """Return the label that a word is; 4.0 is 4, 4.5 is none, and the article "a" is not A."""
    bare = re.sub(r"[.,]0+$", "", word)
    if len(bare) == 1:
        return bare if bare in labels else None
    return next((label for label in labels if label.lower() == bare.lower()), None)


def _expected(
    tokens: Sequence[Mapping[str, Any]], place: int, said: str, worth: Mapping[str, float]
) -> tuple[float | None, float | None]:
    """Weigh the labels by the probabilities of the token that begins the verdict at `place`."""
    start = 0
    for token in tokens:
        end = start + len(token["token"])
        if start <= place < end:
            break
        start = end
    else:
        return None, None
    if _begins(token["token"], worth) != said:  # tokens that do not spell the reply
        return None, None
    mass = _masses(token, worth)
    total = sum(mass.values())
    if not total:
        return None, None
    expected = sum(worth[label] * part for label, part in mass.items()) / total
    return expected, min(total, 1.0)


def _masses(token: Mapping[str, Any], labels: Iterable[str]) -> dict[str, float]:
    """Add up the probability of each label among a token's alternatives.

    "4" and " 4" are two tokens of one label. The chosen one may be missing in the list.
    """
    seen = {item["token"]: item["logprob"] for item in token.get("top_logprobs") or []}
    seen.setdefault(token["token"], token["logprob"])
    mass: dict[str, float] = {}
    for text, logprob in seen.items():
        label = _begins(text, labels)
        if label is not None and logprob is not None:
            mass[label] = mass.get(label, 0.0) + math.exp(logprob)
    return mass


def _begins(token: str, labels: Iterable[str]) -> str | None:
    """Return the label that a token is, or begins: `tie` may come as `t`, `ie`."""
    word = token.strip(" \t\n*_`\"'([{$:\uff1a")
    if not word:
        return None
    whole = [label for label in labels if label == word]
    begun = [label for label in labels if len(label) > 1 and label.startswith(word.lower())]
    return next(iter(whole or begun), None)


def _short(text: str) -> str:
    """Return the beginning of a text, fit for a terminal."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())[:120]
