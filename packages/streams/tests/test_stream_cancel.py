"""Cancelling a stream: while it waits, between items, from other tasks, and whatever its source does."""

from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationToken,
    ManualCancelation,
    OperationStatus,
    ParentCancelation,
    cancelable_stream,
)
from hother.cancelable.streams.driving import TURN

from .shared import Source, count, count_at_once, every_way, stream_maker


@every_way
async def test_a_cancel_while_an_item_is_waited_for(way: str) -> None:
    """The source is interrupted where it waits, and the reason leaves the loop."""
    source, items = Source(), list[int]()
    async with anyio.create_task_group() as group:
        with pytest.raises(ManualCancelation, match="enough"):
            async with stream_maker(way) as stream_of:
                stream = stream_of(source(hold_at=2))

                async def cancel() -> None:
                    await source.asked.wait()
                    await stream.operation.cancel("enough")

                group.start_soon(cancel)
                async for number in stream:
                    items.append(number)
    assert items == [0, 1]
    assert source.log[0] == "cancelled"
    context = stream.operation.context
    assert (context.status, context.cancel_reason) == (OperationStatus.CANCELLED, CancelationReason.MANUAL)
    assert context.cancel_message == "enough"
    assert context.partial_result is stream.partial
    assert (stream.partial.count, stream.partial.completed) == (2, False)


@pytest.mark.parametrize("waits", [True, False])
@every_way
async def test_a_cancel_between_items(way: str, waits: bool) -> None:
    """The body that asked for it goes on to its end where the stream is an operation itself; no further item comes."""
    items, done = list[int](), list[int]()
    with pytest.raises(ManualCancelation, match="enough"):
        async with stream_maker(way) as stream_of:
            stream = stream_of(count() if waits else count_at_once())
            async for number in stream:
                items.append(number)
                if number == 2:
                    await stream.operation.cancel("enough")
                    if not way.startswith("inside"):
                        await checkpoint()
                done.append(number)
    assert items == done == [0, 1, 2]
    assert stream.operation.is_cancelled
    assert (stream.partial.count, stream.partial.completed) == (3, False)


@pytest.mark.parametrize("waits", [True, False])
@every_way
async def test_a_cancel_before_the_first_item(way: str, waits: bool) -> None:
    """No item comes, and the source never starts."""
    with pytest.raises(ManualCancelation):
        async with stream_maker(way) as stream_of:
            stream = stream_of(count() if waits else count_at_once())
            if way in ("with limits", "alone", "with a token"):
                await stream.operation.token.cancel()
            else:
                await stream.operation.cancel()
            async for _ in stream:
                pytest.fail("an item came")
    assert stream.operation.is_cancelled
    assert stream.partial.count == 0


@every_way
async def test_a_source_that_never_waits_lets_others_run(way: str) -> None:
    """Other tasks get their turn every so many items, and so does one that cancels."""
    async with anyio.create_task_group() as group:
        with pytest.raises(ManualCancelation):
            async with stream_maker(way) as stream_of:
                stream = stream_of(count_at_once())

                async def cancel() -> None:
                    await stream.operation.cancel()

                group.start_soon(cancel)
                async for number in stream:
                    assert number < 4 * TURN
    assert stream.operation.is_cancelled


@every_way
async def test_a_source_that_never_waits_in_a_scope_that_is_cancelled(way: str) -> None:
    """A cancellation of the surroundings gets through, too."""
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel, group.cancel_scope)
        async with stream_maker(way) as stream_of:
            async for number in stream_of(count_at_once()):
                assert number < 4 * TURN


async def _cancel(scope: anyio.CancelScope) -> None:
    scope.cancel()


