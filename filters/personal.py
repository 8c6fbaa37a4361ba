"""Personal data and secrets in a text: found by shape, then by checksum or context.

Input: prompt and response columns. Output: rows that hold some (`personal_data`), or the same texts
with a word in brackets in its place (`mask`). What people write when they only show a format (the
domains and networks of RFC 2606 and RFC 5737, test cards) is nobody's and stays.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import polars as pl

from filters.rule import Rule

MASKS = {
    "e-mail": "[e-mail address]",
    "telephone": "[telephone number]",
    "ip": "[IP address]",
    "key": "[key]",
    "card": "[card number]",
    "identity": "[identity number]",
}
_BEFORE = 30  # characters before a number in which a word may say what it is

_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}(?![\w-])"
)
_NOBODY = re.compile(
    r"(?i)@(?:[\w-]+\.)*(?:example|test|invalid|localhost|local|internal)$"
    r"|@(?:[\w-]+\.)*(?:example|domain|mydomain|yourdomain|somedomain|email|company|yourcompany"
    r"|mycompany|foo|bar|foobar|baz|test|server|host|site|mysite|yoursite|somewhere|whatever|abc|xyz)"
    r"\.(?:com|org|net|edu|co\.uk|io)$"
    r"|^(?:git|noreply|no-reply|user|username|you|your\w*|name|someone|somebody|me|x+|foo|test)@"
)
_PHONE = re.compile(
    r"(?<![\w+.,/=-])(?:\+\d{1,3}[ .\-()/]{0,2}|00\d{1,3}[ -])?(?:\(\d{1,5}\)[ -]?)?\d{1,5}"
    r"(?:[ .\-/]{1,2}\d{2,8}){1,5}(?![\w]|[.,-]\d)|(?<![\w+])\+?\d{9,14}(?![\w]|[.,-]\d)"
)
_CALLS = re.compile(
    r"(?i)\b(?:phone|telephone|tel|call|ring|mobile|cell|cellphone|fax|whatsapp|hotline|text me"
    r"|sms|number is|dial)\b"
)
_AMERICAN = re.compile(r"\(\d{3}\) ?\d{3}[-. ]\d{4}|\d{3}[-.]\d{3}[-.]\d{4}")
_REGIONS = ("US", "GB", "DE", "FR", "IN", "AU", "ES", "IT", "NL", "BR")
_IPV4 = re.compile(r"(?<![\w.@/-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
_IPV6 = re.compile(
    r"(?<![\w:.])[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{1,4}(?![\w:])"
)
_VERSION = re.compile(
    r"(?i)(?:\bv|version|release|build|firmware|driver|update|section|chapter|§)\W*$"
)
_PUBLIC_SERVERS = {"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "4.2.2.2", "1.2.3.4"}
_KEY = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{40,}"
    r"|\bglpat-[\w-]{20}|\bxox[abprs]-[\w-]{20,}|\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{32,}"
    r"|\b[rs]k_live_[A-Za-z0-9]{20,}|\bAIza[\w-]{35}|\bya29\.[\w-]{30,}|\bhf_[A-Za-z0-9]{34}\b"
    r"|\bnpm_[A-Za-z0-9]{36}\b|\bSG\.[\w-]{22}\.[\w-]{43}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}"
    r"|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----[\s\S]{20,}?(?:-----END (?:[A-Z]+ )?PRIVATE KEY-----|\Z)"
)
_SECRET = re.compile(
    r"(?ai)\b(?:[\w-]{0,20}(?:api[_-]?key|secret(?:[_-]?key)?|token|passw(?:or)?d|pwd|access[_-]?key|auth))"
    r"[\"']?\s{0,2}(?:=>|[=:])\s{0,2}[\"']?([A-Za-z0-9+/_=-]{20,120})(?![\w.(-])"
)
_PLACEHOLDER = re.compile(
    r"(?i)example|your|sample|dummy|change|placeholder|x{4,}|1234567|abcdef|test"
)
_UUID = re.compile(r"(?i)^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_CARD = re.compile(
    r"(?<![\w.,-])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{5}|\d{13,19})(?![\w]|[.,-]\d)"
)
_ISSUER = re.compile(
    r"4|5[1-5]|2(?:2[2-9]|[3-6]\d|7[01])|2720|3[47]|6011|65|64[4-9]|35(?:2[89]|[3-8]\d)|36|30[0-5]|38"
)
_PAYS = re.compile(r"(?i)\b(?:card|visa|master ?card|amex|american express|credit|debit|cc)\b")
_TEST_CARDS = {
    "4111111111111111", "4242424242424242", "4000056655665556", "4012888888881881", "4222222222222",
    "5555555555554444", "5105105105105100", "5200828282828210", "378282246310005",
    "371449635398431", "6011111111111117", "6011000990139424", "30569309025904", "38520000023237",
    "3530111333300000",
}  # fmt: skip
_SSN = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?!\w)")
_CPF = re.compile(r"(?<![\w.-])\d{3}\.\d{3}\.\d{3}-\d{2}(?![\w-])")
_DNI = re.compile(r"(?<![\w-])(?:[XYZ]\d{7}|\d{8})-?[A-Z](?![\w-])")
_FISCALE = re.compile(r"(?<!\w)[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?!\w)")
_NUMBERED = re.compile(r"(?<![\w.,-])\d(?:[ ]?\d){9,14}(?![\w]|[.,-]\d)")
_SPEAKS_OF = {
    "nhs": re.compile(r"\bNHS\b"),
    "pesel": re.compile(r"\bPESEL\b"),
    "idnr": re.compile(r"(?i)\bsteuer|\btax id|\bidnr\b"),
    "nir": re.compile(r"(?i)s[ée]curit[ée] sociale|social security|\bNIR\b|\binsee\b"),
    "bsn": re.compile(r"\bBSN\b"),
}

# What every find has somewhere in it, for Rust's engine, which reads a text once; the patterns above
# then look at few texts. Seven digits may have what people write between them.
_MAY_HOLD = "|".join(
    (
        r"@[A-Za-z0-9-]+\.",
        r"\d(?:[ .()/-]{0,3}\d){6}",
        r"\d\.\d{1,3}\.\d{1,3}\.\d",
        r"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f]{0,4}:",
        r"[A-Z]{2}\d{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4}",
        r"[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}",
        r"A[KS]IA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_|glpat-|xox[abprs]-|AIza|ya29\.",
        r"sk-[A-Za-z0-9_-]{32}|[rs]k_live_|hf_[A-Za-z0-9]{34}|npm_[A-Za-z0-9]{36}|SG\.|eyJ|PRIVATE KEY",
        r"(?i:key|secret|token|passw(?:or)?d|pwd|auth)[\"']?\s{0,2}(?:=>|[=:])\s{0,2}[\"']?[A-Za-z0-9+/_=-]{20}",
    )
)


class Found(NamedTuple):
    """A piece of personal data: its kind (see MASKS) and its place in the text."""

    kind: str
    start: int
    end: int


def find(text: str) -> list[Found]:
    """Return what a text holds, in its order; where two overlap, the earlier and longer stays."""
    hits = sorted(
        (hit for look in _LOOKS for hit in look(text)), key=lambda hit: (hit.start, -hit.end)
    )
    kept: list[Found] = []
    for hit in hits:
        if not kept or hit.start >= kept[-1].end:
            kept.append(hit)
    return kept


def mask(text: str) -> tuple[str, Counter[str]]:
    """Return the text with a word in brackets for each find, and how many of each kind."""
    parts, start = [], 0
    hits = find(text)
    for hit in hits:
        parts += [text[start : hit.start], MASKS[hit.kind]]
        start = hit.end
    return "".join([*parts, text[start:]]), Counter(hit.kind for hit in hits)


def personal_data(column: str = "response") -> Rule:
    """Drop rows whose text holds personal data; the detail names the kinds, not the data."""
    kinds = pl.col(column).map_batches(kinds_of, return_dtype=pl.String)
    return Rule(
        code="personal_data",
        fails=kinds.is_not_null(),
        detail=pl.format(f"{{}} in the {column.replace('_', ' ')}", kinds),
        needs=frozenset({column}),
        cost=60,
        source="RFC 2606, RFC 5737, ISO/IEC 7812 (Luhn), python-stdnum, phonenumbers",
    )


def kinds_of(texts: pl.Series) -> pl.Series:
    """Say what each text holds, such as "e-mail, 2 telephone"; null where there is nothing."""
    said = [
        describe(text) if may else None for text, may in zip(texts, may_hold(texts), strict=True)
    ]
    return pl.Series(texts.name, said, pl.String)


def may_hold(texts: pl.Series) -> pl.Series:
    """Tell the texts in which it is worth looking; in no other does `find` find anything."""
    return texts.str.contains(_MAY_HOLD).fill_null(False)


def describe(text: str) -> str | None:
    """Say what a text holds, without saying it."""
    counts = Counter(hit.kind for hit in find(text))
    named = [kind if n == 1 else f"{n} {kind}" for kind, n in sorted(counts.items())]
    return ", ".join(named) or None


def _said_before(text: str, start: int, words: re.Pattern[str]) -> bool:
    return bool(words.search(text, max(0, start - _BEFORE), start))


def _emails(text: str) -> Iterator[Found]:
    if "@" in text:
        for match in _EMAIL.finditer(text):
            if not _NOBODY.search(match[0]):
                yield Found("e-mail", *match.span())


def _telephones(text: str) -> Iterator[Found]:
    for match in _PHONE.finditer(text):
        number = match[0]
        digits = sum(letter.isdigit() for letter in number)
        if not 7 <= digits <= 15:
            continue
        if number.startswith(("+", "00")):
            # "+40.712812" is a coordinate.
            regions: list[str | None] = [] if re.fullmatch(r"\+\d{1,3}\.\d+", number) else [None]
        elif _AMERICAN.fullmatch(number):
            regions = ["US"]
        elif _said_before(text, match.start(), _CALLS) and digits >= 9:
            regions = list(_REGIONS)
        else:
            continue
        if any(_dialled(number, region) for region in regions):
            yield Found("telephone", *match.span())


def _dialled(number: str, region: str | None) -> bool:
    import phonenumbers

    if region is None and number.startswith("00"):
        number = f"+{number[2:]}"
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return False
    national = str(parsed.national_number)
    fictional = parsed.country_code == 1 and national[3:8] == "55501"  # kept free for stories
    return phonenumbers.is_valid_number(parsed) and not fictional


def _addresses(text: str) -> Iterator[Found]:
    for match in _IPV4.finditer(text):
        numbers = [int(part) for part in match[0].split(".")]
        is_version = max(numbers) < 30 or _VERSION.search(
            text[max(0, match.start() - 14) : match.start()]
        )
        is_plain = max(numbers) <= 255 and match[0] not in _PUBLIC_SERVERS and not is_version
        if is_plain and _global(match[0]):
            yield Found("ip", *match.span())
    for match in _IPV6.finditer(text):
        if _global(match[0]):
            yield Found("ip", *match.span())


def _global(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return found.is_global and not found.is_multicast


def _keys(text: str) -> Iterator[Found]:
    for match in _KEY.finditer(text):
        # Long runs of one character and EXAMPLE are how documents show a key.
        if not re.search(r"EXAMPLE|(.)\1{7}|(?i:your|x{6})", match[0]):
            yield Found("key", *match.span())
    for match in _SECRET.finditer(text):
        value = match[1]
        mixed = re.search(r"\d", value) and re.search(r"[A-Za-z]", value)
        if (
            mixed
            and not _PLACEHOLDER.search(value)
            and not _UUID.match(value)
            and entropy(value) > 3.5
        ):
            yield Found("key", *match.span(1))


def entropy(text: str) -> float:
    """Return the bits per character of a text, by the frequencies of its own characters."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def _cards(text: str) -> Iterator[Found]:
    from stdnum import luhn

    for match in _CARD.finditer(text):
        number = re.sub(r"\D", "", match[0])
        grouped = number != match[0]
        if not 13 <= len(number) <= 19 or number in _TEST_CARDS or len(set(number)) < 4:
            continue
        if not (grouped or _said_before(text, match.start(), _PAYS)):
            continue
        if _ISSUER.match(number) and luhn.is_valid(number):
            yield Found("card", *match.span())


