"""Report and review page in a real browser: what hostile rows do there, and what a kill loses."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from pipeline.review.ledger import Ledger, ledger_of
from pipeline.run import curate

pytestmark = pytest.mark.slow


class Watch:
    """A page of the browser, with every request that it makes and every word of its console."""

    def __init__(self, browser, scheme="light"):
        self.context = browser.new_context(
            color_scheme=scheme, viewport={"width": 1300, "height": 900}
        )
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.said: list[str] = []
        session = self.context.new_cdp_session(self.page)
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", lambda e: self.requests.append(e["request"]["url"]))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))

    def harmless(self):
        """Check that no markup of a row became an element or ran."""
        assert self.page.evaluate("window.pwned") is None
        assert "pwned" not in self.page.title()
        assert self.page.locator("iframe, object, embed, img, base, form[action]").count() == 0
        assert (
            self.page.evaluate(
                "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes])"
                ".filter(a => a.name.startsWith('on') || /javascript:/.test(a.value) && a.name !== 'title').length"
            )
            == 0
        )


@contextmanager
def serving(workspace: Path, reviewer: str) -> Iterator[tuple[str, subprocess.Popen]]:
    words = [sys.executable, "-m", "pipeline", "review", "--workspace", str(workspace)]
    server = subprocess.Popen(
        [*words, "--reviewer", reviewer, "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        (address,) = re.findall(r"http://\S+", line)
        yield address, server
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def open_page(watch: Watch, address: str) -> None:
    watch.page.goto(address)
    watch.page.wait_for_selector("#row:not([hidden])")


def at_row(watch: Watch, name: str) -> None:
    """Wait until the page shows a row."""
    from playwright.sync_api import expect

    expect(watch.page.locator("#id")).to_have_text(name)


def press(watch: Watch, key: str) -> None:
    """Press a key and wait until the server has answered."""
    with watch.page.expect_response(lambda answer: "/api/decide" in answer.url):
        watch.page.keyboard.press(key)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_shows_hostile_rows_and_asks_for_nothing(browser, made, scheme):
    _, _, result = made
    report = Path(result.report)
    watch = Watch(browser, scheme)
    watch.page.goto(report.as_uri())
    for details in watch.page.locator("details").all():
        details.evaluate("element => element.open = true")
    watch.harmless()
    assert watch.page.locator("script").count() == 2
    assert "<script>document.title='pwned'" in watch.page.inner_text("body")
    watch.page.focus("#map")
    seen = set()
    for _ in range(11):
        watch.page.keyboard.press("ArrowRight")
        assert watch.page.is_visible("#tip")
        seen.add(watch.page.inner_text("#tip div >> nth=0"))
        watch.harmless()
    assert len(seen) == 11
    assert watch.page.locator("#tip script, #tip svg, #tip b b").count() == 0
    watch.page.locator("#map circle.picked").first.hover()
    watch.page.select_option("#set", "random")
    assert watch.page.locator("#map .in-set").count() == 11
    watch.page.uncheck("input[data-colour='pool']")
    assert set(watch.requests) - {"data:,"} == {report.as_uri()}  # data:, is the empty icon
    assert watch.said == []
    watch.context.close()


def test_ten_rows_are_judged_the_server_is_killed_and_nothing_is_lost(browser, made, recipe):
    space, dumps, _ = made
    ledger = ledger_of(space.root)
    ledger.unlink(missing_ok=True)
    with serving(space.root, "ada") as (address, server):
        watch = Watch(browser)
        open_page(watch, address)
        assert "#" not in watch.page.url
        order = [item.get_attribute("data-id") for item in watch.page.locator("#rows button").all()]
        assert len(order) == 11
        at_row(watch, order[0])
        for number in range(10):
            watch.harmless()
            at = watch.page.inner_text("#id")
            assert at == order[number]
            if number == 3:
                watch.page.keyboard.press("r")
                watch.page.keyboard.type("wrong <b>or</b> out of date")
                press(watch, "Enter")
                at_row(watch, order[4])
            elif number == 5:
                watch.page.keyboard.press("e")
                watch.page.fill("#edit-response", "A better answer, <b>by hand</b>.")
                press(watch, "Control+Enter")
                assert watch.page.inner_text("#changes ins").startswith("A better answer, <b>")
                watch.page.keyboard.press("j")
                at_row(watch, order[6])
            else:
                if number == 7:
                    watch.page.keyboard.press("f")
                    watch.page.keyboard.type("look again")
                    press(watch, "Enter")
                press(watch, "a")
                at_row(watch, order[number + 1])
        assert watch.page.inner_text("#progress") == "10 of 11 judged"
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        watch.page.keyboard.press("a")
        watch.page.wait_for_selector("#message:not([hidden])")
        assert watch.page.inner_text("#message").startswith("Not saved")
        base = address.split("#")[0]
        assert all(url.startswith(base) or url == "data:," for url in watch.requests)
        watch.context.close()
    found = [entry.verdict for entry in Ledger(ledger).entries()]
    assert (found.count("accept"), found.count("reject"), found.count("edit")) == (8, 1, 1)
    with serving(space.root, "ada") as (address, _):
        watch = Watch(browser, "dark")
        open_page(watch, address)
        assert watch.page.inner_text("#progress") == "10 of 11 judged"
        assert watch.page.inner_text("#id") == order[10]  # the one that is left
        watch.page.select_option("#state", "reject")
        at_row(watch, order[3])
        assert "wrong <b>or</b> out of date" in watch.page.inner_text("#state-line")
        watch.page.select_option("#state", "flagged")
        at_row(watch, order[7])
        assert watch.said == []
        watch.context.close()
    # The next run reads what was said.
    again = curate(recipe, dumps, space)
    rows = pl.read_parquet(Path(again.release) / "data" / "train.parquet")
    assert len(rows) == 11
    assert order[3] not in rows["id"]
    assert set(order) - {order[3]} <= set(rows["id"])
    edited = rows.filter(pl.col("review") == "edited").row(0, named=True)
    assert (edited["id"], edited["response"]) == (order[5], "A better answer, <b>by hand</b>.")
    (change,) = [
        json.loads(line) for line in (Path(again.release) / "edits.jsonl").read_text().splitlines()
    ]
    assert (change["id"], change["after"]) == (order[5], edited["response"])
    assert "edited by a reviewer" in (Path(again.release) / "ATTRIBUTION.md").read_text()
    from pipeline.release.verify import verify

    assert verify(Path(again.release)).problems == []


HELD = """
const straight = window.fetch;
window.held = null;  // a list: decisions wait in it; null: they go straight
window.fetch = async (path, ...more) => {
    if (window.held && path.includes("/api/decide")) await new Promise((...ends) => held.push(ends));
    if (window.lost && path.includes("/api/row?")) throw new TypeError("lost");
    return straight(path, ...more);
};
window.hold = () => { window.held = []; };
window.end = (place) => { for (const ends of window.held) ends[place](); window.held = null; };
"""


def test_keys_that_outrun_the_server_are_of_the_row_that_was_seen(browser, made):
    """One key waits for the decision before it; it is dropped where the page has gone on, or failed."""
    from playwright.sync_api import expect

    space, _, _ = made
    ledger = ledger_of(space.root)
    ledger.unlink(missing_ok=True)
    with serving(space.root, "cyd") as (address, _):
        watch = Watch(browser)
        watch.page.add_init_script(HELD)
        open_page(watch, address)
        order = [item.get_attribute("data-id") for item in watch.page.locator("#rows button").all()]

        def while_held(*keys, answer):
            watch.page.evaluate("hold()")
            for key in keys:
                watch.page.keyboard.press(key)
            assert watch.page.evaluate("held.length") == 1
            watch.page.evaluate("place => end(place)", ["saved", "failed"].index(answer))

        watch.page.keyboard.press("f")
        while_held("Enter", "a", answer="saved")  # both for the row that was seen
        at_row(watch, order[1])
        while_held("a", "a", answer="saved")  # the second would be of a row that was not seen
        at_row(watch, order[2])
        watch.page.keyboard.press("f")
        while_held("Enter", "r", "a", "d", answer="saved")  # letters of a reason
        expect(watch.page.locator("#reason-label")).to_have_text("Why should it leave?")
        assert watch.page.is_visible("#reason-form")
        assert watch.page.input_value("#reason") == ""
        watch.page.keyboard.press("Escape")
        watch.page.keyboard.press("e")
        watch.page.fill("#edit-response", "A better answer.")
        for key in ("j", "a"):
            while_held("Control+Enter", key, answer="failed")
            watch.page.wait_for_selector("#message:not([hidden])")
            assert watch.page.inner_text("#message").startswith("Not saved")
            assert watch.page.input_value("#edit-response") == "A better answer."
            assert watch.page.is_visible("#edit-response")
        at_row(watch, order[2])
        watch.page.evaluate("window.lost = true")
        press(watch, "Control+Enter")
        watch.page.locator("#changes ins").wait_for()
        watch.page.keyboard.press("j")
        watch.page.wait_for_selector("#message:not([hidden])")
        assert watch.page.inner_text("#message").startswith("The server does not answer")
        press(watch, "u")  # the row on the page is still the one that commands are for
        watch.context.close()
    found = [(entry.id, entry.verdict) for entry in Ledger(ledger).entries()]
    first = [(order[0], "flag"), (order[0], "accept"), (order[1], "accept")]
    assert found == [*first, *((order[2], verdict) for verdict in ("flag", "edit", "clear"))]
    ledger.unlink()


def test_hostile_markdown_is_shown_and_leads_nowhere(browser, made):
    space, _, _ = made
    with serving(space.root, "ben") as (address, _):
        watch = Watch(browser)
        open_page(watch, f"{address}")
        for name in ("e00", "e01", "e02"):
            watch.page.fill("#search", f"authored:{name}")
            at_row(watch, f"authored:{name}")
            watch.harmless()
            watch.page.keyboard.press("Escape")
            watch.page.keyboard.press("m")
            watch.harmless()
            watch.page.keyboard.press("m")
            if name == "e01":
                turn = watch.page.locator(".turn.assistant")
                assert turn.locator("h1").inner_text() == "A heading"
                assert turn.locator("pre code").inner_text().startswith("<script>")
                assert "[image: a picture]" in turn.inner_text()
                assert turn.locator("a").count() == 0
                assert turn.locator("table td").count() == 2
        base = address.split("#")[0]
        assert all(url.startswith(base) or url == "data:," for url in watch.requests)
        assert watch.said == []
        watch.context.close()


def test_another_page_gets_nothing(browser, made):
    """A page of another origin in the same browser, which even knows the token, is refused."""
    space, _, _ = made
    before = Ledger(ledger_of(space.root)).entries()
    with serving(space.root, "ada") as (address, _):
        base, token = address.split("#")
        watch = Watch(browser)
        watch.page.route(
            "http://127.0.0.1:9/",
            lambda route: route.fulfill(body="<h1>evil</h1>", content_type="text/html"),
        )
        watch.page.goto("http://127.0.0.1:9/")
        said = watch.page.evaluate(
            """async ([base, token]) => {
                const tell = async (path, options) => {
                    try { const answer = await fetch(base + path, options); return answer.status; }
                    catch { return "blocked"; }
                };
                return [
                    await tell("api/rows", {headers: {"x-thousand-token": token}}),
                    await tell("api/decide", {method: "POST", body: "{}", mode: "no-cors"}),
                ];
            }""",
            [base, token],
        )
        assert said[0] == "blocked"
        assert said[1] in (0, "blocked")
        watch.page.evaluate(
            "base => { const f = document.createElement('iframe'); f.src = base; document.body.append(f); }",
            base,
        )
        watch.page.wait_for_timeout(300)
        assert not [f for f in watch.page.frames if f.url == base and f.query_selector("#rows")]
        watch.context.close()
    assert Ledger(ledger_of(space.root)).entries() == before
