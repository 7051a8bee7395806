"""A body that may have lost a piece, or its end, never gets the end of a whole one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from starlette.types import Message

from hother.cancelable import Cancelable, ManualCancelation, TimeoutCancelation
from hother.cancelable.integrations.fastapi import cancelable_streaming_response

from .hand_made import LEFT, NO_BODY, Channel, with_and_without
from .streams import Diary, bodies, give, is_complete, run, sending, wait_after

SSE = "text/event-stream"
LAST = b'event: cancelled\ndata: {"reason": "timeout", "detail": "The request took too long"}\n\n'

moving_on_or_not = pytest.mark.parametrize("move_on", [True, False], ids=["move_on", "raises"])


class LosingChannel(Channel):
    """A channel that waits with one message until it is interrupted, which is then lost; later ones arrive."""

    def __init__(self, lost: str | bytes) -> None:
        super().__init__(NO_BODY)
        self.lost: str | bytes = lost

    async def send(self, message: Message) -> None:
        """Lose the message that is of the type, or has the body, that shall be lost."""
        if self.lost in (message["type"], message.get("body")):
            await anyio.sleep_forever()
        await super().send(message)


@moving_on_or_not
@pytest.mark.virtual_time
async def test_piece_of_a_body_is_lost(move_on: bool) -> None:
    """When the operation ends while a piece is being sent, neither what waits behind that piece is sent, nor an end."""
    channel, source = LosingChannel(b"bbbb"), wait_after(Diary(), "aaaabbbbcc")
    response = cancelable_streaming_response(source, Cancelable(timeout=1, move_on=move_on), chunk_size=4)
    with pytest.raises(TimeoutCancelation):
        await run(channel, response, False)
    assert bodies(channel) == [b"aaaa"]
    assert not is_complete(channel)


@with_and_without
@moving_on_or_not
@pytest.mark.virtual_time
async def test_event_is_lost(move_on: bool, middleware: bool) -> None:
    """In an event stream nothing follows an event that may be lost but the last one, which says why."""
    channel, source = LosingChannel(b"data: bb\n\n"), wait_after(Diary(), "data: aa\n\ndata: bb\n\ndata: cc\n\n")
    await run(
        channel, cancelable_streaming_response(source, Cancelable(timeout=1, move_on=move_on), SSE, 10), middleware
    )
    assert bodies(channel) == [b"data: aa\n\n", LAST]
    assert is_complete(channel)


@moving_on_or_not
@pytest.mark.parametrize(("lost", "sent"), [(b"data: aa", []), (b"\n\ndata: ", [b"data: aa"])])
@pytest.mark.virtual_time
async def test_event_is_torn(move_on: bool, lost: bytes, sent: list[bytes]) -> None:
    """An event stream that has lost a part of an event is cut off."""
    channel, source = LosingChannel(lost), wait_after(Diary(), "data: aa\n\ndata: bb\n\n")
    with pytest.raises(TimeoutCancelation):
        await run(channel, cancelable_streaming_response(source, Cancelable(timeout=1, move_on=move_on), SSE, 8), False)
    assert bodies(channel) == sent
    assert not channel.sent or not is_complete(channel)


@moving_on_or_not
@pytest.mark.parametrize("media_type", ["text/plain", SSE])
@pytest.mark.virtual_time
async def test_start_is_lost(media_type: str, move_on: bool) -> None:
    """Nothing is sent after a start that may be lost: a server would refuse it."""
    channel, source = LosingChannel("http.response.start"), wait_after(Diary(), "data: 1\n\n")
    response = cancelable_streaming_response(source, Cancelable(timeout=1, move_on=move_on), media_type)
    with pytest.raises(TimeoutCancelation):
        await run(channel, response, False)
    assert channel.sent == []


@pytest.mark.parametrize(
    ("lost", "chunk_size", "sent"), [(b"bbbb", 4, [b"aaaa"]), ("http.response.start", None, [])], ids=["piece", "start"]
)
@pytest.mark.virtual_time
async def test_scope_of_the_source(lost: str | bytes, chunk_size: int | None, sent: list[bytes]) -> None:
    """A scope of the source's own that tears a hole into the body is an error, also where the source ends then."""
    channel = LosingChannel(lost)

    async def generate() -> AsyncIterator[str]:
        with anyio.move_on_after(1):
            yield "aaaabbbbcc"

    with pytest.raises(RuntimeError, match=r"ended itself while a piece .* leave out chunk_size"):
        await run(channel, cancelable_streaming_response(generate(), Cancelable(), chunk_size=chunk_size), False)
    assert bodies(channel) == sent
    assert not channel.sent or not is_complete(channel)