def _identities(text: str) -> Iterator[Found]:
    from stdnum import iban
    from stdnum.br import cpf
    from stdnum.es import dni, nie
    from stdnum.it import codicefiscale
    from stdnum.us import ssn

    shapes: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = (
        (_SSN, lambda number: ssn.is_valid(number) and number != "123-45-6789"),
        (_IBAN, lambda number: iban.is_valid(number, check_country=True)),
        (_CPF, lambda number: cpf.is_valid(number) and len(set(number)) > 4),
        (_DNI, lambda n: (dni.is_valid(n) or nie.is_valid(n)) and not n.startswith("12345678")),
        (_FISCALE, codicefiscale.is_valid),
    )
    for pattern, is_valid in shapes:
        for match in pattern.finditer(text):
            if is_valid(match[0]):
                yield Found("identity", *match.span())
    yield from _numbered(text)


def _numbered(text: str) -> Iterator[Found]:
    """Numbers that look like any other and have a checksum: only where a word says what they are."""
    from stdnum.de import idnr
    from stdnum.fr import nir
    from stdnum.gb import nhs
    from stdnum.nl import bsn
    from stdnum.pl import pesel

    kinds = {"nhs": nhs, "pesel": pesel, "idnr": idnr, "nir": nir, "bsn": bsn}
    for match in _NUMBERED.finditer(text):
        for name, kind in kinds.items():
            if _said_before(text, match.start(), _SPEAKS_OF[name]) and kind.is_valid(match[0]):
                yield Found("identity", *match.span())
                break


_LOOKS: tuple[Callable[[str], Iterator[Found]], ...] = (
    _emails,
    _identities,  # before telephones: a number can look like both
    _cards,
    _telephones,
    _addresses,
    _keys,
)
