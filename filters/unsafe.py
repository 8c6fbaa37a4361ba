"""Text that is unsafe to train on: a first line that anybody can read and check.

Each subject has phrases of which one is enough and words of which a text needs several; innocent
senses ("kill a process", "breast of chicken", "shoot a film") are taken out first. A list sees
wording, not intent: docs/guards.md measures what it misses. `unsafe_by` takes a model's verdict.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from filters.rule import Rule
from filters.text import fast, snippet

# Senses that have nothing to do with harm. They are blanked before anything is looked for.
INNOCENT = (
    r"(?i:\b(?:kill|killing) (?:some |the )?time\b|\b(?:kill|killing|kills|killed|die|dies|died|dying|hang|hangs|abort|execute|fork[- ]?bomb)\b"
    r"[^.\n]{0,30}\b(?:process(?:es)?|job|task|thread|server|service|daemon|session|command|query|"
    r"program|script|app|weeds?|bacteria|yeast|germs|mould|mold|engine|battery|signal|pid|character|boss|monsters?|zombies?|rats?|mouse|mice|fly|flies|plants?|trees?|bugs?|spiders?|npcs?|enemy|enemies|dragons?|mosquito(?:es)?|ants?|roaches)\b"
    r"|\b(?:chicken|duck|turkey|goose|pheasant)\W+(?:breasts?|thighs?)\b|\bbreasts? of (?:chicken|duck|turkey|lamb|veal)\b"
    r"|\bbreast (?:cancer|milk|pump|meat|stroke|feeding)\b|\bbreast-?(?:feed|fed|feeding|stroke|bone)\w*"
    r"|\bshoot(?:ing)? (?:a |the |some )?(?:film|photos?|pictures?|video|raw|hoops|stars?)\b"
    r"|\bbath bombs?\b|\bbomb calorimeter\b|\bcluster bombs?\b|\bsex(?:ual)? (?:education|ratio|chromosomes?|reproduction|"
    r"selection|dimorphism|health|orientation|harassment|assault|abuse)\b|\bsame[- ]sex\b|\bsafe(?:r)? sex\b"
    r"|\bstrip(?:ped|ping)? (?:the|a|of|paint|wires?|screws?|down)\b|\bcock(?:tail|pit|roach|erel|s? crow)\w*"
    r"|\bnude (?:lipstick|colou?rs?|shade|mice|mouse)\b|\bcum (?:laude|grano)\b|\bscrew(?:driver|ed in|s)?\b)"
)
# One is enough: asking for, or giving, the harmful thing itself.
STRONG: dict[str, tuple[str, ...]] = {
    "weapons": (
        r"(?i:\b(?:how (?:to|do I|can I|would I)|ways? to|steps to|instructions (?:for|to)|teach me to|"
        r"help me) (?:\w+ ){0,3}?(?:make|build|construct|assemble|create|cook|detonate) (?:\w+ ){0,3}?"
        r"(?:pipe bombs?|bombs?|explosives?|molotov|nerve gas|sarin|ricin|ghost guns?|grenades?|chemical weapons?|"
        r"bioweapons?|napalm|silencers?|letter bombs?|car bombs?|dirty bombs?)\b)",
    ),
    "drugs": (
        r"(?i:\b(?:how (?:to|do I|can I)|ways? to|steps to|recipe (?:for|to)|help me) (?:\w+ ){0,3}?"
        r"(?:make|cook|synthesi[sz]e|manufacture|sell|smuggle|buy|deal) (?:\w+ ){0,3}?"
        r"(?:meth|methamphetamine|crystal meth|heroin|cocaine|crack|fentanyl|mdma|lsd|ghb)\b)",
    ),
    "violence": (
        r"(?i:\b(?:how (?:to|do I|can I|should I)|ways? to|best way to|help me|want to|going to|gonna) "
        r"(?:\w+ ){0,2}?(?:murder|kill|poison|strangle|stab|torture|kidnap|rape|beat up|behead|assassinate|"
        r"dispose of the body of|hide (?:a|the) (?:dead )?body)(?: of)? (?:my|a|an|the|someone|somebody|people|him|her|"
        r"them|his|you|your|another|women|men|children|kids|jews|muslims|blacks|gays)\b)",
    ),
    "self-harm": (
        r"(?i:\b(?:how (?:to|do I|can I)|ways? to|best way to|painless(?:ly)?|easiest way to) (?:\w+ ){0,3}?"
        r"(?:kill myself|commit suicide|end my (?:own )?life|hang myself|overdose on|cut myself|kill yourself)\b"
        r"|\b(?:you should|just|go) kill yourself\b|\bkys\b)",
    ),
    "crime": (
        r"(?i:\b(?:how (?:to|do I|can I|could I)|ways? to|best way to|steps to|help me|teach me (?:how )?to) "
        r"(?:\w+ ){0,3}?(?:rob|steal|shoplift|hack into|break into|hotwire|launder|counterfeit|forge|blackmail|"
        r"stalk|extort|cyberstalk|pick ?pocket|embezzle|dox|swat|scam|defraud|commit (?:identity|insurance|tax) fraud|"
        r"evade taxes) (?:an? |the |my |someone|somebody|people|from|money|cars?|credit|banks?|\w+'s|her|his|their)\b)",
    ),
    "sexual": (
        r"(?i:\b(?:blow ?jobs?|hand ?jobs?|cum ?shots?|gang ?bangs?|deep ?throat(?:ing)?|creampies?|"
        r"fucked (?:her|him|me) (?:hard|in)|suck(?:ed|ing)? (?:his|my|your) (?:dick|cock)|wet pussy|"
        r"hard cock|child porn\w*|kiddie porn|bestiality|incest porn|rape porn|jailbait|upskirt\w*)\b)",
    ),
    "hate": (
        r"(?i:\b(?:kill|gas|exterminate|lynch|deport|hang) (?:all )?(?:the )?(?:jews|muslims|blacks|gays|immigrants|"
        r"mexicans|arabs|asians|women|trans(?:gender)? people)\b"
        r"|\b(?:jews|muslims|blacks|gays|immigrants|mexicans|arabs|asians|women) (?:are|r) (?:all )?"
        r"(?:vermin|subhuman|animals|filth|parasites|cockroaches|inferior|a disease|scum|trash)\b"
        r"|\bheil hitler\b|\bwhite power\b|\bgas chambers? (?:was|were) (?:right|good)\b)",
    ),
}
# A text needs several different ones.
WEAK: dict[str, str] = {
    "sexual": r"(?i:\b(?:porn\w*|xxx|orgasm\w*|masturbat\w*|blowjob|dildo\w*|vibrator|horny|pussy|cock|dick|"
    r"tits|boobs|nipples?|clit\w*|ejaculat\w*|erections?|anal|handjob|slut\w*|whore\w*|cum|fuck(?:ed|ing)? (?:her|him|me)|"
    r"naked|moan(?:ed|ing)|thrust(?:ed|ing)?|panties|thong|stripper\w*|fetish\w*|bdsm|threesome)\b)",
    "abuse": r"(?i:\b(?:fuck(?:er|ing|ed|s)?|motherfucker\w*|bitch\w*|cunts?|whores?|asshole\w*|retard(?:s|ed)?|"
    r"faggots?|niggers?|dickheads?|shithead\w*|bastards?|slut\w*|twats?)\b)",
}
WEAK_NEEDED = 4


def unsafe(column: str = "response", *, needed: int = WEAK_NEEDED) -> Rule:
    """Drop rows with one phrase that asks for or gives harm, or `needed` different coarse words."""
    text = pl.col(column).str.replace_all(fast(INNOCENT), " ")
    strong = {name: fast("|".join(phrases)) for name, phrases in STRONG.items()}
    several = {
        name: text.str.extract_all(fast(words)).list.eval(pl.element().str.to_lowercase())
        .list.n_unique() >= needed
        for name, words in WEAK.items()
    }  # fmt: skip
    any_strong = "|".join(strong.values())
    found = pl.coalesce(
        *(pl.when(text.str.contains(p)).then(pl.lit(name)) for name, p in strong.items()),
        *(
            pl.when(many).then(pl.lit(f"{name}, by {needed} words"))
            for name, many in several.items()
        ),
    )
    said = pl.when(text.str.contains(any_strong)).then(snippet(text, any_strong))
    return Rule(
        code="unsafe",
        fails=found.is_not_null(),
        detail=pl.concat_str(
            [pl.format(f"{column.replace('_', ' ')}: {{}}", found), said],
            separator=": ",
            ignore_nulls=True,
        ),
        needs=frozenset({column}),
        cost=20,
        source="docs/guards.md",
    )


def unsafe_by(
    judge: Callable[[str], str | None], column: str = "response", *, cost: int = 200
) -> Rule:
    """Drop rows of which `judge` (a model, an endpoint) names a reason; null lets a row pass."""
    reasons = pl.col(column).map_batches(
        lambda texts: pl.Series([judge(text) if text else None for text in texts], dtype=pl.String),
        return_dtype=pl.String,
    )
    return Rule(
        code="unsafe",
        fails=reasons.is_not_null(),
        detail=reasons,
        needs=frozenset({column}),
        cost=cost,
        source="a model that the caller names",
    )
