"""Chunks that are handed out before they are full, because their first item has waited long enough."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from datetime import timedelta

import anyio
import pytest

from hother.cancelable import Cancelable
from hother.cancelable.streams import chunked_cancelable_stream

from .pacing import counting, paced


@pytest.mark.virtual_time
async def test_a_partial_chunk_after_max_wait() -> None:
    """A chunk comes when its first item has waited for `max_wait`, and the item on its way is in the next one."""
    start = anyio.current_time()
    source = paced((1, "a"), (1, "b"), (5, "c"), (0.5, "d"), (0.5, "e"))
    async with chunked_cancelable_stream(source, 3, max_wait=4) as stream:
        came = [(round(anyio.current_time() - start, 6), chunk) async for chunk in stream]
    assert came == [(5, ["a", "b"]), (8, ["c", "d", "e"])]


@pytest.mark.virtual_time
async def test_the_wait_begins_with_the_first_item() -> None:
    """However long the source says nothing, `max_wait` counts only from an item on; as a `timedelta`, too."""
    start = anyio.current_time()
    async with chunked_cancelable_stream(paced((100, 1), (9, 2)), 9, max_wait=timedelta(seconds=2)) as stream:
        assert await anext(stream) == [1]
        assert anyio.current_time() - start == pytest.approx(102)
        assert await anext(stream) == [2]
        assert anyio.current_time() - start == pytest.approx(109)  # the source has ended


@pytest.mark.virtual_time
async def test_the_wait_goes_on_while_the_consumer_works() -> None:
    """A chunk whose first item came while the consumer was busy is not held for longer than `max_wait` in all."""
    start = anyio.current_time()
    async with chunked_cancelable_stream(paced((0, 1), (3, 2), (100, 3)), 2, max_wait=2) as stream:
        assert await anext(stream) == [1]
        assert anyio.current_time() - start == pytest.approx(2)
        await anyio.sleep(2)  # 2 comes at 3
        assert await anext(stream) == [2]
        assert anyio.current_time() - start == pytest.approx(5)
        await anyio.sleep(200)
        assert await anext(stream) == [3]
        assert anyio.current_time() - start == pytest.approx(205)


@pytest.mark.virtual_time
async def test_a_slow_consumer_holds_the_source_back() -> None:
    """While the consumer works the source is read for one more chunk, and no further."""
    asked: list[int] = []
    async with chunked_cancelable_stream(counting(20, asked), 3, max_wait=60) as stream:
        for first in range(0, 15, 3):
            assert await anext(stream) == [first, first + 1, first + 2]
            await anyio.sleep(1000)
            assert asked[-1] == first + 5
            assert stream.rest == [first + 3, first + 4, first + 5]


@pytest.mark.virtual_time
async def test_two_streams_at_once() -> None:
    """Each stream keeps its own time."""
    start = anyio.current_time()
    chunks: list[tuple[float, list[int]]] = []

    def note(chunk: list[int]) -> None:
        chunks.append((round(anyio.current_time() - start, 6), chunk))

    async def consume(seconds: float, max_wait: float) -> None:
        source = paced(*((seconds, number) for number in range(4)))
        async with chunked_cancelable_stream(source, 2, max_wait=max_wait) as stream:
            async for chunk in stream:
                note(chunk)

    async with anyio.create_task_group() as group:
        group.start_soon(consume, 10, 3)
        group.start_soon(consume, 1, 3)
    assert chunks == [(2, [0, 1]), (4, [2, 3]), (13, [0]), (23, [1]), (33, [2]), (40, [3])]


async def _random(dice: random.Random, items: int, at: list[float]) -> AsyncGenerator[int, None]:
    for number in range(items):
        if dice.random() < 0.7:
            await anyio.sleep(dice.choice([0, 0.5, 1, 2, 3, 7]))
        at.append(anyio.current_time())
        yield number
    if dice.random() < 0.2:
        raise OSError("the end")


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.virtual_time
async def test_every_item_once_in_order(inside: bool) -> None:
    """Whatever the timing, each item comes once, in order, and no later than `max_wait` if the consumer waits."""
    for seed in range(150):
        dice = random.Random(seed)
        size, max_wait, at = dice.randint(1, 5), dice.choice([0.5, 1.0, 2.0, 4.0]), list[float]()
        received: list[int] = []
        async with Cancelable() as operation:
            source = _random(dice, dice.randint(0, 20), at)
            async with chunked_cancelable_stream(source, size, operation if inside else None, max_wait) as stream:
                free = anyio.current_time()
                try:
                    async for chunk in stream:
                        assert 0 < len(chunk) <= size
                        earliest = max(at[len(received)] + max_wait, free)
                        assert anyio.current_time() <= earliest + 1e-6
                        received += chunk
                        await anyio.sleep(dice.choice([0, 0, 0.5, 3, 10]))
                        free = anyio.current_time()
                except OSError:
                    pass
        assert received == list(range(len(at)))
        assert stream.rest == []
