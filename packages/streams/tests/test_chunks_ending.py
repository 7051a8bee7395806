"""How chunks with `max_wait` end: the task beside the consumer is gone, the source closed, and nothing lost."""

from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, CancelationToken, ManualCancelation, TimeoutCancelation
from hother.cancelable.streams import chunked_cancelable_stream

from .pacing import Stubborn, failing, has_task_beside, paced


async def test_cancelling_while_collecting() -> None:
    """A cancel interrupts the wait for a chunk, and what was collected for it is in `rest`."""
    token = CancelationToken()
    send, receive = anyio.create_memory_object_stream[int](10)
    with send, receive:
        for number in range(5):
            send.send_nowait(number)
        async with chunked_cancelable_stream(receive, 3, Cancelable.with_token(token), 60) as stream:
            assert await anext(stream) == [0, 1, 2]
            async with anyio.create_task_group() as group:
                group.start_soon(_cancel_when_blocked, token)
                with pytest.raises(ManualCancelation):
                    await anext(stream)
        assert stream.rest == [3, 4]
        assert not has_task_beside()


async def _cancel_when_blocked(token: CancelationToken) -> None:
    await anyio.wait_all_tasks_blocked()
    await token.cancel()


async def test_an_item_that_was_just_received_is_in_the_rest() -> None:
    """An item that was sent to the task beside in the moment of the cancel is not lost."""
    send, receive = anyio.create_memory_object_stream[int](0)
    with send, receive:
        operation = Cancelable(move_on=True)

        async def give_and_cancel() -> None:
            await anyio.wait_all_tasks_blocked()
            send.send_nowait(7)
            operation.cancel_sync()

        stream = chunked_cancelable_stream(receive, 3, operation, 60)
        async with anyio.create_task_group() as group, operation, stream:
            group.start_soon(give_and_cancel)
            await anext(stream)
        assert operation.is_cancelled
        assert stream.rest == [7]


async def test_an_item_that_was_just_received_when_the_stream_is_closed() -> None:
    """An item that was sent to the task beside just before the stream is closed is in `rest`."""
    send, receive = anyio.create_memory_object_stream[int](0)
    with send, receive:
        async with chunked_cancelable_stream(receive, 1, max_wait=60) as stream:
            async with anyio.create_task_group() as group:
                group.start_soon(send.send, 1)
                assert await anext(stream) == [1]
            await anyio.wait_all_tasks_blocked()
            send.send_nowait(2)
        assert stream.rest == [2]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("max_wait", [None, 60.0])
async def test_base_exceptions_of_the_source(kind: type[BaseException], max_wait: float | None) -> None:
    """What is no `Exception` arrives in the consumer at once, with the items in `rest`, and harms no loop."""
    source = failing(1, 2, 3, error=kind("x"))
    async with chunked_cancelable_stream(source, 2, max_wait=max_wait) as stream:
        assert await anext(stream) == [1, 2]
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(kind):
            await anext(stream)
        assert stream.rest == [3]
    await anyio.lowlevel.checkpoint()


async def test_the_cancelled_exception_of_the_backend() -> None:
    """A source that raises the backend's own cancellation, with nobody cancelled, ends the stream, and no more."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class() as error:
            cancelled = error
            raise
    kind = type(cancelled)
    async with chunked_cancelable_stream(failing(1, error=cancelled), 2, max_wait=60) as stream:
        with pytest.raises(kind):
            await anext(stream)
        assert stream.rest == [1]
    del cancelled
    await anyio.wait_all_tasks_blocked()
    async with chunked_cancelable_stream(paced((0, 1)), 2, max_wait=60) as stream:
        assert await anext(stream) == [1]


@pytest.mark.virtual_time
async def test_a_source_that_swallows_the_cancellation() -> None:
    """A source that answers a cancellation with an item is asked no more; the item is in `rest`."""
    async with chunked_cancelable_stream(Stubborn("abc"), 3, max_wait=5) as stream:
        with anyio.move_on_after(1):
            await anext(stream)
    assert stream.rest == ["a"]


@pytest.mark.virtual_time
async def test_a_timeout_of_the_operation() -> None:
    """The operation's own timeout ends the wait for a chunk at its time; what came is in `rest`."""
    start = anyio.current_time()
    source = paced((1, 1), (1, 2), (100, 3))
    async with chunked_cancelable_stream(source, 5, Cancelable.with_timeout(7), 60) as stream:
        with pytest.raises(TimeoutCancelation, match="not done within 7 s"):
            await anext(stream)
    assert anyio.current_time() - start == pytest.approx(7)
    assert stream.rest == [1, 2]


async def test_the_interruption_by_an_enclosing_scope() -> None:
    """A scope around the consumer ends the wait for a chunk, and what came is in `rest`."""
    send, receive = anyio.create_memory_object_stream[int](1)
    with send, receive:
        send.send_nowait(1)
        async with chunked_cancelable_stream(receive, 2, max_wait=60) as stream, anyio.create_task_group() as group:

            async def cancel() -> None:
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()

            group.start_soon(cancel)
            await anext(stream)
        assert stream.rest == [1]
        assert not has_task_beside()
