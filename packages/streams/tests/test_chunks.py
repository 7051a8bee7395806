"""Streams in chunks, without a limit on the waiting."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, CancelationToken, ManualCancelation, current_operation
from hother.cancelable.streams import chunked_cancelable_stream

from .pacing import counting, failing, paced

WAITS = [None, 60.0]


@pytest.mark.parametrize("max_wait", WAITS)
@pytest.mark.parametrize(("to", "sizes"), [(0, []), (1, [1]), (2, [2]), (3, [2, 1]), (6, [2, 2, 2]), (7, [2, 2, 2, 1])])
async def test_full_chunks_and_the_rest(to: int, sizes: list[int], max_wait: float | None) -> None:
    """Chunks are full, except for the last one, and have every item once, in order."""
    async with chunked_cancelable_stream(counting(to), 2, max_wait=max_wait) as stream:
        chunks = [chunk async for chunk in stream]
    assert [len(chunk) for chunk in chunks] == sizes
    assert [item for chunk in chunks for item in chunk] == list(range(to))
    assert stream.rest == []
    assert stream.partial.completed
    assert stream.partial.count == len(sizes)


@pytest.mark.parametrize("max_wait", WAITS)
async def test_inside_an_operation(max_wait: float | None) -> None:
    """Inside an entered operation the chunks are the same, and the operation keeps the count of them."""
    async with Cancelable() as operation:
        async with chunked_cancelable_stream(counting(5), 2, operation, max_wait) as stream:
            assert [chunk async for chunk in stream] == [[0, 1], [2, 3], [4]]
        assert operation.context.partial_result is stream.partial
    assert (stream.partial.count, stream.partial.completed) == (3, True)


async def test_the_source_is_read_on_demand() -> None:
    """Without `max_wait` nothing is read before a chunk is asked for."""
    asked: list[int] = []
    async with chunked_cancelable_stream(counting(10, asked), 3) as stream:
        assert asked == []
        assert await anext(stream) == [0, 1, 2]
        await anyio.wait_all_tasks_blocked()
        assert asked == [0, 1, 2]


@pytest.mark.parametrize("max_wait", WAITS)
async def test_an_error_of_the_source_comes_after_the_items(max_wait: float | None) -> None:
    """What came before an error is handed out first, then the error itself arrives, once."""
    error = OSError("the line is dead")
    async with chunked_cancelable_stream(failing(1, 2, 3, error=error), 2, max_wait=max_wait) as stream:
        assert await anext(stream) == [1, 2]
        assert await anext(stream) == [3]
        with pytest.raises(OSError, match="the line is dead") as caught:
            await anext(stream)
        assert caught.value is error
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert not stream.partial.completed
    assert stream.operation.context.error == "OSError: the line is dead"


async def test_the_rest_after_a_cancel() -> None:
    """What was collected for a chunk when the stream was cancelled is in `rest`."""
    token = CancelationToken()
    send, receive = anyio.create_memory_object_stream[int](10)
    with send, receive:
        for number in range(3):
            send.send_nowait(number)
        async with chunked_cancelable_stream(receive, 2, Cancelable.with_token(token)) as stream:
            assert await anext(stream) == [0, 1]
            async with anyio.create_task_group() as group:
                group.start_soon(_cancel_when_blocked, token)
                with pytest.raises(ManualCancelation):
                    await anext(stream)
            assert stream.rest == [2]
        assert stream.rest == [2]


async def _cancel_when_blocked(token: CancelationToken) -> None:
    await anyio.wait_all_tasks_blocked()
    await token.cancel()


async def test_rest_is_a_copy() -> None:
    """Nobody can take from a chunk by changing `rest`."""
    async with chunked_cancelable_stream(failing(1, error=KeyboardInterrupt()), 2) as stream:
        with pytest.raises(KeyboardInterrupt):
            await anext(stream)
        stream.rest.clear()
        assert stream.rest == [1]


@pytest.mark.parametrize("max_wait", WAITS)
async def test_closing_before_the_first_chunk(max_wait: float | None) -> None:
    """A stream that is left before it began has closed its source, and gives nothing any more."""
    source = paced((0, 1))
    async with chunked_cancelable_stream(source, 2, max_wait=max_wait) as stream:
        pass
    with pytest.raises(StopAsyncIteration):
        await anext(source)
    assert [chunk async for chunk in stream] == []


@pytest.mark.parametrize("max_wait", WAITS)
async def test_the_source_sees_the_operation(max_wait: float | None) -> None:
    """The source runs in the stream's operation, whether in the consumer's task or in one beside it."""
    seen: list[Cancelable | None] = []

    async def source() -> AsyncGenerator[int, None]:
        seen.append(current_operation())
        await anyio.lowlevel.checkpoint()
        yield 1

    async with chunked_cancelable_stream(source(), 1, max_wait=max_wait) as stream:
        assert await anext(stream) == [1]
        assert current_operation() is None
    assert seen == [stream.operation]


class _Thing:
    """No stream."""


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"size": 0}, ValueError, "size must be at least 1, not 0"),
        ({"size": -3}, ValueError, "size must be at least 1, not -3"),
        ({"size": True}, TypeError, "size must be a whole number, not True"),
        ({"size": "3"}, TypeError, "size must be a whole number, not '3'"),
        ({"size": 2.0}, TypeError, "size must be a whole number, not 2.0"),
        ({"max_wait": 0}, ValueError, "max_wait must be more than zero seconds, not 0"),
        ({"max_wait": math.nan}, ValueError, "max_wait must be more than zero seconds, not nan"),
        ({"max_wait": timedelta(seconds=-1)}, ValueError, "max_wait must be more than zero seconds"),
        ({"max_wait": "1"}, TypeError, "max_wait must be a number of seconds or a timedelta, not '1'"),
        ({"max_wait": True}, TypeError, "max_wait must be a number of seconds or a timedelta, not True"),
        ({"cancelable": CancelationToken()}, TypeError, "cancelable must be a Cancelable"),
        ({"stream": [1, 2]}, TypeError, "list is a sync iterable"),
        ({"stream": counting}, TypeError, "call 'counting'"),
        ({"stream": _Thing()}, TypeError, "a stream is something for `async for`"),
    ],
)
def test_bad_input(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    """What cannot work is refused at once, with the argument's name and what was given."""
    given: dict[str, Any] = {"stream": paced((0, 1)), "size": 2, **arguments}
    with pytest.raises(kind) as caught:
        chunked_cancelable_stream(**given)
    assert message in str(caught.value)