@pytest.mark.virtual_time
async def test_no_answer_of_an_operation_that_moves_on() -> None:
    """Also with `move_on` nothing is begun after the end of the operation: an empty body would look like all of it."""
    for media_type in "text/plain", "application/json":
        channel, operation = Channel(NO_BODY), Cancelable(timeout=1, move_on=True)
        with pytest.raises(TimeoutCancelation) as caught:
            await run(channel, cancelable_streaming_response(wait_after(Diary()), operation, media_type), False)
        assert channel.sent == []
        assert caught.value.context is operation.context


@with_and_without
async def test_client_of_an_operation_that_moves_on_leaves(middleware: bool) -> None:
    """A client that leaves is no error, also with `move_on`."""
    channel, operation = Channel(NO_BODY), Cancelable(move_on=True)
    async with sending(channel, cancelable_streaming_response(wait_after(Diary(), "x"), operation), middleware):
        channel.push(LEFT)
    assert bodies(channel) == [b"x"]
    assert operation.is_cancelled


@pytest.mark.virtual_time
async def test_client_that_does_not_read_while_the_operation_moves_on() -> None:
    """An operation that moves on waits for no client: a body is cut at once."""
    channel, began = LosingChannel(b"x"), anyio.current_time()
    response = cancelable_streaming_response(give("x"), Cancelable(timeout=1, move_on=True))
    with pytest.raises(TimeoutCancelation):
        await run(channel, response, False)
    assert anyio.current_time() - began == pytest.approx(1, abs=0.1)


def ends_itself(operation: Cancelable, *items: str) -> AsyncIterator[str]:
    """Give some items, have the operation cancelled, and end in the same moment, so that it interrupts nothing."""

    async def generate() -> AsyncIterator[str]:
        for item in items:
            yield item
        operation.cancel_sync("enough")

    return generate()


@moving_on_or_not
@pytest.mark.parametrize("media_type", ["text/plain", SSE])
async def test_source_that_has_ended_itself(media_type: str, move_on: bool) -> None:
    """A body whose source came to its end is complete, though the operation was cancelled just before."""
    channel, operation = Channel(NO_BODY), Cancelable(move_on=move_on)
    response = cancelable_streaming_response(ends_itself(operation, "aaaabb"), operation, media_type, 4)
    await run(channel, response, True)
    assert operation.cancel_requested
    assert bodies(channel) == [b"aaaa", b"bb"]
    assert is_complete(channel)


@moving_on_or_not
@pytest.mark.parametrize("lost", [b"bb", b""], ids=["rest", "end"])
@pytest.mark.virtual_time
async def test_client_that_does_not_accept_the_end(lost: bytes, move_on: bool) -> None:
    """After a cancelation the client has a few seconds to accept what is left and the end, then the body is cut off."""
    channel, operation, began = LosingChannel(lost), Cancelable(move_on=move_on), anyio.current_time()
    response = cancelable_streaming_response(ends_itself(operation, "aaaabb"), operation, chunk_size=4)
    with pytest.raises(ManualCancelation, match="enough"):
        await run(channel, response, False)
    assert anyio.current_time() - began == pytest.approx(5, abs=0.1)
    assert not is_complete(channel)


@pytest.mark.virtual_time
async def test_client_may_take_its_time() -> None:
    """Without a cancelation nothing limits how long the client takes to accept the end."""

    class SlowChannel(Channel):
        async def send(self, message: Message) -> None:
            await anyio.sleep(60)
            await super().send(message)

    channel = SlowChannel(NO_BODY)
    await run(channel, cancelable_streaming_response(give("aaaabb"), Cancelable(), chunk_size=4), True)
    assert is_complete(channel)


async def test_rest_is_cut_into_pieces() -> None:
    """What waits to be sent where an operation ends between two pieces is cut into pieces like everything else."""
    operation = Cancelable()

    class CancelingChannel(Channel):
        async def send(self, message: Message) -> None:
            self.sent.append(message)
            if message.get("body"):
                operation.cancel_sync()

    channel = CancelingChannel(NO_BODY)
    await run(channel, cancelable_streaming_response(wait_after(Diary(), "data: 12345\n\n"), operation, SSE, 5), False)
    sizes = [len(piece) for piece in bodies(channel)]
    assert sizes[:3] == [5, 5, 3]
    assert bodies(channel)[3].startswith(b"event: cancelled\n")
    assert is_complete(channel)
