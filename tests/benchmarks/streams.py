"""The rows of streams: what one item costs more than through the bare async generator."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from typing import Any

from anyio.lowlevel import checkpoint
from measuring import Row, Work, per_call

from hother.cancelable import Cancelable, cancelable_stream

Source = Callable[[int], AsyncGenerator[int, None]]

ITEMS, TIMES = 4000, 3
"""Items of a stream, and how many streams a round takes: the best of them counts, for the differences are small."""


async def never_awaits(times: int) -> AsyncGenerator[int, None]:
    for number in range(times):
        yield number


async def awaits_a_checkpoint(times: int) -> AsyncGenerator[int, None]:
    for number in range(times):
        await checkpoint()
        yield number


async def _consume(stream: AsyncIterable[int]) -> None:
    async for _ in stream:
        pass


def _best(block: Callable[[int], Awaitable[None]]) -> Work:
    once = per_call(block, ITEMS)

    async def work() -> float:
        return min([await once() for _ in range(TIMES)])

    return work


def bare(source: Source) -> Work:
    """Consume the source itself."""

    async def work(times: int) -> None:
        await _consume(source(times))

    return _best(work)


def inside(source: Source, **options: Any) -> Work:
    """Consume it through a stream in an operation that was entered."""

    async def work(times: int) -> None:
        async with Cancelable() as operation:
            await _consume(operation.stream(source(times), **options))

    return _best(work)


def alone(source: Source, **options: Any) -> Work:
    """Consume it through a stream that has an operation of its own."""

    async def work(times: int) -> None:
        async with cancelable_stream(source(times), **options) as stream:
            await _consume(stream)

    return _best(work)


def _row(path: str, limit: float, wrapped: Callable[..., Work], source: Source, **options: Any) -> Row:
    former = wrapped is inside
    return Row(path, "bare async generator", limit, wrapped(source, **options), bare(source), rounds=15, former=former)


ROWS = [
    _row("one item through a stream, source never awaits", 2.5, inside, never_awaits, buffer_partial=False),
    _row("one item, source awaits a checkpoint", 1.1, inside, awaits_a_checkpoint, buffer_partial=False),
    _row("one item, checkpoint, `buffer_partial`", 3, inside, awaits_a_checkpoint, buffer_partial=True),
    _row("one item, checkpoint, operation of its own", 5, alone, awaits_a_checkpoint),
    _row("one item, checkpoint, `item_timeout`", 9, alone, awaits_a_checkpoint, item_timeout=60),
]
