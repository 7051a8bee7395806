"""Streams and the operations that they are given: entered here or elsewhere, still to be entered, or at their end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import (
    Cancelable,
    CancelationToken,
    ManualCancelation,
    Observer,
    OperationStatus,
    ParentCancelation,
    add_observer,
    cancelable_stream,
    current_operation,
    remove_observer,
)

from .shared import Source, count, every_way, stream_maker


@every_way
async def test_the_current_operation(way: str) -> None:
    """Inside the source it is the stream's operation, in its clean-up, too; in the consumer's body what it was."""
    seen: list[Cancelable | None] = []

    async def source() -> AsyncGenerator[int, None]:
        try:
            for number in range(5):
                seen.append(current_operation())
                await checkpoint()
                seen.append(current_operation())
                yield number
        finally:
            await checkpoint()
            seen.append(current_operation())

    async with Cancelable(name="outer"), stream_maker(way) as stream_of:
        before = current_operation()
        async with stream_of(source()) as stream:
            async for number in stream:
                assert current_operation() is before
                if number == 2:
                    break
            assert current_operation() is before
        assert current_operation() is before
        assert set(seen) == {stream.operation}
        assert len(seen) == 7
        assert (stream.operation is before) is way.startswith("inside")
        assert stream.operation.parent is (before if not way.startswith("inside") else before and before.parent)


async def test_an_operation_that_was_entered_here() -> None:
    """It is the stream's, and no other is made."""

    class Started(Observer):
        def __init__(self) -> None:
            self.operations: list[Cancelable] = []

        def operation_started(self, operation: Cancelable) -> None:
            self.operations.append(operation)

    observer = Started()
    add_observer(observer)
    try:
        async with Cancelable() as operation:
            stream = operation.stream(count(3), on_progress=lambda _, __: None)
            assert [number async for number in stream] == [0, 1, 2]
            assert [number async for number in operation.stream(count(2))] == [0, 1]
            assert operation.is_running
        assert observer.operations == [operation]
    finally:
        remove_observer(observer)
    assert stream.operation is operation
    assert operation.is_completed


@pytest.mark.parametrize("option", [{"name": "part"}, {"operation_id": "op-1"}, {"token": CancelationToken()}])
async def test_an_operation_of_its_own_inside_another(option: dict[str, Any]) -> None:
    """With a name, id or token of its own the stream is a child of the operation that was given."""
    async with Cancelable(name="outer") as outer:
        stream = outer.stream(count(3), **option)
        assert [number async for number in stream] == [0, 1, 2]
        assert stream.operation is not outer
        assert stream.operation.parent is outer
        context = stream.operation.context
        assert context.name == option.get("name", "stream")
        assert context.id == option.get("operation_id", context.id)
        assert context.status is OperationStatus.COMPLETED
        assert context.partial_result is outer.context.partial_result is stream.partial


async def test_a_stream_by_itself() -> None:
    """It is an operation with the name and id that it was given, a child of the one that it is iterated in."""
    stream = cancelable_stream(count(3), name="tail", operation_id="op-1")
    assert (stream.operation.context.name, stream.operation.operation_id) == ("tail", "op-1")
    assert not stream.operation.is_running
    async with Cancelable() as outer:
        assert await anext(stream) == 0
        assert stream.operation.is_running
        assert stream.operation.parent is outer
        assert [number async for number in stream] == [1, 2]
    assert stream.operation.is_completed


async def test_an_operation_that_is_entered_after_the_stream_was_made() -> None:
    """What counts is where the stream is iterated first."""
    operation = Cancelable()
    stream = operation.stream(count(3))
    async with operation:
        assert [number async for number in stream] == [0, 1, 2]
        assert operation.is_running
    assert stream.operation is operation


async def test_an_operation_that_was_not_entered() -> None:
    """It becomes the stream's own: it starts with the first item, and ends with the stream."""
    operation = Cancelable(name="job").on_complete(lambda context: told.append(context.status.value))
    told = list[str]()
    stream = operation.stream(count(3))
    assert stream.operation is operation
    assert operation.context.status is OperationStatus.PENDING
    assert await anext(stream) == 0
    assert operation.is_running
    assert operation.context.partial_result is stream.partial
    assert [number async for number in stream] == [1, 2]
    assert told == ["completed"]


@pytest.mark.parametrize("option", [{"name": "part"}, {"operation_id": "op-1"}])
async def test_a_name_for_an_operation_that_has_its_own(option: dict[str, Any]) -> None:
    """A name or id besides an operation that becomes the stream's own is refused; the source is not touched."""
    source = Source()
    stream = Cancelable(name="job").stream(source(), **option)
    with pytest.raises(ValueError, match=r"the stream runs as <Cancelable 'job' pending>.*give them there"):
        await anext(stream)
    assert source.operations == []
    await stream.aclose()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_an_operation_that_has_ended(cancelled: bool) -> None:
    """It cannot run a stream; the error says what would do."""
    source = Source()
    async with Cancelable(name="job", move_on=True) as operation:
        if cancelled:
            await operation.cancel()
            await checkpoint()
    for_each: list[dict[str, Any]] = [{}, {"item_timeout": 5}]
    for options in for_each:
        stream = operation.stream(source(), **options)
        with pytest.raises(RuntimeError, match=r"'job'.* has ended; a stream needs an operation that runs"):
            await anext(stream)
        with pytest.raises(RuntimeError, match="has ended"):
            async for _ in stream:
                pytest.fail("an item came")
        await stream.aclose()
    assert source.operations == []


async def test_an_operation_that_moves_on() -> None:
    """Entered here, its block is left silently; as the stream's own it ends the loop silently."""
    async with Cancelable(move_on=True) as operation:
        async for number in operation.stream(count()):
            if number == 2:
                await operation.cancel()
        pytest.fail("the block went on")
    assert operation.is_cancelled

    operation = Cancelable(move_on=True)
    stream = operation.stream(count())
    async for number in stream:
        assert number < 3
        if number == 2:
            await operation.cancel()
    assert operation.is_cancelled
    assert (stream.partial.count, stream.partial.completed) == (3, False)
    assert [number async for number in stream] == []


async def test_a_shielded_stream() -> None:
    """Inside `shield` a cancel waits for the end of the stream."""
    items = list[int]()
    with pytest.raises(ManualCancelation):
        async with Cancelable() as operation:
            async with operation.shield():
                async for number in operation.stream(count(5)):
                    items.append(number)
                    operation.cancel_sync()
            await checkpoint()
    assert items == [0, 1, 2, 3, 4]


async def test_a_second_stream_of_an_operation_that_another_stream_runs() -> None:
    """Between the items of the first one the operation is not open, so the second one is its child."""
    operation = Cancelable(name="job")
    source = Source()
    async with anyio.create_task_group() as group, operation.stream(count()) as first:
        assert await anext(first) == 0
        second = operation.stream(source(hold_at=1))

        async def cancel() -> None:
            await source.asked.wait()
            await operation.cancel("enough")

        group.start_soon(cancel)
        with pytest.raises(ParentCancelation, match="enough"), anyio.fail_after(5):
            async for _ in second:
                pass
        assert second.operation.parent is operation
        with pytest.raises(ManualCancelation, match="enough"):
            await anext(first)
