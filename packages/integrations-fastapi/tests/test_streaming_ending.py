"""How a streaming response ends before its time, and what the client gets to hear of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from starlette.background import BackgroundTask
from starlette.types import Message

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationToken,
    ManualCancelation,
    ParentCancelation,
    TimeoutCancelation,
)
from hother.cancelable.integrations.fastapi import cancelable_streaming_response

from .hand_made import LEFT, NO_BODY, Channel, with_and_without
from .streams import Diary, bodies, give, is_complete, run, sending, wait_after

SSE = "text/event-stream"
LAST = b'event: cancelled\ndata: {"reason": "timeout", "detail": "The request took too long"}\n\n'


@with_and_without
@pytest.mark.virtual_time
async def test_last_event(middleware: bool) -> None:
    """An event stream whose operation runs out of time ends with an event that says so, and properly."""
    channel, diary = Channel(NO_BODY), Diary()
    source = wait_after(diary, "data: 1\n\n")
    await run(channel, cancelable_streaming_response(source, Cancelable(timeout=1), SSE), middleware)
    assert bodies(channel) == [b"data: 1\n\n", LAST]
    assert is_complete(channel)
    assert diary.entries == ["closing", "closed"]


@with_and_without
@pytest.mark.virtual_time
async def test_operation_inside_the_generator_ends(middleware: bool) -> None:
    """An operation of the generator's own that runs out of time ends the event stream in the same way."""
    channel = Channel(NO_BODY)

    async def generate() -> AsyncIterator[str]:
        async with Cancelable.with_timeout(1):
            yield "data: 1\n\n"
            await anyio.sleep_forever()

    await run(channel, cancelable_streaming_response(generate()), middleware)
    assert bodies(channel) == [b"data: 1\n\n", LAST]
    assert is_complete(channel)


@with_and_without
@pytest.mark.parametrize(("reason", "detail"), [("manual", "The request was cancelled"), ("shutdown", "shutting down")])
async def test_reasons_of_the_last_event(reason: str, detail: str, middleware: bool) -> None:
    """The last event names the reason, whatever it was."""
    channel, operation = Channel(NO_BODY), Cancelable()
    async with sending(channel, cancelable_streaming_response(wait_after(Diary()), operation, SSE), middleware):
        operation.cancel_sync(CancelationReason(reason))
    name, data = bodies(channel)[-1].splitlines()[:2]
    assert name == b"event: cancelled"
    said = json.loads(data.removeprefix(b"data: "))
    assert said["reason"] == reason
    assert detail in said["detail"]
    assert is_complete(channel)


@pytest.mark.virtual_time
async def test_last_event_only_between_events() -> None:
    """A stream that was cancelled within an event is cut off: the last event would complete half of one."""
    channel = Channel(NO_BODY)
    source = wait_after(Diary(), "data: 1\n\n", "data: half")
    with pytest.raises(TimeoutCancelation):
        await run(channel, cancelable_streaming_response(source, Cancelable(timeout=1), SSE), False)
    assert bodies(channel) == [b"data: 1\n\n", b"data: half"]
    assert not is_complete(channel)


@pytest.mark.virtual_time
async def test_last_event_comes_after_the_rest() -> None:
    """Where the body is cut into pieces, what waits to be sent comes before the last event."""
    channel = Channel(NO_BODY)
    source = wait_after(Diary(), "data: 1234\n\n")
    await run(channel, cancelable_streaming_response(source, Cancelable(timeout=1), SSE, 8), True)
    assert bodies(channel) == [b"data: 12", b"34\n\n", LAST]
    assert is_complete(channel)


class StuckChannel(Channel):
    """A channel whose client has stopped reading: after the first piece nothing is taken any more."""

    async def send(self, message: Message) -> None:
        """Take the first piece, then wait for ever."""
        if any(each.get("body") for each in self.sent):
            await anyio.sleep_forever()
        await super().send(message)


@pytest.mark.virtual_time
async def test_client_that_does_not_read() -> None:
    """A client that does not read gets a few seconds for the last event, then the stream is cut off."""
    channel, began = StuckChannel(NO_BODY), anyio.current_time()
    source = wait_after(Diary(), "data: 1\n\n", "data: 2\n\n")
    with pytest.raises(TimeoutCancelation):
        await run(channel, cancelable_streaming_response(source, Cancelable(timeout=1), SSE), False)
    assert anyio.current_time() - began == pytest.approx(1 + 0.05 + 5, abs=0.1)
    assert bodies(channel) == [b"data: 1\n\n"]


@pytest.mark.virtual_time
async def test_other_bodies_are_cut() -> None:
    """A body of another type is cut off, with the exception of the reason: half of it must not look like all."""
    channel = Channel(NO_BODY)
    with pytest.raises(TimeoutCancelation):
        await run(channel, cancelable_streaming_response(wait_after(Diary(), "half"), Cancelable(timeout=1)), False)
    assert bodies(channel) == [b"half"]
    assert not is_complete(channel)


@pytest.mark.virtual_time
@pytest.mark.parametrize("media_type", ["text/plain", SSE])
async def test_error_before_the_start(media_type: str) -> None:
    """An operation that has ended before anything was sent leaves it to others to answer."""
    channel, token = Channel(NO_BODY), CancelationToken()
    token.cancel_sync()
    response = cancelable_streaming_response(wait_after(Diary()), Cancelable(token=token), media_type)
    with pytest.raises(ManualCancelation):
        await run(channel, response, False)
    assert channel.sent == []


