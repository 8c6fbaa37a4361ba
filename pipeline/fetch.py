"""`thousand fetch-dumps`: download named archives of Stack Exchange sites from an address you give.

One file after the other over one connection, with a bound on the rate; what breaks off goes on
where it stopped, also in a later call. A file gets its name only when its size and, where the
address offers one, its SHA-256 are right; digests are recorded in fetched.json either way.
"""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from pipeline.errors import CurationError, RecipeError, SourceError
from pipeline.manifest import digest_file, write_json

if TYPE_CHECKING:
    import httpx

RECORD = "fetched.json"
PARTS = ".fetching"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")
_BLOCK = 1 << 16
_TIMEOUT = 60.0
_BUSY = (429, 500, 502, 503, 504)
_LONGEST_PAUSE = 300.0
_LONGEST_LIST = 8 << 20  # bytes of a list of digests


@dataclass(frozen=True)
class Fetched:
    """A file that is there now; `checked` tells whether its digest is the one that was offered."""

    name: str
    path: str
    bytes: int
    sha256: str
    checked: bool
    unchanged: bool = False
    resumed_at: int = 0  # bytes that an earlier call had left


@dataclass
class Fetcher:
    """Downloads from one address; `pause` waits some seconds."""

    base: str
    out: Path
    rate: float | None = None  # bytes in a second
    attempts: int = 5  # in a row without a new byte
    pause: Callable[[float], None] = time.sleep
    _sums: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Refuse an address that is none."""
        if urlsplit(self.base).scheme not in ("http", "https") or not urlsplit(self.base).netloc:
            raise RecipeError(f"{self.base!r} is no address; write https://HOST/FOLDER.")
        self.base = self.base.rstrip("/") + "/"

    def fetch(self, sites: Sequence[str]) -> Iterator[Fetched]:
        """Bring each file; what is there with its recorded digest is not asked for again."""
        names = [_file_name(site) for site in sites]
        known = self._record()
        with _client() as client:
            self._sums = self._list(client, "SHA256SUMS")
            for name in names:
                path = self.out / "stackexchange" / name
                old = known.get(name)
                if old and path.is_file() and digest_file(path) == old["sha256"]:
                    yield Fetched(
                        name, str(path), old["bytes"], old["sha256"], old["checked"], True
                    )
                    continue
                done = self._bring(client, name, path)
                known[name] = {"url": self.base + quote(name), **asdict(done)}
                known[name].pop("path")
                write_json(self.out / RECORD, known)
                yield done

    def _record(self) -> dict[str, Any]:
        try:
            value: dict[str, Any] = json.loads((self.out / RECORD).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return value

    def _list(self, client: "httpx.Client", name: str) -> dict[str, str]:
        """Read a list of digests, if the address has one."""
        answer = self._get_small(client, name)
        found = (_LINE.match(line.strip()) for line in answer.splitlines())
        return {match[2].strip().rpartition("/")[2]: match[1].lower() for match in found if match}

    def _get_small(self, client: "httpx.Client", name: str) -> str:
        import httpx

        try:
            with client.stream("GET", self.base + quote(name)) as answer:
                if answer.status_code != 200:
                    return ""
                data = b""
                for block in answer.iter_bytes(_BLOCK):
                    data += block
                    if len(data) > _LONGEST_LIST:
                        return ""
        except httpx.HTTPError:
            return ""
        return data.decode("utf-8", "replace")

    def _bring(self, client: "httpx.Client", name: str, path: Path) -> Fetched:
        part = self.out / PARTS / name
        part.parent.mkdir(parents=True, exist_ok=True)
        start = part.stat().st_size if part.is_file() else 0
        failures, last = 0, "no answer"
        while failures < self.attempts:
            before = part.stat().st_size if part.is_file() else 0
            wait, last, whole = self._go_on(client, name, part)
            if whole:
                return self._finish(client, name, part, path, start)
            failures = 0 if part.is_file() and part.stat().st_size > before else failures + 1
            if failures < self.attempts:
                self.pause(min(wait or 2.0**failures, _LONGEST_PAUSE))
        raise SourceError(
            f"{self.base}{name} broke off {self.attempts} times in a row without a new byte "
            f"({last}); run the same command again later, it goes on where it stopped."
        )

    def _go_on(self, client: "httpx.Client", name: str, part: Path) -> tuple[float, str, bool]:
        """Ask for what is missing; returns seconds to wait, what went wrong, and if it is whole."""
        import httpx

        have = part.stat().st_size if part.is_file() else 0
        state = part.with_name(part.name + ".state")
        tag = state.read_text(encoding="utf-8") if have and state.is_file() else ""
        if have and not tag:  # nothing tells whether the rest would belong to it
            part.unlink()
            have = 0
        headers = {"range": f"bytes={have}-", "if-range": tag} if have else {}
        try:
            with client.stream("GET", self.base + quote(name), headers=headers) as answer:
                if answer.status_code in _BUSY:
                    return _retry_after(answer), f"status {answer.status_code}", False
                if answer.status_code == 416:  # the remote file is no longer than what we have
                    part.unlink()
                    return 0.0, "the file has changed", False
                self._refuse(answer, name, part)
                size = _size(answer, have)
                state.write_text(_tag(answer), encoding="utf-8")
                self._write(answer, part, append=answer.status_code == 206)
        except httpx.HTTPError as error:
            return 0.0, f"{type(error).__name__} {error}".strip(), False
        got = part.stat().st_size
        return 0.0, f"{got} of {size} bytes", size is None or got == size

    def _refuse(self, answer: "httpx.Response", name: str, part: Path) -> None:
        if answer.status_code not in (200, 206):
            raise SourceError(
                f"{self.base}{name} answers {answer.status_code}; check the name of the site and "
                "the address."
            )
        if "text/html" in answer.headers.get("content-type", ""):
            raise SourceError(
                f"{self.base}{name} is a web page, not an archive; check the address."
            )
        left = int(answer.headers.get("content-length") or 0)
        free = shutil.disk_usage(part.parent).free
        if left > free:
            raise CurationError(
                f"{name} needs {left:,} bytes more, {free:,} are free in {self.out}."
            )

    def _write(self, answer: "httpx.Response", part: Path, *, append: bool) -> None:
        started, got = time.monotonic(), 0
        with part.open("ab" if append else "wb") as handle:
            for block in answer.iter_raw():  # as it comes, so that nothing waits to be lost
                handle.write(block)
                got += len(block)
                if self.rate:
                    early = got / self.rate - (time.monotonic() - started)
                    if early > 0:
                        self.pause(early)

    def _finish(
        self, client: "httpx.Client", name: str, part: Path, path: Path, start: int
    ) -> Fetched:
        digest = digest_file(part)
        own = self._list(client, f"{name}.sha256") or {}
        wanted = self._sums.get(name) or own.get(name) or next(iter(own.values()), None)
        if wanted and wanted != digest:
            part.unlink()
            raise SourceError(
                f"{self.base}{name} has the SHA-256 {digest}, its list says {wanted}; what came was "
                "deleted, fetch it again."
            )
        size = part.stat().st_size
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)
        part.with_name(part.name + ".state").unlink(missing_ok=True)
        return Fetched(name, str(path), size, digest, bool(wanted), resumed_at=start)


def _file_name(site: str) -> str:
    if not _NAME.fullmatch(site) or ".." in site:
        raise RecipeError(
            f"{site!r} is no name of a site; write it like cooking.stackexchange.com."
        )
    return site if site.endswith((".7z", ".zst", ".gz", ".xz", ".bz2", ".xml")) else f"{site}.7z"


@contextmanager
def _client() -> "Iterator[httpx.Client]":
    import httpx

    headers = {
        "user-agent": f"thousand/{version('thousand')} (one connection, resumes)",
        "accept-encoding": "identity",
    }
    limits = httpx.Limits(max_connections=1)
    with httpx.Client(
        headers=headers, timeout=_TIMEOUT, follow_redirects=True, limits=limits
    ) as client:
        yield client


def _size(answer: "httpx.Response", have: int) -> int | None:
    """Return the size of the whole file, if the server says it."""
    if answer.status_code == 206:
        total = answer.headers.get("content-range", "").rpartition("/")[2]
        return int(total) if total.isdigit() else None
    length = answer.headers.get("content-length", "")
    return int(length) if length.isdigit() else None


def _tag(answer: "httpx.Response") -> str:
    """Return what tells this state of the file from another: a strong etag, or the time."""
    tag = str(answer.headers.get("etag", ""))
    if tag and not tag.startswith("W/"):
        return tag
    return str(answer.headers.get("last-modified", ""))


def _retry_after(answer: "httpx.Response") -> float:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdigit() else 0.0
