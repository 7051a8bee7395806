"""Streams in more than one task: closed, shared by mistake, or handed over."""

from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationToken,
    ManualCancelation,
    cancelable_stream,
    current_operation,
)
from hother.cancelable.streams import CancelableAsyncIterator

from .shared import Source, count, every_way, stream_maker


@every_way
async def test_closing_in_another_task_between_items(way: str) -> None:
    """The source is closed there, and the consumer finds the stream at its end."""
    source = Source()
    async with stream_maker(way) as stream_of, anyio.create_task_group() as group:
        stream = stream_of(source())
        items = list[int]()
        async for number in stream:
            items.append(number)
            if number == 2:
                group.start_soon(stream.aclose)
                await anyio.wait_all_tasks_blocked()
                assert source.log == ["GeneratorExit", "closed"]
        assert items == [0, 1, 2]
        assert (stream.partial.count, stream.partial.completed) == (3, False)
        await stream.aclose()
        assert stream.operation.is_completed is not way.startswith("inside")


@every_way
async def test_closing_while_another_task_waits(way: str) -> None:
    """It is refused, and harms nothing: the one that waits gets its item, and then the stream can be closed."""
    source = Source()
    async with stream_maker(way) as stream_of, anyio.create_task_group() as group:
        async with stream_of(source(hold_at=2)) as stream:

            async def close() -> None:
                await source.asked.wait()
                with pytest.raises(
                    RuntimeError,
                    match="another task waits for an item of this stream, which is already running; cancel",
                ):
                    await stream.aclose()
                source.release.set()

            group.start_soon(close)
            async for number in stream:
                if number == 3:
                    break
        assert source.log == ["GeneratorExit", "closed"]


@every_way
async def test_two_tasks_that_ask_for_an_item(way: str) -> None:
    """The second one is refused, and harms nothing: the first one gets every item."""
    source, items = Source(5), list[int]()
    async with stream_maker(way) as stream_of, anyio.create_task_group() as group:
        stream = stream_of(source(hold_at=2))

        async def intrude() -> None:
            await source.asked.wait()
            before = current_operation()
            for _ in range(3):
                with pytest.raises(
                    RuntimeError,
                    match="another task waits for an item of this stream, which is already running; cancel",
                ):
                    await anext(stream)
                with pytest.raises(RuntimeError, match="another task waits"):
                    async for _ in stream:
                        pytest.fail("an item came")
                assert current_operation() is before
            source.release.set()

        group.start_soon(intrude)
        async for number in stream:
            items.append(number)
        assert items == [0, 1, 2, 3, 4]
        assert stream.partial.completed
        await checkpoint()


@pytest.mark.parametrize("options", [{}, {"item_timeout": 5}, {"token": CancelationToken()}], ids=str)
async def test_a_stream_that_is_handed_over(options: dict[str, float]) -> None:
    """A stream with an operation of its own goes on in another task, and is cancelled there."""
    source = Source()
    stream = cancelable_stream(source(hold_at=4), **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert await anext(stream) == 0
    items = list[int]()

    async def consume() -> None:
        assert current_operation() is None
        with pytest.raises(ManualCancelation, match="enough"):
            async for number in stream:
                assert current_operation() is None
                items.append(number)

    async with anyio.create_task_group() as group:
        group.start_soon(consume)
        await source.asked.wait()
        await stream.operation.cancel("enough")
    assert items == [1, 2, 3]
    assert source.log[0] == "cancelled"
    assert set(source.operations) == {stream.operation}
    assert stream.operation.is_cancelled


async def test_items_taken_by_turns() -> None:
    """Several tasks may take items one after the other."""
    items = list[int]()

    async def take(stream: CancelableAsyncIterator[int]) -> None:
        async with lock:
            items.append(await anext(stream))

    lock = anyio.Lock()
    stream = cancelable_stream(count(), item_timeout=60, name="shared")
    async with stream, anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(take, stream)
    assert items == list(range(10))
    assert stream.operation.is_completed


async def test_a_stream_of_an_operation_in_a_task_below_it() -> None:
    """In a task started inside its operation a stream is a child, which the operation's scope encloses."""
    source, left = Source(), list[BaseException]()
    streams: list[CancelableAsyncIterator[int]] = []

    async def consume(operation: Cancelable) -> None:
        streams.append(operation.stream(source(hold_at=2)))
        try:
            async for _ in streams[0]:
                assert current_operation() is operation
        except BaseException as error:
            left.append(error)
            raise

    with pytest.raises(ManualCancelation, match="enough"):
        async with Cancelable() as operation, anyio.create_task_group() as group:
            group.start_soon(consume, operation)
            await source.asked.wait()
            await operation.cancel("enough")
    assert isinstance(left[0], anyio.get_cancelled_exc_class())
    context = streams[0].operation.context
    assert streams[0].operation.parent is operation
    assert (context.cancel_reason, context.cause) == (CancelationReason.PARENT, operation.context)


async def test_a_stream_that_was_begun_inside_its_operation_and_handed_over() -> None:
    """The cancel of the operation is seen at the next item, also where no scope of it is around the other task."""
    ready, resume = anyio.Event(), anyio.Event()
    streams: list[CancelableAsyncIterator[int]] = []

    async def consume() -> None:
        await ready.wait()
        with pytest.raises(CancelationError, match="enough"):
            async for number in streams[0]:
                if number == 3:
                    resume.set()
                    await anyio.wait_all_tasks_blocked()

    async with anyio.create_task_group() as group:
        group.start_soon(consume)
        async with Cancelable(move_on=True) as operation:
            streams.append(operation.stream(count()))
            assert await anext(streams[0]) == 0
            ready.set()
            await resume.wait()
            with anyio.CancelScope(shield=True):
                await operation.cancel("enough")
                await anyio.wait_all_tasks_blocked()


async def test_a_stream_that_was_begun_under_a_parent_and_handed_over() -> None:
    """The parent's cancel reaches the stream through the link where its scope is not around the other task."""
    source, ready = Source(), anyio.Event()
    stream = cancelable_stream(source(hold_at=2), name="stream")
    async with anyio.create_task_group() as group:

        async def consume() -> None:
            await ready.wait()
            with anyio.fail_after(5), pytest.raises(CancelationError, match="enough"):
                async for _ in stream:
                    pass

        group.start_soon(consume)
        async with Cancelable(move_on=True) as outer:
            assert await anext(stream) == 0
            assert stream.operation.parent is outer
            ready.set()
            await source.asked.wait()
            await outer.cancel("enough")
            await anyio.sleep_forever()
    assert stream.operation.context.cancel_reason is CancelationReason.PARENT
