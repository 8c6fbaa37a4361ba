"""Talk to an OpenAI-compatible endpoint: one call, tried again where that can help.

Tried again: 429, 5xx, time-outs, cut connections, answers that are no chat completion. Not tried
again: any other 4xx, which is about the request. An endpoint that is there and of no use, call after
call, is given up. The key comes from the environment when the first call is made and goes nowhere
else.
"""

import email.utils
import logging
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.errors import ModelError
from pipeline.judge.replies import Reply
from pipeline.recipe.judge import Judge
from pipeline.sources.base import printable

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.5  # before the second try; doubled each time
LONGEST_WAIT = 60.0  # also of what a Retry-After may ask for
PROBE_SECONDS = 5.0
# An endpoint is given up after so many rounds of questions at the same time, all their tries in vain; where each
# call waited until it timed out, one try each is enough.
ROUNDS = 3
FEWEST = 5  # questions in such a row, where few are asked at the same time
_REDIRECTS = (301, 302, 303, 307, 308)
_BROKEN = "the connection broke"
_LATE = "no answer within"
_KEPT = "Replies so far are kept, and the same command goes on from there."


class RefusedError(Exception):
    """The endpoint refuses one request for good."""


class UnansweredError(Exception):
    """No reply came, after all tries."""


class Endpoint:
    """A judge's address. `stop` ends waiting at once; `attempt` is told of each call before it.

    `useful` is set where a request like these has had a reply: a refusal is about its request then.
    """

    def __init__(self, settings: Judge, attempt: Callable[[], None] = lambda: None) -> None:
        self.settings = settings
        self.stop = threading.Event()
        self.useful = False
        self._attempt = attempt
        self._client: Any = None
        self._listed: list[str] | None = None
        self._alive = False
        self._silent = False  # takes connections, and has said nothing yet
        self._vain: Counter[str] = Counter()  # what was said to calls in a row, none with a reply
        self._dead: ModelError | None = None
        self._lock = threading.Lock()

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the raw answer to a request.

        Raises RefusedError, UnansweredError, or ModelError where no call can succeed: nobody there, the
        key is not taken, or a long row of calls had no reply between them.
        """
        self._probe()
        said, said_wait = "stopped", None
        for number in range(self.settings.tries):
            if number and self.stop.wait(_wait(number, said_wait)):
                break
            self._attempt()
            answer, said, said_wait = self._try(request)
            if answer is not None:
                with self._lock:
                    self.useful, self._silent = True, False
                    self._vain.clear()
                return answer
            self._in_vain(said)
            logger.info("judge try=%d said=%s", number + 1, said)
            if number and said.startswith(_BROKEN):
                self._alive = False  # was it this call, or is nobody there any more?
                self._probe()
        raise UnansweredError(said)

    def close(self) -> None:
        """End all waiting, and the connections."""
        self.stop.set()
        if self._client is not None:
            self._client.close()

    def models(self) -> list[str] | None:
        """Return the names of the models that the endpoint lists, null where it lists none.

        Costs no tokens and sends no text. Raises ModelError if nobody answers within seconds, or the key is
        not taken.
        """
        self._probe()
        if self._silent:
            raise self._gone(f"{_LATE} {PROBE_SECONDS:g} s")
        return self._listed

    def _try(self, request: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str, float | None]:
        """Make one call: the answer, or what went wrong and how long the endpoint asks to wait."""
        import openai

        try:
            raw = self._connected().chat.completions.with_raw_response.create(**request)
            answer = raw.http_response.json()
            Reply.of(answer)
        except openai.APITimeoutError:
            return None, f"{_LATE} {self.settings.timeout_seconds:g} s", None
        except openai.APIConnectionError as error:
            return None, f"{_BROKEN} ({_cause(error)})", None
        except openai.APIStatusError as error:
            status = error.status_code
            if status in (401, 403):
                raise ModelError(self._key_refused(status)) from error
            if status in _REDIRECTS:
                raise self._elsewhere(error) from error
            if status == 402:
                raise ModelError(
                    f"{self._where} wants to be paid first (status 402: {_message(error)}). {_KEPT}"
                ) from error
            if status == 404:
                raise ModelError(
                    f"{self._where} answers 404: check that the base URL is right (it mostly ends "
                    "in /v1) and that the model is there."
                ) from error
            if status not in (408, 409, 425, 429) and status < 500:
                refused = f"status {status}: {_message(error)}"
                if not self.useful:
                    self._in_vain(refused)
                raise RefusedError(refused) from error
            return None, f"status {status}", _retry_after(error.response.headers)
        except (ValueError, RecursionError, openai.APIError):
            return None, "what came was no chat completion", None
        return answer, "", None

    def _in_vain(self, said: str) -> None:
        """Note a call without a reply; raises ModelError where the endpoint is given up."""
        settings = self.settings
        with self._lock:
            if self._dead is not None:  # calls in the air do not count any more
                raise self._dead
            late = said.startswith(_LATE)
            if self._silent and late:
                raise self._given_up(self._gone(said))
            self._vain[said] += 1
            calls = self._vain.total()
            all_late = late and set(self._vain) == {said}
            tries = 1 if all_late else settings.tries
            if calls >= max(FEWEST, ROUNDS * settings.concurrency) * tries:
                most = self._vain.most_common(1)[0][0]
                mend = "raise timeout_seconds if it is that slow" if all_late else "mend it"
                raise self._given_up(
                    ModelError(
                        f"{self._where} is there and of no use: the last {calls:,} calls had no "
                        f"reply (mostly: {most}); {mend} or name another endpoint. {_KEPT}"
                    )
                )

    def _given_up(self, error: ModelError) -> ModelError:
        """End all waiting; every further call raises the same error."""
        self.stop.set()
        self._dead = error
        return error

    def _gone(self, why: str) -> ModelError:
        return ModelError(
            f"{self._where} does not answer ({why}); start it or name another endpoint. {_KEPT}"
        )

    def _probe(self) -> None:
        """Find out once, within seconds, whether anybody is there; costs no tokens.

        Who takes the connection and says nothing may be busy: the first call shows.
        """
        import openai

        with self._lock:
            if self._dead is not None:
                raise self._dead
            if self._alive:
                return
            client = self._connected().with_options(timeout=PROBE_SECONDS)
            for last in (False, True):
                try:
                    self._listed = [model.id for model in client.models.list().data]
                except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
                    raise ModelError(self._key_refused(error.status_code)) from error
                except openai.APIConnectionError as error:
                    # By its name: the client's httpx has another one in each of its versions.
                    if type(error.__cause__).__name__ == "ReadTimeout":
                        self._silent = True
                        break
                    if not last and not self.stop.wait(WAIT_SECONDS):
                        continue
                    raise self._given_up(self._gone(_cause(error))) from error
                except (openai.APIError, ValueError, TypeError, AttributeError, RecursionError):
                    pass  # somebody is there, though it lists no models
                break
            self._alive = True

    def _connected(self) -> Any:  # noqa: ANN401 - the client's type would import openai
        if self._client is None:
            import openai

            assert self.settings.endpoint is not None
            self._client = openai.OpenAI(
                base_url=self.settings.endpoint,
                api_key=read_key(self.settings.key_variable),
                timeout=self.settings.timeout_seconds,
                max_retries=0,  # tries are ours to count
                # Texts go to the address that was named, and nowhere else.
                http_client=openai.DefaultHttpxClient(follow_redirects=False),
            )
            # What the environment names for another service is not sent to this one.
            self._client.organization = self._client.project = None
        return self._client

    @property
    def _where(self) -> str:
        return f"The endpoint {self.settings.endpoint}"

    def _elsewhere(self, error: Any) -> ModelError:  # noqa: ANN401
        to = printable(str(error.response.headers.get("location") or "another address")[:160])
        return ModelError(
            f"{self._where} sends callers on to {to} (status {error.status_code}). Nothing was sent there: "
            f"name the address that is meant. {_KEPT}"
        )

    def _key_refused(self, status: int) -> str:
        variable = self.settings.key_variable
        key = f"the key in {variable}" if variable else "a call without a key (see key_variable)"
        return f"{self._where} does not take {key} (status {status})."


def read_key(variable: str | None) -> str:
    """Read the key; raises ModelError if the variable is not set. The API wants some word."""
    if variable is None:
        return "none"
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ModelError(
            f"The environment variable {variable}, which should hold the key of the endpoint, is not set."
        )
    return key


def _wait(number: int, asked: float | None) -> float:
    """Return the seconds before a try: as asked, else doubled each time with up to a half more."""
    doubled = WAIT_SECONDS * 2.0 ** (number - 1) * (1 + random.random() / 2)
    return min(LONGEST_WAIT, max(asked or 0.0, doubled if asked is None else 0.0))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, in seconds or as a date."""
    value = headers.get("retry-after-ms")
    try:
        if value is not None:
            return float(value) / 1000
        value = headers.get("retry-after")
        return None if value is None else max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(str(value)).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _cause(error: BaseException) -> str:
    inner = error.__cause__ or error
    return printable(" ".join(str(inner).split())[:120]) or type(inner).__name__


def _message(error: Any) -> str:  # noqa: ANN401
    body = error.body if isinstance(error.body, dict) else {}
    said = body.get("message") or error.message
    return printable(" ".join(str(said).split())[:160])
