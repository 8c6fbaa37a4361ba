"""Every reply of a judge, kept by the content of its request, in files that only grow.

A request is known by the digest of model, messages and parameters; where it went does not count.
Each process writes a file of its own, a line for a reply, on the disk before the reply is used: a
kill costs at most the calls that were in the air. The earliest reply to a request stays the one.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.manifest import digest_json

logger = logging.getLogger(__name__)

_LOWEST = 1e9  # minus this: further down no log-probability is
_ROUNDING = 1e-3  # over 0: a probability of one, in a server's arithmetic


@dataclass(frozen=True)
class Reply:
    """One reply: its text, how it ended, its tokens and their log-probabilities, its price."""

    text: str
    finished: bool
    tokens: list[dict[str, Any]] | None
    spent: int  # tokens of prompt and reply; 0 where the endpoint does not say

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Reply":
        """Read what the endpoint sent; raises ValueError if it is no chat completion."""
        try:
            choice = raw["choices"][0]
            text = choice["message"].get("content") or ""
            tokens = _tokens(_part(choice, "logprobs").get("content"))
            finished = choice.get("finish_reason") != "length"
            return cls(str(text), finished, tokens, _count(_part(raw, "usage").get("total_tokens")))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ValueError("the answer is no chat completion") from error


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}


def _tokens(content: Any) -> list[dict[str, Any]] | None:  # noqa: ANN401
    """Return the tokens with what weighs them; null where one has no log-probability.

    A reply counts without them, too. Of a token's alternatives only the sound ones are kept.
    """
    found = []
    for token in content if isinstance(content, list) else []:
        chosen = _weighed(token)
        if chosen is None:
            return None
        others = token.get("top_logprobs")
        others = [_weighed(other) for other in others] if isinstance(others, list) else []
        found.append(chosen | {"top_logprobs": [other for other in others if other]})
    return found or None


def _weighed(token: Any) -> dict[str, Any] | None:  # noqa: ANN401
    text, logprob = (
        (token.get("token"), token.get("logprob")) if isinstance(token, dict) else (None, None)
    )
    if not isinstance(text, str) or not isinstance(logprob, int | float):
        return None
    # Compared, since no function of math takes any whole number; NaN is not in between, either.
    sound = -_LOWEST < logprob < _ROUNDING
    return {"token": text, "logprob": min(float(logprob), 0.0)} if sound else None


def _count(value: Any) -> int:  # noqa: ANN401
    """Read a number of tokens; 0 for what can be none."""
    sound = isinstance(value, int | float) and 0 <= value < 1 << 53
    return int(value) if sound else 0


def request_key(request: Mapping[str, Any]) -> str:
    """Return the digest of all that decides a reply: model, messages, parameters."""
    return digest_json(dict(request))


class Replies:
    """The replies in a folder. Threads may share one; processes open one each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, Reply] = {}
        self._lock = threading.Lock()
        self._out: IO[str] | None = None
        for key, raw in _stored(folder):
            if key not in self._known:
                try:
                    self._known[key] = Reply.of(raw)
                except ValueError:
                    logger.warning("cache=%s unreadable_reply=%s", folder, key[:12])

    def get(self, key: str) -> Reply | None:
        """Return the reply to a request, if it has one."""
        return self._known.get(key)

    def keep(self, key: str, request: Mapping[str, Any], raw: Mapping[str, Any]) -> Reply:
        """Write a reply down and return it; raises ValueError if it is no chat completion."""
        reply = Reply.of(raw)
        line = json.dumps(
            {"key": key, "at": round(time.time(), 3), "request": request, "response": raw},
            ensure_ascii=True,
            default=str,
        )
        with self._lock:
            if self._out is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                name = f"{time.time_ns():020d}-{os.getpid()}-{os.urandom(3).hex()}.jsonl"
                self._out = (self.folder / name).open("x", encoding="utf-8")
            self._out.write(f"{line}\n")
            self._out.flush()
            os.fsync(self._out.fileno())
            return self._known.setdefault(key, reply)

    def close(self) -> None:
        """Close the file of this process."""
        with self._lock:
            if self._out is not None:
                self._out.close()
                self._out = None


def _stored(folder: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield the stored replies, the earliest first; a line that a kill cut off is passed over."""
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    entry = json.loads(line)
                    key, raw = entry["key"], entry["response"]
                except (ValueError, LookupError, TypeError, RecursionError):
                    logger.warning("cache=%s line=%d broken", path.name, number)
                else:
                    yield str(key), raw
