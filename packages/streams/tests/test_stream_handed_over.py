"""Streams that were begun inside an operation, and go on in another task or after its block."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from hother.cancelable import Cancelable, ParentCancelation
from hother.cancelable.streams import CancelableAsyncIterator, PauseGate

from .shared import Source, count, settle


class Consumer:
    """Iterates a stream in a task that was started outside the operation."""

    def __init__(self) -> None:
        self.ready = anyio.Event()
        self.streams: list[CancelableAsyncIterator[int]] = []
        self.left: list[ParentCancelation] = []

    async def run(self) -> None:
        await self.ready.wait()
        try:
            async for _ in self.streams[0]:
                pass
        except ParentCancelation as error:
            self.left.append(error)

    def take(self, stream: CancelableAsyncIterator[int]) -> None:
        self.streams.append(stream)
        self.ready.set()


@pytest.mark.parametrize("options", [{}, {"buffer_partial": True}], ids=["bare", "buffered"])
async def test_a_waiting_source_is_interrupted_in_another_task(options: dict[str, Any]) -> None:
    """The cancel of the operation ends the wait there, though no scope of the operation is around that task."""
    source, consumer = Source(), Consumer()
    async with anyio.create_task_group() as group:
        group.start_soon(consumer.run)
        async with Cancelable(move_on=True) as operation:
            stream = operation.stream(source(hold_at=2), **options)
            assert await anext(stream) == 0
            assert stream.operation is operation
            consumer.take(stream)
            with anyio.fail_after(5, shield=True):
                await source.asked.wait()
                await operation.cancel("enough")
                await settle()
                assert [error.message for error in consumer.left] == ["enough"]
    assert source.log[0] == "cancelled"
    assert stream.operation.parent is operation
    assert stream.operation.context.partial_result is stream.partial
    assert (stream.partial.count, stream.partial.completed) == (2, False)


async def test_a_gate_is_left_in_another_task() -> None:
    """A stream that is held by a gate there is ended by the cancel, too."""
    gate, source, consumer = PauseGate(), Source(), Consumer()
    async with anyio.create_task_group() as group:
        group.start_soon(consumer.run)
        async with Cancelable(move_on=True) as operation:
            stream = operation.stream(source(), gate=gate)
            assert await anext(stream) == 0
            gate.pause()
            consumer.take(stream)
            await settle()
            assert consumer.left == []
            with anyio.CancelScope(shield=True):
                await operation.cancel("enough")
                await settle()
            assert [error.message for error in consumer.left] == ["enough"]
        if not consumer.left:
            group.cancel_scope.cancel()
    assert len(consumer.left) == 1
    assert source.log[-1] == "closed"


@pytest.mark.parametrize("options", [{}, {"buffer_partial": True}], ids=["bare", "buffered"])
async def test_a_stream_after_the_block_of_its_operation(options: dict[str, Any]) -> None:
    """It does not go on silently, and can still be closed; one that has come to its end is just at its end."""
    source = Source()
    async with Cancelable(name="job") as operation:
        stream = operation.stream(source(), **options)
        assert await anext(stream) == 0
        ended = operation.stream(count(1), **options)
        assert [number async for number in ended] == [0]
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"'job'.* has ended"):
            await anext(stream)
        with pytest.raises(RuntimeError, match=r"'job'.* has ended"):
            async for _ in stream:
                pytest.fail("an item came")
    assert source.log == []
    await stream.aclose()
    assert source.log == ["GeneratorExit", "closed"]
    assert [number async for number in stream] == []
    assert [number async for number in ended] == []
    assert ended.partial.completed


async def test_handed_over_and_closed_before_the_next_item() -> None:
    """The source is closed, whether or not the stream was asked for an item before and after."""
    async with Cancelable() as operation, anyio.create_task_group() as group:
        for begin in (False, True):
            source = Source()
            stream = operation.stream(source())
            aiter(stream)
            if begin:
                assert await anext(stream) == 0

            async def close(stream: CancelableAsyncIterator[int] = stream) -> None:
                aiter(stream)
                await stream.aclose()
                await stream.aclose()

            group.start_soon(close)
            await settle()
            assert source.log == (["GeneratorExit", "closed"] if begin else [])
            assert [number async for number in stream] == []


async def test_handed_over_before_the_first_item() -> None:
    """Where it was only asked for its iterator, a stream begins in the task that takes the first item."""
    items = list[int]()
    async with Cancelable() as operation, anyio.create_task_group() as group:
        stream = operation.stream(count(3), buffer_partial=True)
        aiter(stream)

        async def consume() -> None:
            items.extend([number async for number in stream])

        group.start_soon(consume)
    assert items == [0, 1, 2]
    assert stream.operation.parent is operation
    assert stream.operation.is_completed
    assert (stream.partial.buffer, stream.partial.completed) == ([0, 1, 2], True)


async def test_cancelled_between_the_iterator_and_the_first_item() -> None:
    """Where the operation was told to stop before the first item, in another task, its source is closed."""

    class Closable:
        closed = 0

        def __aiter__(self) -> AsyncIterator[int]:
            return self

        async def __anext__(self) -> int:
            raise AssertionError("an item was asked for")

        async def aclose(self) -> None:
            self.closed += 1

    source, left = Closable(), list[ParentCancelation]()
    ready = anyio.Event()
    async with anyio.create_task_group() as group:

        async def consume() -> None:
            await ready.wait()
            with pytest.raises(ParentCancelation) as caught:
                await anext(stream)
            left.append(caught.value)

        group.start_soon(consume)
        async with Cancelable(move_on=True) as operation:
            stream = operation.stream(source)
            aiter(stream)
            with anyio.CancelScope(shield=True):
                await operation.cancel("enough")
                ready.set()
                await settle()
            assert source.closed == 1
    assert [error.message for error in left] == ["enough"]


async def test_the_operation_of_a_stream_is_one_and_the_same() -> None:
    """Given a running operation, a stream that needs its own has it from the start; a cancel of it is not lost."""
    async with Cancelable() as outer:
        stream = outer.stream(count(), item_timeout=60, name="part")
        own = stream.operation
        assert own is not outer
        assert own.context.name == "part"
        assert await anext(stream) == 0
        assert stream.operation is own
        assert own.parent is outer
        assert outer.context.partial_result is stream.partial
        await stream.aclose()
    assert own.is_completed


async def test_an_operation_that_ends_before_the_first_item() -> None:
    """A stream with an operation of its own does not begin when the one above it has ended meanwhile."""
    async with Cancelable(name="job") as outer:
        stream = outer.stream(count(), item_timeout=60)
    with pytest.raises(RuntimeError, match=r"'job'.* has ended"):
        await anext(stream)
    await stream.aclose()


async def test_the_token_of_the_operation_itself() -> None:
    """Given besides, it changes nothing."""
    for entered in (False, True):
        operation = Cancelable()
        if entered:
            async with operation:
                stream = operation.stream(count(2), token=operation.token)
                assert [number async for number in stream] == [0, 1]
        else:
            stream = operation.stream(count(2), token=operation.token)
            assert [number async for number in stream] == [0, 1]
            assert stream.operation is operation
        assert operation.is_completed
