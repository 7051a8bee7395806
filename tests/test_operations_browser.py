"""The operations page in a real browser: what runs is seen, and can be told to stop."""

from __future__ import annotations

import time
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, expect

from hother.cancelable import set_stuck_after

from .chromium import visiting
from .operations_page_app import Site

pytestmark = pytest.mark.server

EVIL = "<img src=x onerror=alert(1)>"


def test_a_job_is_seen_and_cancelled(browser: Browser, site: Site) -> None:
    """A job started over HTTP appears, its bar moves, cancel ends it, and the page says why it has ended."""
    with visiting(browser, site) as visitor:
        visitor.visit()
        expect(visitor.page.locator("#empty")).to_be_visible()
        job = site.start("import customers")
        row = visitor.row("import customers")
        expect(row.locator(".badge")).to_have_text("running")
        expect(visitor.page.locator("#empty")).to_be_hidden()
        bar = row.locator("progress")
        assert bar.get_attribute("value") is None, "without a percentage the bar pulses"
        site.report(job, "page 3 of 8", 37.5)
        expect(row.locator("[data-cell=progress] span")).to_have_text("37 %")
        assert bar.evaluate("bar => bar.value") == 37.5
        expect(row.locator("[data-cell=message]")).to_have_text("page 3 of 8")
        row.locator("button.open").click()
        expect(visitor.page.locator("#detail dd").filter(has_text="37 %, page 3 of 8")).to_be_visible()
        visitor.page.keyboard.press("Escape")
        site.report(job, "page 6 of 8", 75)
        expect(row.locator("[data-cell=progress] span")).to_have_text("75 %")
        row.locator(".cancel").click()
        visitor.page.get_by_label("Message").fill("wrong file")
        visitor.page.get_by_role("button", name="Tell to stop").click()
        expect(row.locator(".badge")).to_have_text("cancelled")
        expect(row.locator(".why")).to_have_text("manual: wrong file")
        expect(visitor.page.locator("#notice")).to_contain_text("was told to stop")
        expect(row).to_have_count(0)
        visitor.page.get_by_role("button", name="Ended").click()
        ended = visitor.page.locator("#ended tbody tr")
        expect(ended.locator(".badge")).to_have_text("cancelled")
        expect(ended.locator(".why")).to_have_text("manual: wrong file")
        expect(visitor.page.locator("#counts")).to_contain_text("1 cancelled")


def test_a_job_appears_within_a_second(browser: Browser, site: Site) -> None:
    """From the request that starts a job to its row in the page it takes less than a second."""
    with visiting(browser, site) as visitor:
        visitor.visit()
        took: list[float] = []
        for number in range(3):  # the quickest counts: a machine that is busy for a moment says nothing of the page
            began = time.monotonic()
            site.start(f"job {number}")
            visitor.row(f"job {number}").wait_for()
            took.append(time.monotonic() - began)
        assert min(took) < 1


def test_names_and_messages_are_text(browser: Browser, site: Site) -> None:
    """Whatever others have written is shown as it is, in every part of the page, and never runs."""
    with visiting(browser, site) as visitor:
        visitor.visit()
        job = site.start(EVIL, customer=EVIL)
        site.start(EVIL, parent=job)
        site.report(job, EVIL, 5)
        row = visitor.page.locator("#operations tbody tr").first
        expect(row.locator("button.open")).to_have_text(EVIL)
        expect(row.locator("[data-cell=message]")).to_have_text(EVIL)
        row.locator("button.open").click()
        detail = visitor.page.locator("#detail")
        expect(detail.locator("h2")).to_have_text(EVIL)
        expect(detail.locator("dd").filter(has_text=EVIL)).to_have_count(2)
        expect(detail.locator(".links button")).to_have_text(EVIL)
        detail.get_by_role("button", name="Cancel").click()
        expect(visitor.page.locator("#cancel-title")).to_have_text(f"Cancel {EVIL}?")
        visitor.page.get_by_label("Message").fill(EVIL)
        visitor.page.keyboard.press("Enter")
        expect(detail.locator(".timeline")).to_contain_text(f"manual: {EVIL}")
        visitor.page.keyboard.press("Escape")
        visitor.page.get_by_role("button", name="Ended").click()
        expect(visitor.page.locator("#ended tbody tr .open")).to_have_text([EVIL, EVIL])
        visitor.visit()
        assert visitor.page.locator("img").count() == 0


def test_one_that_was_told_and_still_runs(browser: Browser, site: Site) -> None:
    """A cancelled operation that goes on stays listed, says so, and its timeline waits for the end."""
    with visiting(browser, site) as visitor:
        visitor.visit()
        job = site.start("stubborn", is_stubborn=True)
        row = visitor.row("stubborn")
        row.locator(".cancel").click()
        visitor.page.keyboard.press("Enter")
        expect(row.locator(".badge")).to_have_text("told to stop")
        expect(row.locator(".cancel")).to_be_disabled()
        expect(visitor.page.locator("#counts [data-status=stopping]")).to_have_text("1 told to stop")
        row.locator("button.open").click()
        steps = visitor.page.locator("#detail .timeline li")
        expect(steps).to_have_count(4)
        expect(steps.nth(3)).to_contain_text("not yet: it still runs")
        site.finish(job)
        expect(steps.nth(1)).to_contain_text("Asked to stop")
        expect(steps.nth(2)).to_contain_text("after it was asked")
        expect(steps.nth(3)).to_contain_text("after it was told")
        visitor.visit("?cancelling=true")
        expect(visitor.page.locator("#empty")).to_be_visible()


def test_without_a_script(browser: Browser, site: Site) -> None:
    """Where scripts are off, operations are listed, filtered and cancelled by plain forms."""
    with visiting(browser, site, java_script_enabled=False) as visitor:
        site.start("load", is_stubborn=True)
        site.start("mail")
        visitor.page.goto(f"{site.url}/operations")
        rows = visitor.page.locator("#operations tbody tr")
        expect(rows).to_have_count(2)
        visitor.page.get_by_label("Name").fill("load")
        visitor.page.get_by_role("button", name="Show").click()
        expect(rows).to_have_count(1)
        rows.get_by_label("Why").fill("enough")
        rows.get_by_role("button", name="Cancel").click()
        expect(visitor.page.locator("#notice")).to_have_text("It was told to stop. It is listed until it has ended.")
        expect(rows.locator("[data-cell=status]")).to_have_text("running, told to stop (manual: enough)")
        assert "name=load" in visitor.page.url
        expect(visitor.page.get_by_role("button", name="Tree")).to_be_hidden()


@pytest.fixture
def soon_stuck() -> Generator[None]:
    """Operations that do not stop within 0.2 s are stuck."""
    set_stuck_after(0.2)
    yield
    set_stuck_after(None)


@pytest.mark.usefixtures("soon_stuck")
def test_stuck_operations_stand_out(browser: Browser, site: Site) -> None:
    """One that does not stop in time is told apart by a word and by its colours, and the page tells where it sits."""
    with visiting(browser, site) as visitor:
        visitor.visit()
        site.start("stubborn", is_stubborn=True)
        site.start("other")
        row = visitor.row("stubborn")
        row.locator(".cancel").click()
        visitor.page.keyboard.press("Enter")
        expect(row.locator(".badge")).to_have_text("stuck")
        colour = "row => getComputedStyle(row).backgroundColor"
        assert row.evaluate(colour) != visitor.row("other").evaluate(colour)
        expect(visitor.page.locator("#counts [data-status=stuck]")).to_have_text("1 stuck")
        row.locator("button.open").click()
        expect(visitor.page.locator("#detail pre")).to_contain_text("operations_page_app.py")
