"""The operations page in a real browser: filters, order, tree, drawer, what has ended, numbers."""

from __future__ import annotations

import itertools
import math
import time
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser, Locator, expect

from hother.cancelable.core import ids, lifecycle

from .chromium import Visitor, visiting
from .operations_page_app import Site

pytestmark = pytest.mark.server


def names(visitor: Visitor) -> Locator:
    """Return the names that are listed as running."""
    return visitor.page.locator("#operations tbody .open")


def test_filters_are_kept_in_the_address(browser: Browser, site: Site) -> None:
    """What is typed filters at once, as the server would, and is there again when the page is loaded anew."""
    site.start_several(["load-a", "load-b", "mail"])
    with visiting(browser, site) as visitor:
        visitor.visit()
        expect(names(visitor)).to_have_text(["load-a", "load-b", "mail"])
        visitor.page.get_by_label("Name").fill("load")
        expect(names(visitor)).to_have_text(["load-a", "load-b"])
        assert visitor.page.url == f"{site.url}/operations?name=load"
        for pattern, expected in [("*-b", ["load-b"]), ("load-[!b]", ["load-a"]), ("????", ["mail"]), ("load.", [])]:
            visitor.page.get_by_label("Name").fill(pattern)
            expect(names(visitor)).to_have_text(expected)
            visitor.page.reload()
            expect(visitor.page.get_by_label("Name")).to_have_value(pattern)
            expect(names(visitor)).to_have_text(expected)
        site.start("load.new")
        expect(names(visitor)).to_have_text(["load.new"])
        visitor.page.get_by_role("link", name="Show all").click()
        expect(names(visitor)).to_have_count(4)
        visitor.page.get_by_label("Worker", exact=True).fill("elsewhere")
        expect(visitor.page.locator("#empty")).to_be_visible()
        visitor.page.get_by_label("Worker", exact=True).fill("local")
        visitor.page.get_by_label("Older than, in seconds").fill("1.5")
        expect(names(visitor)).to_have_count(4)
        visitor.page.get_by_label("Older than, in seconds").fill("3600")
        expect(names(visitor)).to_have_count(0)


def test_order(browser: Browser, site: Site) -> None:
    """The oldest come first; a button turns that round, also for those that start later."""
    site.start_several(["first", "second"])
    with visiting(browser, site) as visitor:
        visitor.visit()
        expect(names(visitor)).to_have_text(["first", "second"])
        visitor.page.get_by_role("button", name="Newest first").click()
        expect(names(visitor)).to_have_text(["second", "first"])
        site.start("third")
        expect(names(visitor)).to_have_text(["third", "second", "first"])


