"""As much of the hub's API as a push needs, on loopback: repositories, commits, tags."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeHub:
    """Holds one dataset repository; `requests` are all that came, with their tokens."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}
        self.private: bool | None = None
        self.commits: list[str] = []
        self.requests: list[tuple[str, str, str | None]] = []
        self.refuse = False
        self.address = ""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if self.refuse:
            return 401, {"error": "Invalid username or password."}
        if path == "/api/repos/create":
            self.private = json.loads(body)["visibility"] == "private"
            return 200, {"url": f"{self.address}/datasets/owner/set", "name": "owner/set"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if self.private is None:
            return 404, {"error": "Repository not found"}
        return self._repository(path.removeprefix("/api/datasets/owner/set"), body)

    def _repository(self, path: str, body: bytes) -> tuple[int, Any]:
        if path.startswith("/preupload/"):
            paths = [item["path"] for item in json.loads(body)["files"]]
            modes = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            return 200, {"files": [{"path": name, **modes} for name in paths]}
        if path.startswith("/commit/"):
            return 200, self._commit([json.loads(line) for line in body.splitlines()])
        if path.startswith("/tag/"):
            self.tags[json.loads(body)["tag"]] = path.removeprefix("/tag/")
            return 200, {}
        if path == "/refs":
            tags = [
                {"name": name, "ref": f"refs/tags/{name}", "targetCommit": made}
                for name, made in self.tags.items()
            ]
            return 200, {"branches": [], "converts": [], "tags": tags}
        if path.startswith("/tree/"):
            return 200, [
                {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                for name, data in self.files.items()
            ]
        if path in ("", "/revision/main"):
            names = [{"rfilename": name} for name in self.files]
            return 200, {"id": "owner/set", "sha": "1" * 40, "siblings": names, "private": True}
        return 404, {"error": f"no such path {path}"}

    def _commit(self, lines: list[dict[str, Any]]) -> dict[str, str]:
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.commits.append(value["summary"])
            elif line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del self.files[value["path"]]
        made = f"{len(self.commits):040d}"
        return {
            "commitUrl": f"{self.address}/datasets/owner/set/commit/{made}",
            "commitOid": made,
            "hookOutput": "",
        }


@contextmanager
def fake_hub() -> Iterator[tuple[FakeHub, str]]:
    """Serve a hub until the context ends; gives it and its address."""
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(size)
            path = self.path.split("?")[0]
            hub.requests.append((self.command, path, self.headers.get("authorization")))
            status, value = hub.answer(self.command, path, body)
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            if status == 404:
                self.send_header("x-error-code", "RepoNotFound")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do  # noqa: N815 - the names that http.server asks for

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub, hub.address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