@pytest.mark.parametrize("cancel_first", [True, False])
@pytest.mark.parametrize("sent", [1, 2])
@every_way
async def test_an_item_that_comes_with_the_cancel_is_not_lost(way: str, sent: int, cancel_first: bool) -> None:
    """Where an item and a cancel come in the same turn, the item is handed out or still in the queue."""
    send, receive = anyio.create_memory_object_stream[int](10)
    items = list[int]()
    async with send, receive, anyio.create_task_group() as group:
        with pytest.raises(ManualCancelation):
            async with stream_maker(way) as stream_of:
                stream = stream_of(receive)

                async def both() -> None:
                    await anyio.wait_all_tasks_blocked()
                    if cancel_first:
                        stream.operation.cancel_sync()
                    for number in range(sent):
                        send.send_nowait(number)
                    stream.operation.cancel_sync()

                group.start_soon(both)
                async for number in stream:
                    items.append(number)
        assert len(items) + receive.statistics().current_buffer_used == sent
    assert items == list(range(len(items)))
    assert stream.partial.count == len(items)


async def test_a_token() -> None:
    """A token of the stream's ends it, with the reason and message, and the operation around it goes on."""
    token = CancelationToken()
    async with Cancelable() as operation:
        stream = operation.stream(count(), token=token)
        with pytest.raises(ManualCancelation, match="pressed stop"):
            async for number in stream:
                if number == 2:
                    token.cancel_sync("pressed stop")
        assert not operation.cancel_requested
        assert stream.operation.parent is operation
    assert operation.is_completed
    assert len(token._listeners) == 0


async def test_a_token_that_was_cancelled_before() -> None:
    """The stream gives nothing."""
    token = CancelationToken()
    token.cancel_sync("too late")
    with pytest.raises(ManualCancelation, match="too late"):
        async for _ in cancelable_stream(count_at_once(), token=token):
            pytest.fail("an item came")


async def test_a_token_and_an_operation_that_was_not_entered() -> None:
    """The token ends the operation that was given."""
    token, operation = CancelationToken(), Cancelable(name="job")
    with pytest.raises(ManualCancelation, match=r"'job'.*pressed stop"):
        async for _ in operation.stream(count(), token=token):
            token.cancel_sync("pressed stop")
    assert operation.is_cancelled
    assert len(token._listeners) == 0


@pytest.mark.parametrize("between", [True, False])
async def test_the_parents_cancel_reaches_the_stream(between: bool) -> None:
    """The stream ends with the operation it runs in, for the reason PARENT."""
    source = Source()
    streams = []
    async with anyio.create_task_group() as group:
        with pytest.raises(ManualCancelation, match="going down"):
            async with Cancelable(name="outer") as outer:
                stream = cancelable_stream(source(hold_at=2), item_timeout=1000)
                streams.append(stream)

                async def cancel() -> None:
                    await source.asked.wait()
                    await outer.cancel("going down")

                group.start_soon(cancel)
                async for number in stream:
                    if between and number == 1:
                        await outer.cancel("going down")
        group.cancel_scope.cancel()
    context = streams[0].operation.context
    assert (context.status, context.cancel_reason) == (OperationStatus.CANCELLED, CancelationReason.PARENT)
    assert context.cause is outer.context
    assert context.cancel_message == "going down"


async def test_the_parents_cancel_reaches_a_stream_in_another_task() -> None:
    """A stream given an operation that another task has entered is its child, and ends through the link."""
    source, ready = Source(), anyio.Event()
    async with anyio.create_task_group() as group:
        operation = Cancelable(name="outer", move_on=True)

        async def enter() -> None:
            async with operation:
                ready.set()
                await anyio.sleep_forever()

        async def cancel() -> None:
            await source.asked.wait()
            await operation.cancel("going down")

        group.start_soon(enter)
        await ready.wait()
        group.start_soon(cancel)
        stream = operation.stream(source(hold_at=2))
        with pytest.raises(ParentCancelation, match="going down"):
            async for _ in stream:
                assert operation.context.partial_result is stream.partial
    assert stream.operation is not operation
    assert stream.operation.parent is operation
    assert stream.operation.context.cause is operation.context
    assert source.log[0] == "cancelled"
