"""The interface of the review page: who is let in, what is refused; texts that are rendered safely."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pipeline.errors import StageError
from pipeline.review.app import make_app
from pipeline.review.desk import Desk
from pipeline.review.ledger import Ledger, content_digest
from pipeline.review.render import changes, to_html

TOKEN = "secret"
BASE = "http://127.0.0.1:4280"
GOOD = {"x-thousand-token": TOKEN}
POST = {**GOOD, "origin": BASE, "content-type": "application/json"}


def row(number: int, **more) -> dict:
    value = {
        "id": f"r{number}",
        "title": f"Title {number}",
        "prompt": f"Prompt {number}",
        "response": f"Response {number}",
        "system": None,
        "history": [],
        "group": "stem",
        "domain": None,
        "split": "train",
        "quality": 0.5,
        "quality_parts": {"votes": 0.5, "fit": None},
        "cluster": 1,
        "cluster_words": "a, b",
        "rank": 1,
        "votes": None,
        "author": "Ada",
        "licence": "CC0-1.0",
        "created_at": None,
        "url": "urn:x",
        "tokens": 7,
        **more,
    }
    return value | {"digest": content_digest(value)}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    rows = {item["id"]: item for item in (row(1), row(2, split="test", response=None))}
    manifest = {"name": "tiny", "version": "1"}
    return Desk(tmp_path, manifest, rows, Ledger(tmp_path / "ws.reviews.jsonl"), "ada")


@pytest.fixture
def client(desk: Desk) -> TestClient:
    return TestClient(make_app(desk, TOKEN, 4280), base_url=BASE)


def said(number: int = 1, **more) -> dict:
    return {"id": f"r{number}", "digest": row(1)["digest"], "verdict": "accept", **more}


def test_the_page_holds_no_data_and_asks_for_no_token(client: TestClient):
    answer = client.get("/")
    assert answer.status_code == 200
    assert "Title 1" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers


def test_rows_come_with_the_token_alone(client: TestClient):
    assert client.get("/api/rows").status_code == 403
    assert client.get("/api/rows", headers={"x-thousand-token": "other"}).status_code == 403
    assert (
        client.get(
            "/api/rows", headers={"x-thousand-token": "\u00e9".encode("latin-1")}
        ).status_code
        == 403
    )
    answer = client.get("/api/rows", headers=GOOD)
    assert [item["id"] for item in answer.json()["rows"]] == ["r1", "r2"]


@pytest.mark.parametrize(
    "headers",
    [
        {**POST, "origin": "http://evil.example"},
        {**POST, "origin": "null"},
        {**POST, "origin": "http://127.0.0.1:4281"},
        {**POST, "host": "evil.example:4280"},
        {**POST, "host": "127.0.0.1:4281"},
        {**POST, "sec-fetch-site": "cross-site"},
        {**POST, "sec-fetch-site": "same-site"},
        {**POST, "content-type": "text/plain"},
        {**POST, "x-thousand-token": ""},
        {name: value for name, value in POST.items() if name != "origin"},
    ],
)
def test_what_another_page_could_send_is_refused(client: TestClient, desk: Desk, headers: dict):
    assert client.post("/api/decide", json=said(), headers=headers).status_code == 403
    assert desk.ledger.entries() == []


def test_a_decision_is_written_and_shown(client: TestClient, desk: Desk):
    answer = client.post("/api/decide", json=said(verdict="reject", reason=" no "), headers=POST)
    assert answer.json()["mine"] == "reject"
    (entry,) = desk.ledger.entries()
    assert (entry.reviewer, entry.reason) == ("ada", "no")
    assert client.get("/api/rows", headers=GOOD).json()["rows"][0]["mine"] == "reject"
    client.post("/api/decide", json=said(verdict="clear"), headers=POST)
    assert client.get("/api/rows", headers=GOOD).json()["rows"][0]["mine"] is None
    assert len(desk.ledger.entries()) == 2


@pytest.mark.parametrize(
    ("value", "status", "message"),
    [
        (said(verdict="reject"), 400, "a rejection needs a reason"),
        (said(verdict="edit", response=" "), 400, "must not be empty"),
        (said(verdict="edit", response="Response 1"), 409, "Nothing was changed"),
        (said(digest="0" * 64), 409, "load the page again"),
        (said(9), 409, "load the page again"),
        (said(verdict="perhaps"), 400, "Input should be"),
        (said(more=1), 400, "Extra inputs"),
        (
            said(
                2,
                digest=row(2, split="test", response=None)["digest"],
                verdict="edit",
                response="x",
            ),
            409,
            "no response",
        ),
    ],
)
def test_what_is_no_decision_is_refused_in_words(
    client: TestClient, desk: Desk, value: dict, status: int, message: str
):
    answer = client.post("/api/decide", json=value, headers=POST)
    assert answer.status_code == status
    assert message in answer.json()["error"]
    assert desk.ledger.entries() == []


def test_a_body_that_is_too_long_is_refused(client: TestClient):
    value = said(reason="x" * (5 << 20))
    assert client.post("/api/decide", json=value, headers=POST).status_code == 403


def test_an_edit_is_shown_with_what_it_changes(client: TestClient):
    body = said(verdict="edit", prompt="Prompt 1", response="Response 1\nmore")
    answer = client.post("/api/decide", json=body, headers=POST).json()
    assert answer["response"] == "Response 1\nmore"
    assert answer["changes"] == [
        {"field": "response", "lines": [[" ", "Response 1"], ["+", "more"]]}
    ]
    assert answer["turns"][-1]["text"] == "Response 1\nmore"


def test_others_are_shown_to_those_who_judged(desk: Desk, client: TestClient):
    digest = desk.rows["r1"]["digest"]
    Desk(desk.release, desk.manifest, desk.rows, desk.ledger, "ben").decide(
        "r1", digest, "reject", "no"
    )
    assert desk.row("r1")["others"] == []
    answer = client.post("/api/decide", headers=POST, json=said()).json()
    assert answer["others"] == [{"reviewer": "ben", "verdict": "reject", "reason": "no"}]
    (pair,) = answer["agreement"]  # for the head of the page, without loading it anew
    assert (pair["rows"], pair["same"]) == (1, 0)
    assert desk.listed()["agreement"] == answer["agreement"]


def test_a_changed_text_asks_again(desk: Desk):
    desk.decide("r1", desk.rows["r1"]["digest"], "accept")
    desk.rows["r1"] = row(1, response="Response 1, edited at its source")
    line = desk.listed()["rows"][0]
    assert (line["mine"], line["changed"]) == (None, True)
    with pytest.raises(StageError, match="load the page again"):
        desk.decide("r1", row(1)["digest"], "accept")


# Rendering


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*a* `<b>`", "<p><em>a</em> <code>&lt;b&gt;</code></p>\n"),
        ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
        ("[a](javascript:x)", "<p>[a](javascript:x)</p>\n"),
        ('[a](http://x.y "t")', '<p><span class="link" title="http://x.y">a</span></p>\n'),
        (
            "![a<b>](http://x.y/p.png)",
            '<p><span class="image" title="http://x.y/p.png">[image: a&lt;b&gt;]</span></p>\n',
        ),
        (
            "```js\n</code><img src=x>\n```",
            "<pre><code>&lt;/code&gt;&lt;img src=x&gt;\n</code></pre>\n",
        ),
        ("<http://x.y>", '<p><span class="link" title="http://x.y">http://x.y</span></p>\n'),
    ],
)
def test_markdown_is_rendered_without_anything_that_acts(text: str, html: str):
    assert html in to_html(text)


def test_an_edit_is_told_by_lines():
    before = "\n".join(f"line {n}" for n in range(20))
    after = before.replace("line 2\n", "").replace("line 15", "line fifteen")
    told = changes(before, after)
    assert ("-", "line 2") in told
    assert ("-", "line 15") in told
    assert ("+", "line fifteen") in told
    assert told.count(("…", "")) == 1
    assert len(told) < 14
