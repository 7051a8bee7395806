"""What a streaming response sends: start, pieces and end, in the forms of the documents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import anyio
import pytest
from fastapi.sse import ServerSentEvent
from starlette.responses import StreamingResponse

from hother.cancelable import Cancelable, current_operation
from hother.cancelable.integrations.fastapi import CancelableStreamingResponse, cancelable_streaming_response

from .hand_made import NO_BODY, Channel, with_and_without
from .streams import Diary, bodies, give, header, is_complete, run, sending, wait_after


@with_and_without
async def test_body_is_streamed(middleware: bool) -> None:
    """Each item is a piece of the body, in order, behind one start and before one end."""
    channel = Channel(NO_BODY)
    await run(channel, cancelable_streaming_response(give("a", "b"), media_type="text/csv"), middleware)
    assert channel.sent_types == ["http.response.start", *["http.response.body"] * 3]
    assert [message.get("more_body") for message in channel.sent[1:]] == [True, True, False]
    assert bodies(channel) == [b"a", b"b"]
    assert header(channel, b"content-type") == b"text/csv; charset=utf-8"


async def test_text_and_bytes() -> None:
    """Text is encoded, bytes and views of bytes are sent as they are."""
    channel = Channel(NO_BODY)
    items: list[Any] = ["é", b"\xff", memoryview(b"abcd")[::2]]
    await run(channel, cancelable_streaming_response(items, media_type="text/plain"), False)
    assert bodies(channel) == ["é".encode(), b"\xff", b"ac"]


async def test_awaited_or_not() -> None:
    """The result is a `StreamingResponse`, and awaiting it gives itself."""
    response = cancelable_streaming_response(give())
    assert isinstance(response, StreamingResponse)
    assert await response is response


async def test_default_media_types() -> None:
    """A generator alone makes an event stream; with an operation it is plain text; both can be told otherwise."""
    assert cancelable_streaming_response(give()).media_type == "text/event-stream"
    assert cancelable_streaming_response(give(), Cancelable()).media_type == "text/plain"
    assert cancelable_streaming_response(give(), Cancelable(), "text/csv").media_type == "text/csv"


async def test_event_streams_are_not_held_back() -> None:
    """Event streams tell caches and nginx to pass them on, unless the user says otherwise; others do not."""
    response = cancelable_streaming_response(give())
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    response = cancelable_streaming_response(give(), headers={"Cache-Control": "private", "X-Own": "1"})
    assert response.headers.getlist("cache-control") == ["private"]
    assert response.headers["x-own"] == "1"
    assert "cache-control" not in cancelable_streaming_response(give(), Cancelable()).headers


async def test_event_stream_starts_at_once() -> None:
    """The client of an event stream gets the headers before the first event; of another stream with the first item."""
    channel, other = Channel(NO_BODY), Channel(NO_BODY)
    async with sending(channel, cancelable_streaming_response(wait_after(Diary())), True) as scope:
        assert channel.sent_types == ["http.response.start", "http.response.body"]
        scope.cancel()
    async with sending(other, cancelable_streaming_response(wait_after(Diary()), Cancelable()), True) as scope:
        assert other.sent == []
        scope.cancel()


async def test_empty_source() -> None:
    """A source without items makes an empty body that is complete."""
    channel = Channel(NO_BODY)
    await run(channel, cancelable_streaming_response([], status_code=202, media_type="text/plain"), True)
    assert channel.sent_types == ["http.response.start", "http.response.body"]
    assert channel.sent[0]["status"] == 202
    assert is_complete(channel)


@pytest.mark.parametrize("size", [1, 3, 4, 100])
async def test_chunk_size_cuts_anew(size: int) -> None:
    """Every piece but the last has exactly the size that was asked for, in bytes, whatever the sizes of the items."""
    channel = Channel(NO_BODY)
    items: list[str | bytes] = ["é" * 5, b"", b"0123456789", "z"]
    await run(channel, cancelable_streaming_response(items, Cancelable(), chunk_size=size), True)
    sent, whole = bodies(channel), "ééééé0123456789z".encode()
    assert b"".join(sent) == whole
    assert {len(piece) for piece in sent[:-1]} <= {size}
    assert 0 < len(sent[-1]) <= size
    assert is_complete(channel)


async def test_head_request() -> None:
    """A HEAD request gets the headers, and the source is closed without having been started."""
    channel, diary, operation = Channel(NO_BODY, method="HEAD"), Diary(), Cancelable()
    source = wait_after(diary, "a")
    await run(channel, cancelable_streaming_response(source, operation), True)
    assert channel.sent_types == ["http.response.start", "http.response.body"]
    assert is_complete(channel)
    assert diary.entries == []
    assert [item async for item in source] == []


async def test_operation_of_the_response() -> None:
    """The generator runs under the operation that was given, or one with the name of the request, in one task."""
    operation, seen = Cancelable(name="mine"), list[Any]()

    async def generate() -> AsyncIterator[str]:
        for _ in range(2):
            seen.append((current_operation(), anyio.get_current_task().id))
            yield "x"

    await run(Channel(NO_BODY), cancelable_streaming_response(generate(), operation), True)
    assert seen == [(operation, anyio.get_current_task().id)] * 2
    assert operation.is_completed
    seen.clear()
    await run(Channel(NO_BODY, path="/numbers"), cancelable_streaming_response(generate()), True)
    assert [found.context.name for found, _ in seen] == ["GET /numbers"] * 2


async def test_operation_that_runs_becomes_the_parent() -> None:
    """An operation that runs already is not entered again: the response has one of its own below it."""
    seen = list[Any]()

    async def generate() -> AsyncIterator[str]:
        seen.append(current_operation())
        yield "x"

    async with Cancelable(name="job") as job:
        response = cancelable_streaming_response(generate(), job)
        await run(Channel(NO_BODY), response, True)
        assert seen[0].parent is job
        assert job.is_running


@pytest.mark.virtual_time
async def test_operation_that_ends_before_the_body_is_sent() -> None:
    """An operation whose block was left before the body is sent, and its timeout with it, ends the response no more."""

    async def generate() -> AsyncIterator[str]:
        yield "x"
        await anyio.sleep(2)

    channel = Channel(NO_BODY)
    async with Cancelable(timeout=1) as operation:
        response = cancelable_streaming_response(generate(), operation)
    await run(channel, response, False)
    assert is_complete(channel)


@pytest.mark.parametrize(
    ("item", "media_type", "error"),
    [
        (7, "text/plain", "a stream yields str, bytes or memoryview, not int: encode 7 first"),
        (ServerSentEvent(data=1), "text/plain", "a stream yields str, bytes or memoryview, not ServerSentEvent"),
        ({"a": 1}, "text/event-stream", r"not dict: yield ServerSentEvent\(data=...\) of fastapi.sse for {'a': 1}"),
    ],
)
async def test_wrong_items(item: Any, media_type: str, error: str) -> None:
    """An item that is no text or bytes is refused with its type and what to yield, and the source is closed."""
    diary = Diary()
    with pytest.raises(TypeError, match=error):
        await run(Channel(NO_BODY), cancelable_streaming_response(wait_after(diary, item), None, media_type), False)
    assert diary.entries == ["closing", "closed"]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"chunk_size": 0}, ValueError, "chunk_size must be at least 1 byte, not 0"),
        ({"chunk_size": -1}, ValueError, "chunk_size must be at least 1 byte, not -1"),
        ({"chunk_size": True}, TypeError, "chunk_size must be a whole number of bytes, not True"),
        ({"chunk_size": 1.5}, TypeError, "chunk_size must be a whole number of bytes, not 1.5"),
        ({"ping": 0}, ValueError, "ping must be more than zero seconds, not 0"),
        ({"ping": "1"}, TypeError, "ping must be a number of seconds or a timedelta, not '1'"),
        ({"ping": 1, "media_type": "text/plain"}, ValueError, "ping is for event streams"),
        ({"ping": timedelta(seconds=1), "chunk_size": 1}, ValueError, "ping and chunk_size exclude each other"),
        ({"cancelable": 30}, TypeError, "cancelable must be a Cancelable, not 30"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], text: str) -> None:
    """A wrong argument is refused at once, with its name and value."""
    with pytest.raises(error, match=text):
        cancelable_streaming_response([], **arguments)


async def test_operation_that_has_ended() -> None:
    """An operation that has ended is refused with what to do instead."""
    async with Cancelable(name="early") as operation:
        pass
    with pytest.raises(RuntimeError, match=r"'early' completed> has ended, .* not entered; the response enters it"):
        CancelableStreamingResponse(give(), operation)