def test_order_within_a_millisecond(browser: Browser, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations that start microseconds apart are listed in this order, whatever their ids."""
    now, steps = math.floor(time.time()) - 1, itertools.count()
    monkeypatch.setattr(lifecycle, "time", SimpleNamespace(time=lambda: now + next(steps) * 1e-5))
    monkeypatch.setattr(ids, "_numbers", itertools.count(8))
    site.start_several(["first", "second", "third", "fourth"])
    with visiting(browser, site) as visitor:
        visitor.visit()
        visitor.page.get_by_role("button", name="Newest first").click()
        expect(names(visitor)).to_have_text(["fourth", "third", "second", "first"])


def test_tree(browser: Browser, site: Site) -> None:
    """The tree shows each operation below the one it runs in; what matches keeps what it is within."""
    root = site.start("root")
    site.start("other")
    child = site.start("child", parent=root)
    site.start("grandchild", parent=child)
    with visiting(browser, site) as visitor:
        visitor.visit()
        expect(names(visitor)).to_have_text(["root", "other", "child", "grandchild"])
        visitor.page.get_by_role("button", name="Tree").click()
        expect(names(visitor)).to_have_text(["root", "child", "grandchild", "other"])
        depths = "all => all.map(each => each.dataset.depth)"
        assert names(visitor).evaluate_all(depths) == ["0", "1", "2", "0"]
        visitor.visit("?view=tree&name=grand")
        expect(names(visitor)).to_have_text(["root", "child", "grandchild"])
        visitor.page.get_by_label("Name").fill("")
        site.start("second child", parent=root)
        expect(names(visitor)).to_have_text(["root", "child", "grandchild", "second child", "other"])


def test_drawer(browser: Browser, site: Site) -> None:
    """The drawer tells what is known of an operation, follows it to its end, and is kept in the address."""
    root = site.start("root", customer="acme")
    site.start("child", parent=root)
    with visiting(browser, site) as visitor:
        visitor.visit()
        visitor.page.get_by_role("button", name="root", exact=True).click()
        detail = visitor.page.locator("#detail")
        expect(detail.locator("h2")).to_have_text("root")
        expect(detail).to_contain_text(root)
        expect(detail.locator("dd").filter(has_text="acme")).to_be_visible()
        expect(detail).not_to_contain_text("s3cret")
        expect(detail.locator(".links")).to_contain_text("child")
        assert f"open={root}" in visitor.page.url
        visitor.page.reload()
        expect(detail.locator("h2")).to_have_text("root")
        expect(detail.locator(".timeline li")).to_have_count(1)
        site.finish(root)
        expect(detail.locator(".timeline li b")).to_have_text(["Started", "Ended: completed"])
        expect(detail.get_by_role("button", name="Cancel")).to_be_disabled()
        detail.get_by_role("button", name="Close").click()
        expect(detail).to_be_hidden()
        expect(visitor.page).to_have_url(f"{site.url}/operations")


def test_an_operation_that_is_gone(browser: Browser, site: Site) -> None:
    """An address that names an operation nobody knows opens a drawer that says so."""
    with visiting(browser, site) as visitor:
        visitor.tolerate("404")
        visitor.visit("?open=unknown")
        expect(visitor.page.locator("#detail h2")).to_have_text("unknown: no operation with this id is known")


def test_what_has_ended(browser: Browser, site: Site) -> None:
    """What has ended is listed, latest first, also what ended before the page was opened; it can be filtered."""
    for name in ("one", "two"):
        site.finish(site.start(name))
    with visiting(browser, site) as visitor:
        visitor.visit("?view=ended")
        ended = visitor.page.locator("#ended tbody .open")
        expect(ended).to_have_text(["two", "one"])
        job = site.start("three")
        site.cancel(job, "enough")
        expect(ended).to_have_text(["three", "two", "one"])
        visitor.page.get_by_label("Ended as").select_option("cancelled")
        expect(ended).to_have_text(["three"])
        assert "ended=cancelled" in visitor.page.url
        expect(visitor.page.locator("#ended tbody tr")).to_contain_text("manual: enough")
        visitor.page.get_by_label("Ended as").select_option("failed")
        expect(visitor.page.locator("#no-ended")).to_be_visible()


def test_numbers(browser: Browser, site: Site) -> None:
    """The page counts operations by state, and draws how many were started, finished and cancelled."""
    first, second, _ = site.start_several(["a", "b", "c"])
    with visiting(browser, site) as visitor:
        visitor.visit()
        expect(visitor.page.locator("#counts li")).to_have_text(["3 running"])
        site.finish(first)
        site.cancel(second)
        expect(visitor.page.locator("#counts li")).to_have_text(["1 running", "1 completed", "1 cancelled"])
        expect(visitor.page.locator("#rates p")).to_have_text(["3 started/min", "1 finished/min", "1 cancelled/min"])
        assert visitor.page.locator("#rates polyline").count() == 3
        visitor.page.get_by_role("button", name="Workers").click()
        expect(visitor.page.locator("#no-workers")).to_contain_text("this process alone")
        expect(visitor.page.locator("#standing")).to_have_text("Live, this process alone.")


def test_cancel_what_matches(browser: Browser, site: Site) -> None:
    """All that match the filter are told to stop, after their number was shown and confirmed."""
    site.start_several(["load-1", "load-2", "load-3", "mail"])
    with visiting(browser, site) as visitor:
        visitor.visit("?name=load")
        visitor.page.get_by_role("button", name="Cancel these").click()
        expect(visitor.page.locator("#cancel-title")).to_have_text("Cancel 3 operations?")
        visitor.page.get_by_role("button", name="Do nothing").click()
        expect(names(visitor)).to_have_count(3)
        visitor.page.get_by_role("button", name="Cancel these").click()
        visitor.page.get_by_label("Reason").select_option("shutdown")
        visitor.page.get_by_label("Message").fill("maintenance")
        visitor.page.get_by_role("button", name="Tell to stop").click()
        expect(visitor.page.locator("#notice")).to_have_text("3 operations were told to stop.")
        expect(names(visitor)).to_have_count(0)
        visitor.page.get_by_role("link", name="Show all").click()
        expect(names(visitor)).to_have_text(["mail"])
        visitor.page.get_by_role("button", name="Ended").click()
        expect(visitor.page.locator("#ended td.why")).to_have_text(["shutdown: maintenance"] * 3)


def test_more_match_than_were_confirmed(browser: Browser, site: Site) -> None:
    """When more match than were counted, nothing is told, and the page says so."""
    site.start("load-1")
    with visiting(browser, site) as visitor:
        visitor.visit()
        visitor.page.get_by_role("button", name="Cancel these").click()
        expect(visitor.page.locator("#cancel-title")).to_have_text("Cancel 1 operation?")
        expect(visitor.page.locator("#cancel-text")).to_contain_text("there is no filter")
        site.start("load-2")
        visitor.tolerate("409")
        expect(names(visitor)).to_have_count(2)
        visitor.page.get_by_role("button", name="Tell to stop").click()
        expect(visitor.page.locator("#notice.error")).to_contain_text("2 operations match, more than the 1")
        expect(visitor.page.locator("#operations .badge")).to_have_text(["running", "running"])
