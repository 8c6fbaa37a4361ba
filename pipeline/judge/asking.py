"""Put many questions to a judge: from the cache where it can, several at a time, within a budget.

Out: a verdict for each question, in their order. A question that the budget does not reach, that
the endpoint refuses or never answers has a verdict with that reason; the others keep theirs.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.judge.endpoint import Endpoint, RefusedError, UnansweredError
from pipeline.judge.prompts import FIRST, NO, SECOND, TIE, YES, Question
from pipeline.judge.replies import Replies, Reply, request_key
from pipeline.judge.verdict import Verdict, read
from pipeline.recipe.judge import Judge

logger = logging.getLogger(__name__)

_WORTH = {FIRST: 1.0, SECOND: 0.0, TIE: 0.5, YES: 1.0, NO: 0.0}
_BYTES_PER_TOKEN = 3  # fewer than English has (about 4): a budget is reached early, not late
_TOP = 20
_LOOK_SECONDS = 0.2  # between two looks for an interrupt
BEGUN = "Verdict:"


class _SpentError(Exception):
    """The budget has no further call."""


@dataclass
class Bill:
    """What the questions cost. Tokens are as the endpoint counts them, else estimated."""

    questions: int = 0
    from_cache: int = 0
    calls: int = 0  # each try is one
    tokens: int = 0
    budget_spent: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the bill as an object."""
        return asdict(self)