@pytest.mark.virtual_time
async def test_timeout_before_the_first_item() -> None:
    """A body that is no event stream has not started before its first item, so the answer can still be a proper one."""
    channel = Channel(NO_BODY)
    with pytest.raises(TimeoutCancelation):
        await run(channel, cancelable_streaming_response(wait_after(Diary()), Cancelable(timeout=1)), False)
    assert channel.sent == []


@pytest.mark.virtual_time
async def test_operation_that_moves_on() -> None:
    """With `move_on` a response ends as it does without: an event stream says why, another body is cut off."""
    channel, events = Channel(NO_BODY), Channel(NO_BODY)
    first, second = (Cancelable(timeout=1, move_on=True) for _ in range(2))
    with pytest.raises(TimeoutCancelation, match="not done within 1 s"):
        await run(channel, cancelable_streaming_response(wait_after(Diary(), "x\n\n"), first), False)
    assert bodies(channel) == [b"x\n\n"]
    assert not is_complete(channel)
    await run(events, cancelable_streaming_response(wait_after(Diary(), "x\n\n"), second, SSE), False)
    assert bodies(events) == [b"x\n\n", LAST]
    assert is_complete(events)


async def test_job_that_ends_elsewhere() -> None:
    """The response ends with the job that it was given, and says so; also where the job has ended just before."""
    channel, early, running = Channel(NO_BODY), Channel(NO_BODY), anyio.Event()

    async def work(job: Cancelable) -> None:
        async with job:
            running.set()
            await anyio.sleep_forever()

    job = Cancelable(name="job", move_on=True)
    async with anyio.create_task_group() as group:
        group.start_soon(work, job)
        await running.wait()
        first, second = (cancelable_streaming_response(wait_after(Diary()), job, SSE) for _ in range(2))
        async with sending(channel, first, True):
            job.cancel_sync("enough")
    assert b'{"reason": "parent"' in bodies(channel)[-1]
    assert is_complete(channel)
    with pytest.raises(ParentCancelation, match="enough"):
        await run(early, second, False)


@with_and_without
@pytest.mark.parametrize("given", [None, "pending", "detached", "running"])
async def test_client_leaves(given: str | None, middleware: bool) -> None:
    """When the client leaves, the response ends without an error and without another byte, whatever its operation."""
    channel, diary = Channel(NO_BODY), Diary()
    async with Cancelable() as running:
        operation = {"pending": Cancelable(), "detached": Cancelable(detached=True), "running": running}.get(
            given or ""
        )
        response = cancelable_streaming_response(wait_after(diary, "x\n\n"), operation, SSE)
        async with sending(channel, response, middleware):
            sent = len(channel.sent)
            channel.push(LEFT)
    assert len(channel.sent) == sent
    assert diary.entries == ["closing", "closed"]
    assert running.is_completed


@with_and_without
async def test_end_of_the_response_is_not_the_client_leaving(middleware: bool) -> None:
    """A server that says "disconnect" as soon as the response is complete ends nothing."""

    class TypicalChannel(Channel):
        async def send(self, message: Message) -> None:
            if not message.get("more_body", True):
                self.push(LEFT)
                await anyio.sleep(0.01)
            await super().send(message)

    channel, operation = TypicalChannel(NO_BODY), Cancelable()
    await run(channel, cancelable_streaming_response(give("a"), operation), middleware)
    assert operation.is_completed
    assert not operation.cancel_requested
    assert is_complete(channel)


@with_and_without
async def test_server_says_on_sending_that_the_client_left(middleware: bool) -> None:
    """A server that raises an `OSError` on sending has no client any more: the operation ends, and no error leaves."""

    class ClosedChannel(Channel):
        async def send(self, message: Message) -> None:
            if message.get("body") == b"2":
                raise BrokenPipeError
            await super().send(message)

    channel, diary, operation = ClosedChannel(NO_BODY), Diary(), Cancelable()
    source = wait_after(diary, "1", "2", "3")
    await run(channel, cancelable_streaming_response(source, operation), middleware)
    assert bodies(channel) == [b"1"]
    assert operation.context.cancel_reason is CancelationReason.DISCONNECT
    assert diary.entries == ["closing", "closed"]


async def test_file_errors_are_errors() -> None:
    """An `OSError` of the generator is not taken for the client leaving."""

    async def generate() -> AsyncIterator[str]:
        yield "x"
        raise FileNotFoundError("data.csv")

    with pytest.raises(FileNotFoundError, match=r"data\.csv"):
        await run(Channel(NO_BODY), cancelable_streaming_response(generate()), False)


@with_and_without
@pytest.mark.parametrize("how", ["ends", "client leaves", "is cancelled", "is cut"])
async def test_background_tasks(how: str, middleware: bool) -> None:
    """Background tasks run however the response has ended, and nothing ends the operations in there."""
    channel, operation, ran = Channel(NO_BODY), Cancelable(), list[Any]()

    async def background() -> None:
        async with Cancelable() as inside:
            await anyio.sleep(0.02)
            ran.append(inside.cancel_requested)

    source = give("x") if how == "ends" else wait_after(Diary(), "x\n\n")
    media_type = "text/plain" if how == "is cut" else SSE
    response = cancelable_streaming_response(source, operation, media_type, background=BackgroundTask(background))
    try:
        async with sending(channel, response, middleware):
            channel.push(LEFT) if how == "client leaves" else operation.cancel_sync()
    except* CancelationError:
        assert how == "is cut"
    assert ran == [False]
