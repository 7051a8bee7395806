"""The operations page in a real browser: its stream is cut and resumed, too old, paused; its server shuts down."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, expect

from hother.cancelable.registry import feed

from .chromium import Visitor, visiting
from .cutting import way_to
from .operations_page_app import Site
from .operations_page_program import programs

pytestmark = [pytest.mark.server, pytest.mark.timeout(90)]

LISTEN = """
window.told = [];
window.EventSource = class extends EventSource {
    constructor(...given) {
        super(...given);
        for (const kind of ["ready", "reset", "started", "finished"]) {
            this.addEventListener(kind, ({ data }) => {
                told.push([kind, JSON.parse(data).operation?.name ?? String(JSON.parse(data).resumed)]);
            });
        }
    }
};
"""


def listen(visitor: Visitor, url: str | None = None) -> None:
    """Open the page, and keep what its stream tells."""
    visitor.context.add_init_script(LISTEN)
    visitor.visit(url=url)


def told(visitor: Visitor) -> list[tuple[str, str]]:
    """Return what the stream has told."""
    return [(kind, name) for kind, name in visitor.page.evaluate("told")]


def wait_for(visitor: Visitor, kind: str, name: str) -> None:
    """Wait until the stream has told something."""
    visitor.page.wait_for_function(
        "([k, n]) => told.some(([kind, name]) => kind === k && name === n)", arg=[kind, name]
    )


def do(site: Site, *names: str) -> None:
    """Start and finish jobs."""
    for job in site.start_several(list(names)):
        site.finish(job)


def test_one_of_three_is_cut_off(browser: Browser, site: Site) -> None:
    """Of three open pages one loses its connection for 5 s: each sees every event once, and in order."""
    with ExitStack() as stack:
        ways = [stack.enter_context(way_to(site.port)) for _ in range(3)]
        visitors = [stack.enter_context(visiting(browser, site)) for _ in ways]
        for visitor, way in zip(visitors, ways, strict=True):
            listen(visitor, way.url)
        do(site, "before")
        for visitor in visitors:
            wait_for(visitor, "finished", "before")
        visitors[0].tolerate("net::ERR")
        ways[0].cut()
        stay_away = time.monotonic() + 5
        do(site, *(f"away {number}" for number in range(20)))
        still_running = site.start("meanwhile")
        wait_for(visitors[1], "started", "meanwhile")
        expect(visitors[0].page.locator("#standing")).to_contain_text("the server does not answer")
        expect(visitors[0].row("meanwhile")).to_have_count(0)
        visitors[0].page.wait_for_timeout(max(stay_away - time.monotonic(), 0) * 1000)
        ways[0].mend()
        visitors[0].row("meanwhile").wait_for()
        expect(visitors[0].page.locator("#standing")).to_have_text("Live, this process alone.")
        site.finish(still_running)
        do(site, "after")
        for visitor in visitors:
            wait_for(visitor, "finished", "after")
        seen = [[each for each in told(visitor) if each[0] in ("started", "finished")] for visitor in visitors]
        assert seen[0] == seen[1] == seen[2]
        assert len(seen[0]) == len(set(seen[0])) == 2 * 23
        assert ("ready", "true") in told(visitors[0]), "it was resumed"


def test_away_for_too_long(browser: Browser, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that comes back after more events than are kept lists all anew."""
    monkeypatch.setattr(feed, "KEPT", 10)
    with way_to(site.port) as way, visiting(browser, site) as visitor:
        listen(visitor, way.url)
        gone = site.start("gone")
        stays = site.start("stays")
        visitor.row("stays").wait_for()
        visitor.tolerate("net::ERR")
        way.cut()
        site.finish(gone)
        do(site, *(f"away {number}" for number in range(30)))
        site.start("new")
        site.report(stays, "half-way", 50)
        way.mend()
        visitor.row("new").wait_for()
        expect(visitor.page.locator("#operations tbody .open")).to_have_text(["stays", "new"])
        expect(visitor.row("stays").locator("[data-cell=message]")).to_have_text("half-way")
        assert ("reset", "false") in told(visitor)
        site.start("newer")
        expect(visitor.page.locator("#operations tbody .open")).to_have_text(["stays", "new", "newer"])
        expect(visitor.page.locator("#counts")).to_contain_text("31 completed")


def test_a_hidden_tab(browser: Browser, site: Site) -> None:
    """While the tab is hidden the stream is closed and nothing is asked for; when it shows again all is up to date."""
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with visiting(browser, site) as visitor:
        listen(visitor)
        visitor.page.evaluate(hide, True)
        expect(visitor.page.locator("#standing")).to_have_text("Paused while the tab is hidden.")
        visitor.requested.clear()
        site.start("meanwhile")
        visitor.page.wait_for_timeout(1500)
        assert visitor.requested == []
        assert ("started", "meanwhile") not in told(visitor)
        visitor.page.evaluate(hide, False)
        visitor.row("meanwhile").wait_for()
        expect(visitor.page.locator("#standing")).to_have_text("Live, this process alone.")


def test_a_server_that_shuts_down(browser: Browser) -> None:
    """A server with three open pages ends as promptly at SIGTERM as one without, and the pages say that it is gone."""
    with programs(None, None) as (alone, program), ExitStack() as stack:
        without = alone.terminate()
        visitors = [stack.enter_context(visiting(browser)) for _ in range(3)]
        for visitor in visitors:
            visitor.tolerate("net::ERR")
            visitor.tolerate("503")  # what new requests get on connections that are still open
            visitor.visit(url=program.url)
        assert program.terminate() < without + 2
        for visitor in visitors:
            expect(visitor.page.locator("#standing")).to_contain_text("the server does not answer")
