"""Fetching from a server on loopback that breaks off, is busy, changes its mind, or lies."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import RecipeError, SourceError
from pipeline.fetch import PARTS, RECORD, Fetcher

DATA = bytes(range(256)) * 4096  # 1 MiB
NAME = "bread.example.7z"


@dataclass
class Remote:
    files: dict[str, bytes] = field(default_factory=dict)
    etag: str = '"one"'
    breaks_after: list[int] = field(default_factory=list)  # bytes; one for each request
    busy: int = 0
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    address: str = ""


@pytest.fixture
def remote() -> Iterator[Remote]:
    state = Remote({NAME: DATA})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            state.agents.add(self.headers["user-agent"])
            if name in state.files and name.endswith(".7z"):
                state.asked.append((name, self.headers.get("range")))
            if name not in state.files:
                self.send_error(404)
                return
            if state.busy:
                state.busy -= 1
                self.send_response(503)
                self.send_header("retry-after", "7")
                self.end_headers()
                return
            data, start = state.files[name], 0
            if self.headers.get("range") and self.headers.get("if-range") == state.etag:
                start = int(self.headers["range"][6:-1])
            self.send_response(206 if start else 200)
            if start:
                self.send_header("content-range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("etag", state.etag)
            self.send_header("content-length", str(len(data) - start))
            self.end_headers()
            body = data[start:]
            if state.breaks_after and name.endswith(".7z"):
                body = body[: state.breaks_after.pop(0)]
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.address = f"http://127.0.0.1:{server.server_port}/dumps"
    yield state
    server.shutdown()
    server.server_close()


def fetcher(remote: Remote, out: Path, **words: object) -> tuple[Fetcher, list[float]]:
    waits: list[float] = []
    return Fetcher(remote.address, out, pause=waits.append, **words), waits


def test_what_breaks_off_goes_on_where_it_stopped(remote: Remote, tmp_path: Path):
    remote.breaks_after = [300_000, 200_000]
    get, waits = fetcher(remote, tmp_path)
    (done,) = get.fetch(["bread.example"])
    assert (tmp_path / "stackexchange" / NAME).read_bytes() == DATA
    assert [ask for _, ask in remote.asked] == [None, "bytes=300000-", "bytes=500000-"]
    assert waits == [1.0, 1.0]
    assert (done.bytes, done.checked) == (len(DATA), False)
    assert done.sha256 == hashlib.sha256(DATA).hexdigest()
    assert list((tmp_path / PARTS).iterdir()) == []
    assert remote.agents == {next(iter(remote.agents))}
    assert next(iter(remote.agents)).startswith("thousand/")


def test_a_later_call_goes_on_and_a_finished_file_is_not_asked_for(remote: Remote, tmp_path: Path):
    remote.breaks_after = [100_000, 0, 0]
    get, waits = fetcher(remote, tmp_path, attempts=2)
    with pytest.raises(SourceError, match="broke off 2 times in a row without a new byte"):
        list(get.fetch(["bread.example"]))
    assert waits == [1.0, 2.0]
    assert not (tmp_path / "stackexchange").exists()
    (done,) = fetcher(remote, tmp_path)[0].fetch(["bread.example"])
    assert done.resumed_at == 100_000
    asked = len(remote.asked)
    (again,) = fetcher(remote, tmp_path)[0].fetch(["bread.example"])
    assert again.unchanged
    assert len(remote.asked) == asked
    assert '"sha256"' in (tmp_path / RECORD).read_text()


def test_a_file_that_changed_meanwhile_starts_anew(remote: Remote, tmp_path: Path):
    remote.breaks_after = [100_000, 0]
    with pytest.raises(SourceError):
        list(fetcher(remote, tmp_path, attempts=1)[0].fetch(["bread.example"]))
    remote.files[NAME], remote.etag, remote.breaks_after = DATA[::-1], '"two"', []
    list(fetcher(remote, tmp_path)[0].fetch(["bread.example"]))
    assert (tmp_path / "stackexchange" / NAME).read_bytes() == DATA[::-1]


def test_a_busy_server_is_given_the_time_it_asks_for(remote: Remote, tmp_path: Path):
    get, waits = fetcher(remote, tmp_path)
    remote.busy = 1
    get._list = lambda client, name: {}  # the lists of digests would be met first
    list(get.fetch(["bread.example"]))
    assert waits == [7.0]


def test_a_list_of_digests_is_held_against_what_came(remote: Remote, tmp_path: Path):
    right = f"{hashlib.sha256(DATA).hexdigest()}  {NAME}\n"
    remote.files["SHA256SUMS"] = right.encode()
    (done,) = fetcher(remote, tmp_path / "a")[0].fetch(["bread.example"])
    assert done.checked
    remote.files["SHA256SUMS"] = (
        right[:10].translate({ord(c): "0" for c in right}) + right[10:]
    ).encode()
    with pytest.raises(SourceError, match="its list says 0000000000"):
        list(fetcher(remote, tmp_path / "b")[0].fetch(["bread.example"]))
    assert not (tmp_path / "b" / "stackexchange").exists()
    del remote.files["SHA256SUMS"]
    remote.files[f"{NAME}.sha256"] = right.split()[0].encode() + b"  " + NAME.encode()
    (done,) = fetcher(remote, tmp_path / "c")[0].fetch(["bread.example"])
    assert done.checked


def test_the_rate_is_bounded(remote: Remote, tmp_path: Path):
    get, waits = fetcher(remote, tmp_path, rate=1_000_000)
    list(get.fetch(["bread.example"]))
    assert max(waits) == pytest.approx(len(DATA) / 1_000_000, rel=0.5)


@pytest.mark.parametrize("site", ["../etc", "a/b", "", ".hidden", "a..b"])
def test_a_name_is_a_name(remote: Remote, tmp_path: Path, site: str):
    with pytest.raises(RecipeError, match="is no name of a site"):
        list(fetcher(remote, tmp_path)[0].fetch([site]))


def test_what_is_not_there_is_said_at_once(remote: Remote, tmp_path: Path):
    get, waits = fetcher(remote, tmp_path)
    with pytest.raises(SourceError, match=r"nothing.example.7z answers 404"):
        list(get.fetch(["nothing.example"]))
    assert waits == []
    with pytest.raises(RecipeError, match="is no address"):
        Fetcher("ftp://host/x", tmp_path)


def test_what_came_is_a_dump(remote: Remote, tmp_path: Path, sample: Path):
    from pipeline.ingest import IngestStage
    from pipeline.loading import load

    remote.files[NAME] = (sample / "stackexchange" / "workbench.example.7z").read_bytes()
    list(fetcher(remote, tmp_path)[0].fetch(["bread.example"]))
    found = IngestStage.of(load("sample"), tmp_path).found
    assert [path.name for item in found for path in item.files] == [NAME]
