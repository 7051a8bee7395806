"""What a source holds open across its `yield`, scopes and operations and task groups, is left in order."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from starlette.types import Message

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.integrations.fastapi import cancelable_streaming_response

from .hand_made import LEFT, NO_BODY, Channel, with_and_without
from .streams import Diary, bodies, is_complete, run, sending


@with_and_without
async def test_nested_operations(middleware: bool) -> None:
    """An operation that the source holds across its `yield`, as the guide shows, ends with the client, too."""
    channel, diary, inner = Channel(NO_BODY), Diary(), Cancelable(name="stream_7")

    async def generate() -> AsyncIterator[str]:
        async with inner:
            try:
                yield "data: 0\n\n"
                await anyio.sleep_forever()
            finally:
                await diary.clean_up()

    async with sending(channel, cancelable_streaming_response(generate()), middleware):
        channel.push(LEFT)
    assert diary.entries == ["closing", "closed"]
    assert inner.is_cancelled
    assert bodies(channel) == [b"data: 0\n\n"]


@with_and_without
@pytest.mark.parametrize("waits", [True, False])
async def test_record_of_a_nested_operation(waits: bool, middleware: bool) -> None:
    """An operation of the source is on record as ended by the one above it, wherever the source was interrupted."""
    channel, inner, operation = Channel(NO_BODY), Cancelable(), Cancelable()

    async def generate() -> AsyncIterator[str]:
        async with inner:
            while True:
                yield "x"
                if waits:
                    await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(run, channel, cancelable_streaming_response(generate(), operation), middleware)
        for _ in range(20):
            await anyio.sleep(0)
        channel.push(LEFT)
    assert inner.context.cancel_reason is CancelationReason.PARENT
    assert inner.context.cause is operation.context


async def test_task_group_is_closed_with_the_source() -> None:
    """A task group that is open where the source is closed puts no group around what has ended the response."""

    async def generate() -> AsyncIterator[Any]:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            yield 7

    with pytest.raises(TypeError, match="encode 7 first"):
        await run(Channel(NO_BODY), cancelable_streaming_response(generate(), Cancelable()), False)


@pytest.mark.virtual_time
async def test_interruption_that_is_swallowed() -> None:
    """A source that takes the end of the operation for its own makes no complete body of what was sent."""

    async def generate() -> AsyncIterator[str]:
        try:
            yield "half"
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            return

    async def never_waits() -> AsyncIterator[str]:
        with contextlib.suppress(anyio.get_cancelled_exc_class()):
            while True:
                await anyio.sleep(1)
                yield "half"
                await anyio.sleep(0)

    for source in (generate(), never_waits()):
        channel = Channel(NO_BODY)
        with pytest.raises(TimeoutError):
            await run(channel, cancelable_streaming_response(source, Cancelable(timeout=1.5)), False)
        assert not is_complete(channel)


class SlowChannel(Channel):
    """A channel whose client does not read: a piece of the body with certain bytes is never taken."""

    def __init__(self, stop: bytes) -> None:
        super().__init__(NO_BODY)
        self.stop: bytes = stop

    async def send(self, message: Message) -> None:
        """Wait for ever with a piece that has the bytes."""
        if self.stop in message.get("body", b""):
            await anyio.sleep_forever()
        await super().send(message)


@pytest.mark.virtual_time
async def test_scope_of_the_source_interrupts_the_sending() -> None:
    """A timeout of the source that runs out while a piece is being sent ends the source, and not the server's task."""
    channel, inner = SlowChannel(b"stuck"), Cancelable.with_timeout(1, move_on=True)

    async def generate() -> AsyncIterator[str]:
        async with inner:
            yield "first"
            yield "stuck"

    await run(channel, cancelable_streaming_response(generate(), Cancelable()), True)
    assert inner.context.cancel_reason is CancelationReason.TIMEOUT
    assert bodies(channel) == [b"first"]
    assert is_complete(channel)


@pytest.mark.virtual_time
async def test_no_hole_in_the_body() -> None:
    """A source that goes on after a piece may have been lost is stopped: what is sent must not have a hole."""
    channel, diary = SlowChannel(b"stuck"), Diary()

    async def generate() -> AsyncIterator[str]:
        try:
            with anyio.move_on_after(1):
                yield "stuck"
            yield "after"
        finally:
            await diary.clean_up()

    with pytest.raises(RuntimeError, match="went on after it was interrupted"):
        await run(channel, cancelable_streaming_response(generate(), Cancelable()), True)
    assert bodies(channel) == []
    assert not channel.sent or not is_complete(channel)
    assert diary.entries == ["closing", "closed"]


class QuickChannel(Channel):
    """A channel that takes everything at once, without a checkpoint."""

    async def send(self, message: Message) -> None:
        """Keep what the app sends."""
        self.sent.append(message)


async def test_source_goes_on_after_its_own_scope() -> None:
    """A source whose own scope was cancelled between two pieces goes on, and can still be interrupted."""
    channel, diary = QuickChannel(NO_BODY), Diary()

    async def generate() -> AsyncIterator[str]:
        try:
            with anyio.CancelScope() as scope:
                scope.cancel()
                yield "a"
                yield "never"
            with anyio.CancelScope() as scope:
                scope.cancel()
                try:
                    await anyio.sleep_forever()
                finally:
                    with anyio.CancelScope(shield=True):
                        await anyio.sleep(0)
            yield "b"
            await anyio.sleep_forever()
        finally:
            await diary.clean_up()

    async with sending(channel, cancelable_streaming_response(generate(), Cancelable()), True):
        assert bodies(channel) == [b"a", b"b"]
        channel.push(LEFT)
    assert diary.entries == ["closing", "closed"]


@pytest.mark.virtual_time
async def test_own_timeouts_of_the_source_protect_nothing() -> None:
    """A source that lives by timeouts of its own hears of the end of the operation, however often they ran out."""
    diary, operation = Diary(), Cancelable(timeout=100)

    async def generate() -> AsyncIterator[str]:
        try:
            while True:
                with anyio.move_on_after(1):
                    try:
                        await anyio.sleep_forever()
                    finally:
                        await anyio.sleep(1)  # is interrupted, too
        finally:
            await diary.clean_up()
        yield ""

    began = anyio.current_time()
    with pytest.raises(TimeoutError):
        await run(Channel(NO_BODY), cancelable_streaming_response(generate(), operation), False)
    assert 100 <= anyio.current_time() - began < 101
    assert diary.entries == ["closing", "closed"]


async def test_task_group_in_the_source() -> None:
    """A source may hold a task group across its `yield`; it is cancelled and closed with it."""
    channel, diary = Channel(NO_BODY), Diary()

    async def beside() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            diary.entries.append("beside")

    async def generate() -> AsyncIterator[str]:
        async with anyio.create_task_group() as group:
            group.start_soon(beside)
            await anyio.wait_all_tasks_blocked()
            while True:
                yield "a"

    async with anyio.create_task_group() as group:
        group.start_soon(run, channel, cancelable_streaming_response(generate(), Cancelable()), True)
        for _ in range(20):
            await anyio.sleep(0.001)
        channel.push(LEFT)
    assert diary.entries == ["beside"]
