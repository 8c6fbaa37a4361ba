"""How a prompt stands before its response: the model's own chat template, or a plain one.

A prompt is put into the template as tokens, so that a text which holds a special token of the
model ("<|im_end|>") stays text, and a prompt that is too long loses its own end and nothing else.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Turn = Mapping[str, str]

# Where a model has no chat template: the text of each turn, a blank line, then the response.
PLAIN = "{turn}\n\n"
_MARK = "\u27e6{}\u27e7"  # stands for a turn's text while the template is filled


@dataclass(frozen=True)
class Template:
    """Turns messages into pieces: fixed ones (markup) and the texts between them."""

    tokenizer: Any
    chat: str | None  # the source of the model's template

    @classmethod
    def of(cls, tokenizer: Any) -> "Template":  # noqa: ANN401
        """Take the template that comes with a tokenizer."""
        chat = getattr(tokenizer, "chat_template", None)
        return cls(tokenizer, chat if isinstance(chat, str) and chat.strip() else None)

    @property
    def digest(self) -> str:
        """Names the template in cache keys."""
        return hashlib.sha256((self.chat or f"plain\0{PLAIN}").encode()).hexdigest()[:16]

    def pieces(self, turns: Sequence[Turn]) -> list[tuple[str, bool]]:
        """Return the prompt as (text, is it markup) in order; the response follows the last one."""
        if self.chat is None:
            parts: list[tuple[str, bool]] = []
            before, after = PLAIN.split("{turn}")
            for turn in turns:
                parts += [(before, True), (turn["content"], False), (after, True)]
            return [part for part in parts if part[0]]
        marked = [
            {"role": turn["role"], "content": _MARK.format(number)}
            for number, turn in enumerate(turns)
        ]
        text = self._fill(marked)
        pieces = []
        for number, turn in enumerate(turns):
            before, found, text = text.partition(_MARK.format(number))
            if not found:  # a template that leaves a turn out, such as a system message
                text = before
                continue
            pieces += [(before, True), (turn["content"], False)]
        return [piece for piece in [*pieces, (text, True)] if piece[0]]

    def _fill(self, turns: Sequence[Turn]) -> str:
        from jinja2 import TemplateError

        try:
            return self._apply(turns)
        except TemplateError:
            # Templates of some models know no system message, or want turns to alternate.
            return self._apply(_joined(turns))

    def _apply(self, turns: Sequence[Turn]) -> str:
        text = self.tokenizer.apply_chat_template(
            [dict(turn) for turn in turns], tokenize=False, add_generation_prompt=True
        )
        return str(text)


def _joined(turns: Sequence[Turn]) -> list[Turn]:
    """Put all turns into one message of the user."""
    return [{"role": "user", "content": "\n\n".join(turn["content"] for turn in turns)}]


def turns_of(
    prompt: str, system: str | None = None, history: Sequence[Turn] | None = None
) -> list[Turn]:
    """Return a row's messages before its response."""
    first = [{"role": "system", "content": system}] if system else []
    earlier = [{"role": turn["role"], "content": turn["content"] or ""} for turn in (history or [])]
    return [*first, *earlier, {"role": "user", "content": prompt}]


def turns_key(turns: Sequence[Turn]) -> str:
    """Return the messages as one text, for cache keys."""
    return json.dumps([[turn["role"], turn["content"]] for turn in turns], ensure_ascii=False)
