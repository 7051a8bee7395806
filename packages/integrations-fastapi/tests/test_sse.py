"""Server-sent events: FastAPI's framing, where an event ends, and pings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.types import Message

from hother.cancelable import Cancelable
from hother.cancelable.integrations.fastapi import cancelable_streaming_response
from hother.cancelable.integrations.fastapi.sse import EventBoundary, framed, is_event_stream

from .hand_made import LEFT, NO_BODY, Channel
from .streams import Diary, bodies, count_tasks, give, is_complete, run, sending, wait_after

SSE = "text/event-stream"
PING = b": ping\n\n"


class Point(BaseModel):
    """Something to be sent as JSON."""

    x: int


async def test_events_are_framed_as_fastapi_does() -> None:
    """Each kind of event looks on the wire as it does from FastAPI's own route."""
    events = [
        ServerSentEvent(data={"a": [1, "é", None]}),
        ServerSentEvent(data="quoted"),
        ServerSentEvent(data=Point(x=1), event="point", id="7", retry=10),
        ServerSentEvent(data=[Point(x=2)]),
        ServerSentEvent(raw_data="two\nlines", comment="why"),
        ServerSentEvent(comment="nothing\nelse"),
        ServerSentEvent(data=False),
    ]
    app = FastAPI()

    @app.get("/", response_class=EventSourceResponse)
    async def stream() -> AsyncIterator[Any]:
        for event in events:
            yield event

    channel = Channel(NO_BODY)
    await run(channel, app, False)
    assert bodies(channel) == [framed(event) for event in events]


async def test_events_are_streamed() -> None:
    """Events of FastAPI and ready-made text may be mixed, and each is one piece of the body."""
    channel = Channel(NO_BODY)
    source: list[str | ServerSentEvent] = ["data: text\n\n", ServerSentEvent(data={"a": 1}, event="x")]
    await run(channel, cancelable_streaming_response(source), True)
    assert bodies(channel) == [b"data: text\n\n", b'event: x\ndata: {"a": 1}\n\n']
    assert is_complete(channel)


def test_numbers_that_json_lacks() -> None:
    """Infinity and NaN become null, so that a browser can read what comes."""
    event = ServerSentEvent(data={"a": float("inf"), "b": [float("nan"), 1.5]})
    assert framed(event) == b'data: {"a": null, "b": [null, 1.5]}\n\n'


@pytest.mark.parametrize(
    ("media_type", "is_one"),
    [(SSE, True), ("Text/Event-Stream; charset=utf-8", True), ("text/plain", False), ("text/event-streams", False)],
)
def test_media_type(media_type: str, is_one: bool) -> None:
    """Event streams are told by their media type, whatever its case and parameters."""
    assert is_event_stream(media_type) is is_one


@pytest.mark.parametrize(
    ("pieces", "clean"),
    [
        ([], True),
        ([b"data: 1\n\n"], True),
        ([b"data: 1\n", b"\n"], True),
        ([b"data: 1\r\n\r\n"], True),
        ([b"data: 1\r\n", b"\r", b"\n"], True),
        ([b"data: 1\r\r"], True),
        ([b"data: 1\n\n", b""], True),
        ([b"data: 1\n"], False),
        ([b"data: 1\r\n"], False),
        ([b"data: 1\n\n", b"data: 2"], False),
    ],
)
def test_event_boundary(pieces: list[bytes], clean: bool) -> None:
    """An event ends with an empty line, whatever ends the lines and however it is cut into pieces."""
    boundary = EventBoundary()
    for piece in pieces:
        boundary.sending(piece)
        boundary.sent()
    assert boundary.clean is clean


def test_piece_that_may_be_lost() -> None:
    """While a piece is being sent, the client is between events only if it is before and after that piece."""
    whole, half = EventBoundary(), EventBoundary()
    whole.sending(b"data: 1\n\n")
    assert whole.clean
    half.sending(b"data: 1\n")
    half.sent()
    half.sending(b"\n")
    assert not half.clean
    half.sent()
    assert half.clean


class TimedChannel(Channel):
    """A channel that notes when it got what."""

    def __init__(self) -> None:
        super().__init__(NO_BODY)
        self.began: float = anyio.current_time()
        self.log: list[tuple[float, bytes]] = []

    async def send(self, message: Message) -> None:
        """Note a piece of the body."""
        await super().send(message)
        if message.get("body"):
            self.log.append((round(anyio.current_time() - self.began, 2), message["body"]))


