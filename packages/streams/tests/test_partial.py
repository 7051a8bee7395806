"""What is known of a stream that did not come to its end."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncGenerator

import pytest

from hother.cancelable import Cancelable, ManualCancelation, cancelable_stream
from hother.cancelable.streams import CancelableAsyncIterator, PartialResult

from .shared import count, count_at_once, every_way, stream_maker


def _facts(stream: CancelableAsyncIterator[int]) -> tuple[int, bool, list[int]]:
    assert stream.operation.context.partial_result is stream.partial
    return stream.partial.count, stream.partial.completed, stream.partial.buffer


@pytest.mark.parametrize("inside", [True, False])
async def test_what_is_kept(inside: bool) -> None:
    """The count and the latest items are known after the end, a `break`, an error and a cancel."""
    async with Cancelable() as operation:
        given = operation if inside else None

        def stream_of(source: AsyncGenerator[int, None]) -> CancelableAsyncIterator[int]:
            return cancelable_stream(source, given, buffer_partial=True, buffer_limit=3)

        stream = stream_of(count(5))
        assert (stream.partial.count, stream.partial.completed, stream.partial.buffer) == (0, False, [])
        async for number in stream:
            assert _facts(stream) == (number + 1, False, list(range(max(number - 2, 0), number + 1)))
        assert _facts(stream) == (5, True, [2, 3, 4])

        async with stream_of(count()) as stream:
            async for number in stream:
                if number == 1:
                    break
        assert _facts(stream) == (2, False, [0, 1])

        stream = stream_of(_broken())
        with pytest.raises(OSError, match="gone"):
            _ = [number async for number in stream]
        assert _facts(stream) == (1, False, [7])

        stream = stream_of(count())
        with pytest.raises(KeyError):
            async for _ in stream:
                raise KeyError
        assert _facts(stream) == (1, False, [0])


async def _broken() -> AsyncGenerator[int, None]:
    yield 7
    raise OSError("gone")


@every_way
async def test_what_is_kept_after_a_cancel(way: str) -> None:
    """It is in the record of the operation, too, which is the same object."""
    with pytest.raises(ManualCancelation) as caught:
        async with stream_maker(way) as stream_of:
            stream = stream_of(count())
            async for number in stream:
                if number == 3:
                    await stream.operation.cancel()
    buffer = [0, 1, 2, 3] if "buffered" in way else []
    assert _facts(stream) == (4, False, buffer)
    assert caught.value.context is not None
    assert caught.value.context.partial_result is stream.partial
    assert caught.value.context.to_dict()["partial_result"] is not None


async def test_an_item_is_counted_when_it_comes() -> None:
    """Without a buffer nothing is kept of the items."""
    stream = cancelable_stream(count(3))
    async for number in stream:
        assert stream.partial.count == number + 1
        assert stream.partial.buffer == []


async def test_the_record_before_the_first_item() -> None:
    """A stream that was not iterated yet has left no trace on the operation that was given."""
    async with Cancelable() as operation:
        stream = operation.stream(count())
        assert operation.context.partial_result is None
        async with stream:
            assert await anext(stream) == 0
        assert operation.context.partial_result is stream.partial
        later = operation.stream(count(2))
        assert [number async for number in later] == [0, 1]
        assert operation.context.partial_result is later.partial


def test_a_partial_result_by_itself() -> None:
    """It counts, keeps the latest, gives a list of its own, and shows what it is."""
    partial = PartialResult(2)
    assert repr(partial) == "<PartialResult 0 items, not completed>"
    for item in "abc":
        partial.add(item)
    partial.buffer.clear()
    assert partial.buffer == ["b", "c"]
    partial.completed = True
    assert repr(partial) == "<PartialResult 3 items, completed>"
    assert partial.to_dict() == {"count": 3, "completed": True, "buffer": ["b", "c"]}


@pytest.mark.timeout(120)
@pytest.mark.loops("uvloop")
async def test_a_million_items_in_constant_memory() -> None:
    """The buffer is bounded, and nothing else grows."""

    async def consume(items: int) -> int:
        stream = cancelable_stream(_blocks(items), operation, buffer_partial=True, buffer_limit=100)
        tracemalloc.start()
        async for _ in stream:
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (stream.partial.count, stream.partial.completed) == (items, True)
        return peak

    async with Cancelable() as operation:
        few = await consume(500)
        many = await consume(10_000)
        assert many < few + 20_000
        stream = operation.stream(count_at_once(1_000_000), buffer_partial=True)
        async for _ in stream:
            pass
        assert (stream.partial.count, len(stream.partial.buffer)) == (1_000_000, 1000)
        assert stream.partial.buffer[-1] == 999_999


async def _blocks(number: int) -> AsyncGenerator[bytes, None]:
    for _ in range(number):
        yield bytes(1000)
