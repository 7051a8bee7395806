"""The operations page in a real browser: two processes that share a Redis, which goes away and comes back."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple

import pytest
from playwright.sync_api import expect

from .chromium import visiting
from .cutting import Way, way_to
from .operations_page_program import Program, programs
from .redis_service import RedisServer, redis_service

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.server, pytest.mark.timeout(90)]


class Pair(NamedTuple):
    """Two processes that share a Redis."""

    redis: RedisServer
    way: Way
    """On which the first one reaches it."""
    here: Program
    there: Program


@pytest.fixture(scope="module")
def pair() -> Generator[Pair]:
    """Two processes and their Redis, for all tests of this module."""
    with (
        redis_service() as redis,
        way_to(redis.port) as way,
        programs(way.url.replace("http", "redis"), redis.url) as (here, there),
    ):
        yield Pair(redis, way, here, there)


def test_two_processes(browser: Browser, pair: Pair) -> None:
    """The page of one process lists both and what runs in the other, and cancels it there, where it then has ended."""
    _, _, here, there = pair
    with visiting(browser) as visitor:
        visitor.visit(url=here.url)
        expect(visitor.page.locator("#standing")).to_have_text("Live, all processes.")
        job = there.start("import")
        there.report(job, "half-way", 50)
        row = visitor.row("import")
        expect(row.locator("[data-cell=progress] span")).to_have_text("50 %")
        visitor.page.get_by_role("button", name="Workers").click()
        workers = visitor.page.locator("#workers tbody tr")
        expect(workers.locator(".badge")).to_have_text(["up", "up"])
        numbers = workers.evaluate_all("all => all.map(row => [row.cells[3].textContent, row.cells[4].textContent])")
        assert sorted(numbers) == sorted([[str(here.process.pid), "0"], [str(there.process.pid), "1"]])
        visitor.page.get_by_role("button", name="List").click()
        row.locator(".cancel").click()
        visitor.page.get_by_label("Message").fill("wrong file")
        visitor.page.get_by_role("button", name="Tell to stop").click()
        expect(row).to_have_count(0)
        visitor.page.get_by_role("button", name="Ended").click()
        ended = visitor.page.locator("#ended tbody tr")
        expect(ended.locator(".badge")).to_have_text("cancelled")
        expect(ended.locator(".why")).to_have_text("manual: wrong file")
        visitor.visit(f"?open={job}", url=there.url)
        expect(visitor.page.locator("#detail .timeline")).to_contain_text("manual: wrong file")


ALONE = "Live, this process alone: the shared store cannot be reached."


def test_one_process_is_cut_off(browser: Browser, pair: Pair) -> None:
    """Where only the process of the page cannot reach Redis, the page says so, and later it shows all again."""
    _, way, here, there = pair
    with visiting(browser) as visitor:
        visitor.visit(url=here.url)
        mine, other = here.start("mine"), there.start("other")
        names = visitor.page.locator("#operations tbody .open")
        expect(names).to_have_text(["mine", "other"])
        way.cut()
        expect(visitor.page.locator("#standing")).to_have_text(ALONE)
        expect(names).to_have_text(["mine"])
        way.mend()
        expect(visitor.page.locator("#standing")).to_have_text("Live, all processes.")
        expect(names).to_have_text(["mine", "other"])
        here.finish(mine)
        there.finish(other)
        expect(names).to_have_count(0)


def test_redis_goes_away(browser: Browser, pair: Pair) -> None:
    """Without Redis the page says that it shows one process alone, and goes on with it; afterwards all are back."""
    redis, _, here, there = pair
    with visiting(browser) as visitor:
        visitor.visit(url=here.url)
        mine, other = here.start("mine"), there.start("other")
        names = visitor.page.locator("#operations tbody .open")
        expect(names).to_have_text(["mine", "other"])
        redis.stop()
        standing = visitor.page.locator("#standing")
        expect(standing).to_have_text(ALONE)
        expect(names).to_have_text(["mine"])
        here.report(mine, "goes on", 70)
        expect(visitor.row("mine").locator("[data-cell=message]")).to_have_text("goes on")
        visitor.row("mine").locator(".cancel").click()
        visitor.page.get_by_role("button", name="Tell to stop").click()
        expect(names).to_have_count(0)
        here.start("late")
        redis.start()
        expect(standing).to_have_text("Live, all processes.")
        expect(names).to_have_text(["other", "late"])
        there.finish(other)
        expect(names).to_have_text(["late"])
