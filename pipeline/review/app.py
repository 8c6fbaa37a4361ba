"""The review page as a local web application: a page without data, and an interface that needs a token.

It listens on the loopback address alone. The token is in the part of the URL after `#`, which a
browser sends nowhere; the script sends it as a header. There is no cookie, so that no other page
can make the browser act for the reviewer. Host and Origin are checked as well: a foreign name that
resolves to this machine gets nothing.
"""

import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import CurationError
from pipeline.html.page import HERE as SHARED
from pipeline.review.desk import Desk
from pipeline.review.ledger import Verdict

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

HERE = Path(__file__).parent
ADDRESS = "127.0.0.1"
TOKEN_HEADER = "x-thousand-token"
_MAX_BODY = 4 << 20
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Decision(BaseModel):
    """What the page sends."""

    model_config = ConfigDict(extra="forbid")

    id: str
    digest: str
    verdict: Verdict
    reason: str = ""
    prompt: str | None = None
    response: str | None = None


def make_app(desk: Desk, token: str, port: int) -> "ASGIApp":
    """Make the application for one reviewer."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    def file(name: Path, kind: str) -> "Callable[[Request], Response]":
        return lambda request: Response(name.read_bytes(), media_type=kind)

    def style(request: "Request") -> "Response":
        text = (SHARED / "style.css").read_text("utf-8") + (HERE / "review.css").read_text("utf-8")
        return Response(text, media_type="text/css")

    def rows(request: "Request") -> "Response":
        return JSONResponse(desk.listed())

    def row(request: "Request") -> "Response":
        try:
            return JSONResponse(desk.row(request.query_params.get("id", "")))
        except KeyError:
            return JSONResponse({"error": "There is no such row in this release."}, 404)

    async def decide(request: "Request") -> "Response":
        try:
            said = Decision.model_validate_json(await request.body())
            texts = (said.prompt, said.response)
            desk.decide(said.id, said.digest, said.verdict, said.reason, *texts)
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            return JSONResponse({"error": message}, 400)
        except CurationError as error:
            return JSONResponse({"error": str(error)}, 409)
        return JSONResponse({**desk.row(said.id), "agreement": desk.agreement()})

    app: Starlette = Starlette(
        routes=[
            Route("/", file(HERE / "review.html", "text/html")),
            Route("/review.js", file(HERE / "review.js", "text/javascript")),
            Route("/review.css", style),
            Route("/api/rows", rows),
            Route("/api/row", row),
            Route("/api/decide", decide, methods=["POST"]),
        ]
    )
    return Guard(app, token, port)


class Guard:
    """Lets through only what the reviewer's own page asks for; adds the headers to each answer."""

    def __init__(self, app: "ASGIApp", token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"{ADDRESS}:{port}", f"localhost:{port}"}

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        from starlette.responses import JSONResponse

        async def send_with_headers(message: Any) -> None:  # noqa: ANN401
            if message["type"] == "http.response.start":
                message["headers"] += [(k.encode(), v.encode()) for k, v in _HEADERS.items()]
            await send(message)

        problem = self._problem(scope)
        app = JSONResponse({"error": problem}, 403) if problem else self._app
        await app(scope, receive, send_with_headers)

    def _problem(self, scope: "Scope") -> str | None:
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        if headers.get("host") not in self._hosts:
            return "This page is only there under the address that was printed."
        origin = headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            return "Another page must not ask here."
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "Another page must not ask here."
        if not scope["path"].startswith("/api/"):
            return None
        if not secrets.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self._token.encode()):
            return (
                "The token is wrong; open the address that was printed when the page was started."
            )
        if scope["method"] != "GET":
            if origin is None or headers.get("content-type") != "application/json":
                return "Decisions come from the page alone."
            if int(headers.get("content-length") or _MAX_BODY + 1) > _MAX_BODY:
                return "The text is too long."
        return None


def serve(desk: Desk, port: int, say: Callable[[str], None]) -> None:
    """Serve the page until stopped; `say` gets its address once it can be opened."""
    import uvicorn

    try:
        listening = socket.create_server((ADDRESS, port))
    except OSError as error:
        raise CurationError(
            f"Port {port} of this machine cannot be used ({error.strerror}); name another with "
            "--port, or 0 for any that is free."
        ) from error
    port = listening.getsockname()[1]
    token = secrets.token_urlsafe(32)
    config = uvicorn.Config(
        make_app(desk, token, port),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
    )
    say(f"http://{ADDRESS}:{port}/#{token}")
    uvicorn.Server(config).run(sockets=[listening])
