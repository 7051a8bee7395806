"""Pages visit each operation once, also while others come and go."""

from __future__ import annotations

import random
import time
from itertools import chain

import pytest

from hother.cancelable import Cancelable
from hother.cancelable.registry import OperationRegistry

from . import shared
from .shared import each_view, listed, running, work


async def visit(registry: OperationRegistry, limit: int) -> list[list[str]]:
    """Return the ids that each page has."""
    page = await registry.page(limit)
    visited = [[record.id for record in page.records]]
    while page.cursor is not None:
        page = await registry.page(limit, page.cursor)
        visited.append([record.id for record in page.records])
    return visited


@each_view
@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 6), (4, [4, 2]), (3, [3, 3]), (6, [6]), (100, [6])])
async def test_pages(view: shared.View, limit: int, sizes: list[int]) -> None:
    """Pages have what a list has, in its order; the last one has no cursor, and none is empty."""
    origin = OperationRegistry()
    operations = [work(str(number)) for number in range(6)]
    await listed(origin, *operations)
    async with running(*operations):
        visited = await visit(view(origin), limit)
        assert [len(page) for page in visited] == sizes
        assert list(chain(*visited)) == [record.id for record in await origin.list_operations()]


async def test_no_operations() -> None:
    """Without operations there is one empty page."""
    assert await visit(OperationRegistry(), 5) == [[]]


async def test_many_that_began_at_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations that the clock does not tell apart are each visited once."""
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    registry = OperationRegistry()
    operations = [work(operation_id=f"{number}:{number}") for number in range(25)]
    await listed(registry, *operations)
    visited = list(chain(*await visit(registry, 4)))
    assert sorted(visited) == sorted(operation.operation_id for operation in operations)


async def test_while_others_come_and_go() -> None:
    """Who is there all the time is visited once, whoever comes, ends or is entered between two pages."""
    registry, chance = OperationRegistry(), random.Random(6)
    staying = [work(operation_id=f"staying {number}") for number in range(20)]
    going = [work(operation_id=f"going {number}") for number in range(20)]
    mixed = staying + going
    chance.shuffle(mixed)
    await listed(registry, *mixed)
    entered: list[Cancelable] = []
    visited: list[str] = []
    page = await registry.page(3)
    while True:
        visited += [record.id for record in page.records]
        if page.cursor is None:
            break
        await registry.unregister(going.pop().operation_id)
        await registry.register(work())
        pending = next((each for each in staying if each.is_pending), None)
        if pending is not None:
            entered.append(await pending.__aenter__())
        page = await registry.page(3, page.cursor)
    for operation in reversed(entered):
        await operation.__aexit__(None, None, None)
    assert len(entered) > 5
    assert sorted(each for each in visited if each.startswith("staying")) == sorted(
        operation.operation_id for operation in staying
    )
    assert len(visited) == len(set(visited))


async def test_pages_of_a_filter() -> None:
    """Pages of a filter are full as long as there are enough that match."""
    registry = OperationRegistry()
    await listed(registry, *(work(name) for name in "abababababab"))
    page = await registry.page(4, name_pattern="b")
    assert [record.name for record in page.records] == ["b"] * 4
    page = await registry.page(4, page.cursor, name_pattern="b")
    assert [record.name for record in page.records] == ["b"] * 2
    assert page.cursor is None


async def test_a_page_has_500_at_most() -> None:
    """A greater limit is taken as 500."""
    registry = OperationRegistry()
    await listed(registry, *(work() for _ in range(501)))
    page = await registry.page(10_000)
    assert len(page.records) == 500
    assert len((await registry.page(10_000, page.cursor)).records) == 1


async def test_many_pages() -> None:
    """A hundred pages of a hundred visit 10,000 operations once each, and take little time."""
    registry = OperationRegistry()
    operations = [work() for _ in range(10_000)]
    await listed(registry, *operations)
    took: list[float] = []
    page, visited = await registry.page(), list[str]()
    while True:
        visited += [record.id for record in page.records]
        if page.cursor is None:
            break
        began = time.thread_time()
        page = await registry.page(100, page.cursor)
        took.append(time.thread_time() - began)
    assert len(visited) == len(set(visited)) == 10_000
    assert min(took) < 0.1


async def test_a_list_of_many_takes_little_time() -> None:
    """Listing 10,000 operations takes less than 20 ms on a machine that has nothing else to do."""
    registry = OperationRegistry()
    await listed(registry, *(work(str(number)) for number in range(10_000)))
    took: list[float] = []
    for _ in range(10):
        began = time.thread_time()
        assert len(await registry.list_operations()) == 10_000
        took.append(time.thread_time() - began)
    assert min(took) < 0.06  # of the processor; three times as much as that, for machines that are busy