class Asker:
    """A judge with its cache and its bill, over several rounds of questions."""

    def __init__(
        self, settings: Judge, cache: Path, advance: Callable[[int], None] = lambda count: None
    ) -> None:
        self.settings = settings
        self.bill = Bill()
        self._details: dict[str, Counter[str]] = {}
        self._replies = Replies(cache)
        self._advance = advance
        self._lock = threading.Lock()
        self._endpoint = Endpoint(settings, self._attempted)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._endpoint.close()
        self._replies.close()

    def ask(self, questions: Sequence[Question]) -> list[Verdict]:
        """Return a verdict for each question.

        Raises ModelError where no further call can succeed; what was answered is kept.
        """
        replies = self.replies([request_of(question, self.settings) for question in questions])
        verdicts = [
            reply if isinstance(reply, Verdict) else self._read(reply, question)
            for reply, question in zip(replies, questions, strict=True)
        ]
        for verdict in verdicts:
            if verdict.reason and verdict.detail:
                self._details.setdefault(verdict.reason, Counter())[verdict.detail] += 1
        return verdicts

    @property
    def details(self) -> dict[str, str]:
        """The commonest detail of each reason for which there is no verdict."""
        return {why: said.most_common(1)[0][0] for why, said in sorted(self._details.items())}

    def replies(self, requests: Sequence[Mapping[str, Any]]) -> list[Reply | Verdict]:
        """Return the reply to each request, or a verdict with the reason why there is none.

        Raises ModelError as `ask` does.
        """
        keys = [request_key(request) for request in requests]
        # The same request twice is one call.
        open_keys = {
            key: request
            for key, request in zip(keys, requests, strict=True)
            if self._replies.get(key) is None
        }
        self.bill.questions += len(requests)
        self.bill.from_cache += sum(key not in open_keys for key in keys)
        self._advance(sum(key not in open_keys for key in keys))
        self._endpoint.useful |= len(open_keys) < len(set(keys))
        failures = self._fetch(open_keys)
        return [self._replies.get(key) or failures[key] for key in keys]

    def _read(self, reply: Reply, question: Question) -> Verdict:
        begun = self.settings.prefill
        reply = _with_beginning(reply) if begun else reply
        worth = {label: _worth(label) for label in question.labels}
        return read(
            reply.text,
            question.labels,
            worth,
            reply.tokens,
            finished=reply.finished,
            min_mass=self.settings.min_mass if begun else None,
        )

    def _fetch(self, requests: Mapping[str, Mapping[str, Any]]) -> dict[str, Verdict]:
        """Call for each request; return the failures. The budget is asked before each call."""
        failures: dict[str, Verdict] = {}
        pending: dict[Future[Verdict | None], str] = {}
        if not requests:
            return failures
        try:
            for key, request in requests.items():
                if len(pending) >= self.settings.concurrency:
                    self._collect(pending, failures)
                # Calls in the air hold their part of the budget until they are billed.
                if not self._affords([request, *(requests[other] for other in pending.values())]):
                    while pending:
                        self._collect(pending, failures)
                if not self._affords([request]):
                    self.bill.budget_spent = True
                    failures[key] = Verdict(reason="budget")
                    self._advance(1)
                    continue
                pending[_start(self._one, key, request)] = key
            while pending:
                self._collect(pending, failures)
        except BaseException as error:
            self._endpoint.stop.set()
            # Somebody who interrupts does not wait for calls in the air; each reply so far is kept.
            if isinstance(error, Exception):
                wait(pending)
            raise
        return failures

    def _collect(
        self, pending: dict[Future[Verdict | None], str], failures: dict[str, Verdict]
    ) -> None:
        done: set[Future[Verdict | None]] = set()
        while not done:
            # Not for ever: with polars loaded, Ctrl-C does not wake a thread that waits for a lock.
            done, _ = wait(pending, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            key = pending.pop(future)
            failure = future.result()
            if failure is not None:
                failures[key] = failure
            self._advance(1)

    def _one(self, key: str, request: Mapping[str, Any]) -> Verdict | None:
        try:
            raw = self._endpoint.ask(request)
            reply = self._replies.keep(key, request, raw)
        except _SpentError:
            self.bill.budget_spent = True
            return Verdict(reason="budget")
        except RefusedError as refused:
            return Verdict(reason="refused", detail=str(refused))
        except UnansweredError as error:
            return Verdict(reason="unanswered", detail=str(error))
        with self._lock:
            self.bill.tokens += reply.spent or estimate(request)
        return None

    def _attempted(self) -> None:
        """Count a try before it is made; a further try is not worth more than the budget."""
        limit = self.settings.budget_calls
        with self._lock:
            if limit is not None and self.bill.calls >= limit:
                raise _SpentError
            self.bill.calls += 1

    def _affords(self, requests: Sequence[Mapping[str, Any]]) -> bool:
        settings, bill = self.settings, self.bill
        calls, tokens = settings.budget_calls, settings.budget_tokens
        if calls is not None and bill.calls + len(requests) > calls:
            return False
        return tokens is None or bill.tokens + sum(map(estimate, requests)) <= tokens


def request_of(question: Question, settings: Judge) -> dict[str, Any]:
    """Return the request of a question: all that decides the reply, and nothing else."""
    # Digits are tokens without a space before them, letters with one.
    space = " " if question.labels[0].isdigit() else ""
    begun = [{"role": "assistant", "content": BEGUN + space}] if settings.prefill else []
    request: dict[str, Any] = {
        "model": settings.model,
        "messages": [*question.messages, *begun],
        "temperature": 0,
        "max_tokens": settings.reply_tokens,
    }
    if settings.logprobs:
        request |= {"logprobs": True, "top_logprobs": _TOP}
    return request


def _start(
    call: Callable[[str, Mapping[str, Any]], Verdict | None], key: str, request: Mapping[str, Any]
) -> "Future[Verdict | None]":
    """Make a call in a thread of its own, which does not hold up the end of the process."""
    future: Future[Verdict | None] = Future()

    def work() -> None:
        try:
            future.set_result(call(key, request))
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)

    threading.Thread(target=work, name="judge", daemon=True).start()
    return future


def estimate(request: Mapping[str, Any]) -> int:
    """Estimate the tokens of a request and of the longest reply to it; rather too many."""
    size = sum(
        len(message["content"].encode("utf-8", "replace")) for message in request["messages"]
    )
    return size // _BYTES_PER_TOKEN + int(request["max_tokens"]) + 16


def _with_beginning(reply: Reply) -> Reply:
    """Put the begun word before text and tokens, where the endpoint left it out of either."""
    begun = reply.text.lstrip().lower().startswith(BEGUN.lower())
    text = reply.text if begun else f"{BEGUN} {reply.text}"
    spelled = "".join(token["token"] for token in reply.tokens or [])
    if not spelled or not text.endswith(spelled):
        return replace(reply, text=text, tokens=None)
    first = {"token": text.removesuffix(spelled), "logprob": 0.0}
    return replace(reply, text=text, tokens=[first, *(reply.tokens or [])])


def _worth(label: str) -> float:
    return _WORTH[label] if label in _WORTH else float(label)
