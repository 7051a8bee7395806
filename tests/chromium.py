"""Debian's Chromium, as tests drive it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Generator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect, sync_playwright

from .operations_page_app import Site

WITHIN: Final = 10_000
"""How long to wait for what must happen, in milliseconds: long, since machines may be loaded."""


@contextlib.contextmanager
def chromium() -> Generator[Browser]:
    """Run a browser; where there is none, the test is skipped, or fails under CI."""
    path = shutil.which("chromium")
    if path is None:
        missing = "chromium is not in PATH (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    expect.set_options(timeout=WITHIN)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """Somebody who looks at the page; what goes wrong in the browser is kept."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self._url = url
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(WITHIN)
        self.page: Page = self.context.new_page()
        self._complaints: list[str] = []
        self._tolerated: list[str] = []
        self.requested: list[str] = []
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self._complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self._complaints.append(f"dialog: {dialog.message}"))
        self.page.on("request", self._note_request)

    def visit(self, query: str = "", *, url: str | None = None) -> None:
        """Open the page, and wait until it is live."""
        self.page.goto(f"{url or self._url}/operations{query}")
        self.page.locator("body[data-live=live]").wait_for()

    def row(self, name: str) -> Locator:
        """Return the row of an operation that is listed as running."""
        return self.page.locator("#operations tbody tr").filter(has=self.page.get_by_text(name, exact=True))

    def names(self) -> list[str]:
        """Return the names that are listed as running."""
        return self.page.locator("#operations tbody button.open").all_inner_texts()

    def tolerate(self, text: str) -> None:
        """Take no notice of complaints that have a text, whenever they come."""
        self._tolerated.append(text)

    @property
    def complaints(self) -> list[str]:
        """What went wrong."""
        return [each for each in self._complaints if not any(text in each for text in self._tolerated)]

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complaints.append(message.text)

    def _note_request(self, request: Request) -> None:
        self.requested.append(request.url)


@contextlib.contextmanager
def visiting(browser: Browser, site: Site | None = None, **options: Any) -> Generator[Visitor]:
    """Visit a site; fails where the console holds an error, or another host was asked for anything."""
    visitor = Visitor(browser, "" if site is None else site.url, **options)
    try:
        yield visitor
    finally:
        visitor.context.close()
    assert visitor.complaints == []
    assert [each for each in visitor.requested if not each.startswith(("http://127.0.0.1:", "data:"))] == []
