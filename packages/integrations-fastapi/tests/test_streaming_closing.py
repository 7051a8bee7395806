"""The source of a streaming response is closed at once, in its task, with its awaited clean-up, whatever ends it."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from starlette.types import Message

from hother.cancelable import Cancelable, CancelationReason, ManualCancelation
from hother.cancelable.integrations.fastapi import cancelable_streaming_response, pulling

from .hand_made import LEFT, NO_BODY, Channel, with_and_without
from .streams import Diary, bodies, is_complete, never_wait, run, wait_after

SOURCES = [wait_after, never_wait]


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Switch the garbage collector off."""
    gc.disable()
    yield
    gc.enable()


@with_and_without
@pytest.mark.parametrize("make", SOURCES)
@pytest.mark.usefixtures("no_collector")
async def test_client_leaves(make: Any, middleware: bool) -> None:
    """When the client leaves, nothing more is sent, and the clean-up of the source has awaited all it had to."""
    channel, diary, operation = Channel(NO_BODY), Diary(), Cancelable()
    async with anyio.create_task_group() as group:
        group.start_soon(run, channel, cancelable_streaming_response(make(diary), operation), middleware)
        for _ in range(20):
            await anyio.sleep(0)
        channel.push(LEFT)
    assert diary.entries == ["closing", "closed"]
    assert operation.context.cancel_reason is CancelationReason.DISCONNECT
    assert not channel.sent or not is_complete(channel)


@with_and_without
@pytest.mark.parametrize("make", SOURCES)
async def test_cancelled_from_outside(make: Any, middleware: bool) -> None:
    """A cancellation from outside passes on once the source has cleaned up."""
    channel, diary = Channel(NO_BODY), Diary()
    async with anyio.create_task_group() as group:
        group.start_soon(run, channel, cancelable_streaming_response(make(diary), Cancelable()), middleware)
        for _ in range(20):
            await anyio.sleep(0)
        group.cancel_scope.cancel()
    assert diary.entries == ["closing", "closed"]


@pytest.mark.loops("asyncio", "eager", "uvloop")
@pytest.mark.parametrize("make", SOURCES)
async def test_native_cancel(make: Any) -> None:
    """`Task.cancel` passes on as it came once the source has cleaned up."""
    import asyncio

    diary = Diary()
    response = cancelable_streaming_response(make(diary), Cancelable())
    task = asyncio.create_task(run(Channel(NO_BODY), response, False))
    for _ in range(20):
        await anyio.sleep(0)
    task.cancel("the server says so")
    with pytest.raises(asyncio.CancelledError, match="the server says so"):
        await task
    assert diary.entries == ["closing", "closed"]


async def test_interrupted_at_a_checkpoint() -> None:
    """A source that is interrupted where it only lets others run cleans up all the same."""
    diary = Diary()

    async def generate() -> AsyncIterator[str]:
        try:
            while True:
                await anyio.sleep(0)
        finally:
            await diary.clean_up()
        yield ""

    async with anyio.create_task_group() as group:
        group.start_soon(run, Channel(NO_BODY), cancelable_streaming_response(generate(), Cancelable()), False)
        for _ in range(20):
            await anyio.sleep(0)
        group.cancel_scope.cancel()
    assert diary.entries == ["closing", "closed"]


@pytest.mark.virtual_time
async def test_clean_up_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A clean-up that never ends is cut off with a warning, and what ended the source leaves all the same."""

    async def generate() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            await anyio.sleep_forever()

    began = anyio.current_time()
    with pytest.raises(TimeoutError):
        await run(Channel(NO_BODY), cancelable_streaming_response(generate(), Cancelable(timeout=1)), False)
    assert anyio.current_time() - began == pytest.approx(1 + pulling.CLEANUP_TIMEOUT, abs=0.1)
    assert "was cut off after 30 s" in caplog.text


async def test_error_of_the_source() -> None:
    """An error of the source leaves as it is, after its clean-up, and so does one of the clean-up."""
    diary, error = Diary(), LookupError()

    async def generate() -> AsyncIterator[str]:
        try:
            yield "a"
            raise error
        finally:
            await diary.clean_up()

    with pytest.raises(LookupError) as caught:
        await run(Channel(NO_BODY), cancelable_streaming_response(generate(), Cancelable()), True)
    assert caught.value is error
    assert diary.entries == ["closing", "closed"]


async def test_source_without_a_close() -> None:
    """An iterator that cannot be closed is fine."""

    class Numbers:
        count = 0

        def __aiter__(self) -> Numbers:
            return self

        async def __anext__(self) -> str:
            self.count += 1
            if self.count > 2:
                raise StopAsyncIteration
            return str(self.count)

    channel = Channel(NO_BODY)
    await run(channel, cancelable_streaming_response(Numbers(), Cancelable()), True)
    assert bodies(channel) == [b"1", b"2"]


EVERY = [wait_after, lambda diary, item: never_wait(diary), lambda diary, item: [item] * 1000]


@pytest.mark.parametrize("make", EVERY, ids=["waits", "never waits", "sync"])
@pytest.mark.parametrize("how", ["client leaves", "is cancelled", "is cut"])
async def test_nothing_is_left_to_the_collector(make: Any, how: str) -> None:
    """Once the response has ended, whatever ended it, nothing of it waits for the garbage collector."""
    channel, operation = Channel(NO_BODY), Cancelable()
    media_type = "text/plain" if how == "is cut" else "text/event-stream"
    response = cancelable_streaming_response(make(Diary(), "data: x\n\n"), operation, media_type)
    alive = weakref.ref(response)
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(ManualCancelation):
            await end(channel, response, operation, how)
        del response
        await anyio.wait_all_tasks_blocked()
        assert alive() is None
    finally:
        gc.enable()


async def end(channel: Channel, response: Any, operation: Cancelable, how: str) -> None:
    """Send a response, and end it on the way."""

    class EndingChannel(Channel):
        async def send(self, message: Message) -> None:
            await super().send(message)
            if message.get("body"):
                channel.push(LEFT) if how == "client leaves" else operation.cancel_sync()

    channel.send = EndingChannel(NO_BODY).send  # type: ignore[method-assign]
    await run(channel, response, True)
