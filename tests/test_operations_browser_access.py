"""The operations page in a real browser: readers, other sites, other hosts."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, expect

from hother.cancelable.integrations.fastapi.operations import mount_operations_page
from hother.cancelable.registry import OperationRegistry

from .chromium import visiting
from .operations_page_app import Site

pytestmark = pytest.mark.server

TELL = """async ([path, body]) => {
    const headers = { "Content-Type": "application/json", "X-Cancelable": "test" };
    const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    return [response.status, (await response.json()).detail];
}"""
SEND_FORM = """([action, id]) => {
    const form = Object.assign(document.createElement("form"), { method: "post", action });
    for (const [name, value] of [["id", id], ["csrf", "x".repeat(43)]]) {
        form.append(Object.assign(document.createElement("input"), { name, value }));
    }
    document.body.append(form);
    form.submit();
}"""


def test_a_reader_cannot_cancel(browser: Browser, site: Site) -> None:
    """Who may only read sees all of it live, is offered no way to cancel, and gets 403 when it tries nevertheless."""
    with visiting(browser, site) as visitor:
        visitor.context.add_cookies([{"name": "reader", "value": "1", "url": site.url}])
        visitor.visit()
        job = site.start("load")
        expect(visitor.row("load").locator(".badge")).to_have_text("running")
        visitor.row("load").locator(".open").click()
        expect(visitor.page.locator("#detail h2")).to_have_text("load")
        assert visitor.page.get_by_role("button", name="Cancel").count() == 0
        visitor.page.keyboard.press("Escape")
        visitor.page.keyboard.press("c")
        expect(visitor.page.locator("#cancel")).to_be_hidden()
        visitor.tolerate("403")
        refused = [403, "the caller may see these operations, but not cancel them"]
        one = [f"/operations/api/operations/{job}/cancel", {}]
        several = ["/operations/api/operations/cancel", {"filter": {}, "expected_count": 1}]
        assert visitor.page.evaluate(TELL, one) == refused
        assert visitor.page.evaluate(TELL, several) == refused
        expect(visitor.row("load").locator(".badge")).to_have_text("running")


def test_who_has_cancelled(browser: Browser, site: Site) -> None:
    """The name of the one who cancelled stands in the reason."""
    with visiting(browser, site) as visitor:
        visitor.context.add_cookies([{"name": "user", "value": "alice", "url": site.url}])
        visitor.visit()
        site.start("load")
        visitor.row("load").locator(".cancel").click()
        visitor.page.keyboard.type("enough")
        visitor.page.keyboard.press("Enter")
        expect(visitor.row("load").locator(".why")).to_have_text("manual: enough (by alice)")


def test_a_form_on_another_site(browser: Browser, site: Site) -> None:
    """A form or script of another site that cancels gets 403, although the browser sends it on."""
    job = site.start("load")
    elsewhere = f"http://localhost:{site.port}"  # the same server, but another site for the browser
    context = browser.new_context()
    page = context.new_page()
    statuses: dict[str, int] = {}
    page.on("response", lambda response: statuses.update({response.request.method + response.url: response.status}))
    page.goto(f"{site.url}/operations")
    page.goto(f"{elsewhere}/")
    with page.expect_navigation():
        page.evaluate(SEND_FORM, [f"{site.url}/operations/cancel", job])
    assert "another site (Sec-Fetch-Site)" in page.inner_text("body")
    assert statuses[f"POST{site.url}/operations/cancel"] == 403
    page.goto(f"{elsewhere}/")
    address = f"{site.url}/operations/api/operations/{job}/cancel"
    page.evaluate("address => fetch(address, { method: 'POST', mode: 'no-cors' })", address)
    assert statuses[f"POST{address}"] == 403
    assert "has been blocked by CORS" in _error_of(page, [address, {}])
    page.goto(f"{site.url}/operations")
    expect(page.locator("#operations .badge")).to_have_text("running")
    context.close()


def _error_of(page: Any, arguments: Any) -> str:
    """Return what the console says when a script of another site sends the custom header."""
    with page.expect_console_message(lambda message: message.type == "error" and "CORS" in message.text) as told:
        page.evaluate(f"arguments => ({TELL})(arguments).catch(() => null)", arguments)
    return str(told.value.text)


def test_all_comes_from_one_host(browser: Browser, site: Site) -> None:
    """The page and all it loads come from the app itself, and its policy would refuse anything else."""
    with visiting(browser, site) as visitor:
        visitor.visit("?view=workers")
        site.start("load")
        expect(visitor.page.locator("#counts")).to_contain_text("1 running")
        hosts = {urlsplit(each).netloc for each in visitor.requested if not each.startswith("data:")}
        assert hosts == {f"127.0.0.1:{site.port}"}
        paths = {urlsplit(each).path for each in visitor.requested}
        assert {"/operations/api/events", "/operations/api/workers"} <= paths
        assert sum(path.startswith("/operations/static/") for path in paths) >= 5
        visitor.tolerate("Content Security Policy")
        refused = "document.body.append(Object.assign(document.createElement('img'), { src: 'http://example.com/x' }))"
        with visitor.page.expect_console_message(lambda message: "Content Security Policy" in message.text):
            visitor.page.evaluate(refused)
        visitor.page.wait_for_function("document.images.length === 1")
        visitor.requested[:] = [each for each in visitor.requested if "example.com" not in each]


def test_authorize_must_be_given() -> None:
    """Mounting the page without `authorize` is an error that says what to pass."""
    mount: Any = mount_operations_page
    with pytest.raises(TypeError, match=r"needs authorize=.*'all', 'read'.*allow_loopback_only\(\)"):
        mount(FastAPI(), OperationRegistry())