@pytest.mark.virtual_time
async def test_pings() -> None:
    """A comment is sent whenever nothing was sent for so long, counted from the last thing that was sent."""
    channel = TimedChannel()

    async def generate() -> AsyncIterator[str]:
        await anyio.sleep(25)
        yield "data: 1\n\n"
        await anyio.sleep(9)
        yield "data: 2\n\n"
        await anyio.sleep(15)

    await run(channel, cancelable_streaming_response(generate(), ping=10), True)
    expected = [(10, PING), (20, PING), (25, b"data: 1\n\n"), (34, b"data: 2\n\n"), (44, PING)]
    assert channel.log == expected
    assert is_complete(channel)


@pytest.mark.virtual_time
async def test_no_ping_within_an_event() -> None:
    """A generator that yields half an event is not disturbed until the other half has come."""
    channel = TimedChannel()

    async def generate() -> AsyncIterator[str]:
        yield "data: 1\n"
        await anyio.sleep(25)
        yield "\n"
        await anyio.sleep(15)

    await run(channel, cancelable_streaming_response(generate(), ping=10), True)
    assert channel.log == [(0, b"data: 1\n"), (25, b"\n"), (35, PING)]


@pytest.mark.virtual_time
async def test_one_send_at_a_time() -> None:
    """A ping and an event are never sent at once, however long the client takes, and no ping follows at its heels."""

    class SlowChannel(TimedChannel):
        sending = 0

        async def send(self, message: Message) -> None:
            self.sending += 1
            assert self.sending == 1
            await anyio.sleep(25)
            self.sending -= 1
            await super().send(message)

    channel = SlowChannel()

    async def generate() -> AsyncIterator[str]:
        yield "data: 1\n\n"
        await anyio.sleep(12)
        yield "data: 2\n\n"

    await run(channel, cancelable_streaming_response(generate(), ping=10), True)
    assert channel.log == [(75, b"data: 1\n\n"), (110, PING), (135, b"data: 2\n\n")]


async def test_nothing_of_the_pings_stays_behind() -> None:
    """The pings have ended with the stream, however it ends."""
    before, channel = count_tasks(), Channel(NO_BODY)
    await run(Channel(NO_BODY), cancelable_streaming_response(give("data: 1\n\n"), ping=10), True)
    assert count_tasks() == before
    async with sending(channel, cancelable_streaming_response(wait_after(Diary()), ping=10), True):
        assert count_tasks() > before + 1
        channel.push(LEFT)
    assert count_tasks() == before


@pytest.mark.virtual_time
async def test_ping_finds_the_client_gone() -> None:
    """A server that says on a ping that the client has left ends the stream without an error."""

    class ClosedChannel(Channel):
        async def send(self, message: Message) -> None:
            if message.get("body") == PING:
                raise BrokenPipeError
            await super().send(message)

    diary, began = Diary(), anyio.current_time()
    await run(ClosedChannel(NO_BODY), cancelable_streaming_response(wait_after(diary), ping=10), False)
    assert anyio.current_time() - began == pytest.approx(10, abs=0.1)
    assert diary.entries == ["closing", "closed"]


@pytest.mark.virtual_time
async def test_ping_that_fails() -> None:
    """An error of the server on a ping ends the stream and leaves as it is."""

    class BrokenChannel(Channel):
        async def send(self, message: Message) -> None:
            if message.get("body") == PING:
                raise LookupError("the server is broken")
            await super().send(message)

    diary = Diary()
    with pytest.raises(LookupError, match="the server is broken"):
        await run(BrokenChannel(NO_BODY), cancelable_streaming_response(wait_after(diary), ping=10), False)
    assert diary.entries == ["closing", "closed"]


@pytest.mark.virtual_time
async def test_pings_do_not_hide_a_timeout() -> None:
    """A stream with pings runs out of time as one without, and its last event comes after them."""
    channel = TimedChannel()
    source = wait_after(Diary())
    await run(channel, cancelable_streaming_response(source, Cancelable(timeout=25), SSE, ping=10), True)
    assert [piece for _, piece in channel.log[:2]] == [PING, PING]
    assert channel.log[2][1].startswith(b"event: cancelled\n")
    assert len(channel.log) == 3
