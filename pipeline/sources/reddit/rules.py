"""What of Reddit is no prompt and no answer: tags of r/WritingPrompts, bots, removed text."""

import re

from pipeline.sources.reddit.posts import GONE

_TAG = re.compile(r"^\s*[\[({<]\s*([A-Za-z]{2,3})\s*[\])}>]\s*[:\-–—]?\s*")
_LATE_TAG = re.compile(r"\s*[\[({]\s*([A-Za-z]{2,3})\s*[\])}]\s*$")
# Writing prompt, established universe, constrained, simple, theme, reality fiction. Not: media and
# image prompts, which need what a title cannot hold, flash fiction, inspired, off topic, ...
_PROMPT_TAGS = frozenset({"WP", "EU", "CW", "SP", "TT", "RF"})

_MARK = re.compile(
    r"^\s*[\[({](?:serious|nsfw|serious replies only)[\])}]\s*[:\-]?"
    r"|[\[({](?:serious|nsfw|serious replies only)[\])}]\s*$",
    re.IGNORECASE,
)
_KNOWN_BOTS = frozenset(
    """automoderator autotldr autowikibot gfycat_details_fixer helperbot_ imguralbumbot modmail
    remindmebot reddit sneakpeekbot totesmessenger tweetposter tweetsincommentsbot usleepbot
    wikitextbot xkcd_transcriber""".split()  # noqa: SIM905
)
# Ends in "bot" as a word of its own: RemindMeBot, gifv-bot, HELPBOT9000; not Abbot, janebot.
_BOT_NAME = re.compile(r"(?:[a-z0-9]Bot|[_-][Bb][Oo][Tt]|[A-Z]BOT)(?:[_-]?\d{0,4})$")
_NO_BOT_NAME = re.compile(r"not_?an?_?bot\d*$", re.IGNORECASE)
_BOT_SAYS = re.compile(
    r"\bI(?:['’]m| am) a (?:ro)?bot\b[^\n]{0,120}\b(?:automatic\w*|contact|message|feedback|moderators"
    r"|info|source|FAQ|bleep|beep|boop|questions)\b"
    r"|\bthis (?:action|comment|message|reply) was (?:performed|posted|made|written) automatically"
    r"|^[\W_]*(?:beep,? ?boop[\W_]*)?I(?:['’]m| am) a bot[\W_]*$",
    re.IGNORECASE | re.MULTILINE,
)
_BOT_HINT = re.compile(r"[Bb]ot\b|BOT|automatically")
_QUESTION = re.compile(r"\?")


def is_gone(text: str) -> bool:
    """Tell whether a text was deleted, removed, or never there."""
    bare = text.strip().lower().strip("*_ ")
    return not bare or bare in GONE or bare.replace("\\", "") in GONE


def is_bot(author: str, text: str) -> bool:
    """Tell whether a name or a text says that it is a bot's."""
    name = author.lower()
    if name in _KNOWN_BOTS:
        return True
    if _BOT_NAME.search(author) and not _NO_BOT_NAME.search(author):
        return True
    return bool(_BOT_HINT.search(text)) and bool(_BOT_SAYS.search(text))


def story_prompt(title: str) -> str | None:
    """Take the tags off a title of r/WritingPrompts; None if they do not mark a prompt."""
    tags = []
    while match := _TAG.match(title):
        tags.append(match[1].upper())
        title = title[match.end() :]
    while match := _LATE_TAG.search(title):
        tags.append(match[1].upper())
        title = title[: match.start()]
    if not tags or not all(tag in _PROMPT_TAGS for tag in tags):
        return None
    return title.strip() or None


def plain_prompt(title: str) -> str | None:
    """Take marks for readers such as [Serious] off a title."""
    return _MARK.sub("", title).strip() or None


def is_question(title: str) -> bool:
    """Tell whether a title asks something."""
    return bool(_QUESTION.search(title))
