"""The documentation site in a real browser: readable at each width and in both schemes, searchable, all by itself."""

from __future__ import annotations

import functools
import threading
from collections.abc import Generator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from .built_site import BuiltSite
from .chromium import visiting

pytestmark = [pytest.mark.server, pytest.mark.timeout(150)]

WIDTHS = {"desktop": 1280, "phone": 360}
SCHEMES: dict[Literal["light", "dark"], str] = {"light": "default", "dark": "slate"}
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
BROKEN_PICTURES = "[...document.images].filter(image => !image.complete || !image.naturalWidth).map(image => image.src)"
CONTRAST = """code => {
    const light = color => {
        const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map(part => part / 255)
            .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const style = getComputedStyle(code);
    const [dark, bright] = [light(style.color), light(style.backgroundColor)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
}"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(scope="module")
def address(built_site: BuiltSite) -> Generator[str]:
    """Where the site is served."""
    handler = functools.partial(Quiet, directory=str(built_site.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def search(page: Page, words: str) -> None:
    """Type into the search of a page, and wait until an entry is found."""
    field = page.get_by_placeholder("Search")
    field.click()
    field.press_sequentially(words)
    expect(page.locator(".md-search-result__item").first).to_contain_text(words)


def test_no_page_is_too_wide_and_no_picture_is_broken(browser: Browser, built_site: BuiltSite, address: str) -> None:
    """Each page fits a desktop and a phone without scrolling sideways, and shows its pictures, also without scripts."""
    with visiting(browser, java_script_enabled=False) as visitor:
        for path in built_site.pages.keys() - {"404.html"}:  # its links hold for the published site alone
            visitor.page.goto(f"{address}/{path}")
            for width in WIDTHS.values():
                visitor.page.set_viewport_size({"width": width, "height": 800})
                assert not visitor.page.evaluate(TOO_WIDE), f"{path} is wider than {width} pixels"
            assert visitor.page.evaluate(BROKEN_PICTURES) == [], path


@pytest.mark.parametrize("scheme", SCHEMES)
def test_pages_are_readable(browser: Browser, address: str, scheme: Literal["light", "dark"]) -> None:
    """The scheme is that of the reader's system, and code stands out from its ground at each width."""
    with visiting(browser, color_scheme=scheme) as visitor:
        page = visitor.page
        for path in ("index.html", "reference/streams.html"):
            page.goto(f"{address}/{path}")
            expect(page.locator("body")).to_have_attribute("data-md-color-scheme", SCHEMES[scheme])
            for width in WIDTHS.values():
                page.set_viewport_size({"width": width, "height": 800})
                assert page.locator("pre code").first.evaluate(CONTRAST) >= 7
                assert not page.evaluate(TOO_WIDE)


def test_the_reader_switches_the_scheme_and_searches(browser: Browser, address: str) -> None:
    """The button changes light to dark, the next page stays so, and search finds `Cancelable`."""
    with visiting(browser, color_scheme="light") as visitor:
        visitor.page.goto(f"{address}/index.html")
        visitor.page.get_by_title("Switch to the dark colours").click()
        visitor.page.goto(f"{address}/reference/tokens.html")
        expect(visitor.page.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
        search(visitor.page, "Cancelable")


def test_the_site_works_from_a_folder(browser: Browser, built_site: BuiltSite) -> None:
    """Opened as a file on a phone, without any server, a page complains of nothing, and search opens another one."""
    context = browser.new_context(viewport={"width": WIDTHS["phone"], "height": 800})
    page = context.new_page()
    requested: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((built_site.folder / "index.html").as_uri())
    page.locator(".md-header__button[for=__search]").click()
    search(page, "Cancelable")
    page.locator(".md-search-result__link").first.click()
    page.wait_for_url("**/*?h=cancelable*")
    context.close()
    assert [url for url in requested if not url.startswith(("file://", "data:", "about:"))] == []
    assert complaints == []
