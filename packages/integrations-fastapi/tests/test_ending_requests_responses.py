"""What becomes of a response whose time is up: complete ones are left alone, half ones are cut off, none is doubled."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from hother.cancelable import Cancelable, CancelationReason, TimeoutCancelation
from hother.cancelable.integrations.fastapi.answers import STATUS_KEY

from .ended_requests import MORE, assert_timed_out, handle
from .hand_made import END, LEFT, NO_BODY, START

pytestmark = pytest.mark.virtual_time

TRAILERS: Message = {"type": "http.response.trailers", "headers": []}
PATH: Message = {"type": "http.response.pathsend", "path": "/"}
EARLY: list[Message] = [
    {"type": "http.response.debug", "info": {}},
    {"type": "http.response.early_hint", "links": []},
    {"type": "http.response.push", "path": "/", "headers": []},
]
COMPLETE: dict[str, list[Message]] = {
    "body": [START, END],
    "pieces": [START, MORE, END],
    "file": [START, PATH],
    "file handle": [START, {"type": "http.response.zerocopysend", "file": 0}],
    "trailers": [{**START, "trailers": True}, END, {**TRAILERS, "more_trailers": True}, TRAILERS],
}
HALF: dict[str, list[Message]] = {
    "start": [START],
    "pieces": [START, MORE],
    "after early messages": [*EARLY, START, MORE],
    "trailers to come": [{**START, "trailers": True}, END],
    "more trailers": [{**START, "trailers": True}, END, {**TRAILERS, "more_trailers": True}],
    "more of a file": [START, {"type": "http.response.zerocopysend", "file": 0, "more_body": True}],
}

complete = pytest.mark.parametrize("messages", COMPLETE.values(), ids=COMPLETE.keys())
half = pytest.mark.parametrize("messages", HALF.values(), ids=HALF.keys())
with_and_without_operation = pytest.mark.parametrize("has_operation", [True, False], ids=["operation", "none"])


class Sends:
    """An app that sends messages and then waits for long, in an operation or not."""

    def __init__(self, messages: list[Message], *, has_operation: bool) -> None:
        self._messages = messages
        self._has_operation = has_operation
        self.operation = Cancelable()
        self.waited = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._has_operation:
            async with self.operation:
                await self._run(send)
        else:
            await self._run(send)

    async def _run(self, send: Send) -> None:
        for message in self._messages:
            await send(message)
        await anyio.sleep(10)
        self.waited = True


@complete
@with_and_without_operation
async def test_deadline_ends_with_the_response(messages: list[Message], has_operation: bool) -> None:
    """What follows a complete response has all the time it needs, as background tasks do."""
    app = Sends(messages, has_operation=has_operation)
    channel = await handle(app, default_timeout=0.5)
    assert channel.sent == messages
    assert app.waited
    assert not app.operation.cancel_requested
    assert STATUS_KEY not in channel.scope


@half
@with_and_without_operation
async def test_half_response_is_cut_off(messages: list[Message], has_operation: bool) -> None:
    """A response that has started is ended without its last message, and quietly."""
    app = Sends(messages, has_operation=has_operation)
    channel = await handle(app, default_timeout=0.5)
    assert channel.sent == messages
    assert not app.waited
    assert channel.scope[STATUS_KEY] == 504
    if has_operation:
        assert app.operation.context.cancel_reason is CancelationReason.TIMEOUT


@with_and_without_operation
async def test_early_messages_are_no_response(has_operation: bool) -> None:
    """After early hints and the like, which come before a response, there is a 504."""
    channel = await handle(Sends(EARLY, has_operation=has_operation), default_timeout=0.5)
    assert channel.sent[:-2] == EARLY
    channel.sent = channel.sent[-2:]
    assert_timed_out(channel)


async def test_stream_that_is_cut_off() -> None:
    """The generator of a streaming response is closed, and its response has no end."""
    ended = list[str]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"more"
                    await anyio.sleep(0.2)
            finally:
                ended.append("pieces")

        await StreamingResponse(pieces())(scope, receive, send)

    channel = await handle(app, default_timeout=0.5)
    assert channel.sent[1:] == [MORE] * 3
    assert ended == ["pieces"]


async def test_stream_that_ends_in_its_own_words() -> None:
    """A stream whose operation ends may send a last piece, and its response is complete then."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                async with Cancelable():
                    yield b"more"
                    await anyio.sleep_forever()
            except TimeoutCancelation:
                await anyio.sleep(0.2)
                yield b"too late"

        await StreamingResponse(pieces())(scope, receive, send)

    channel = await handle(app, default_timeout=0.5)
    assert [message.get("body") for message in channel.sent[1:]] == [b"more", b"too late", b""]
    assert channel.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_other_exceptions_of_a_half_response_pass() -> None:
    """An exception of the app's own is not hidden because the time of the request is up, too."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        async with Cancelable():
            try:
                await anyio.sleep_forever()
            finally:
                raise LookupError("broken clean-up")

    with pytest.raises(LookupError, match="broken clean-up"):
        await handle(app, default_timeout=0.5)


async def test_exception_in_place_of_a_response_passes() -> None:
    """So it passes where nothing was sent: the server logs it, and answers with its own 500."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            try:
                await anyio.sleep_forever()
            finally:
                raise LookupError("broken clean-up")

    with pytest.raises(LookupError, match="broken clean-up"):
        await handle(app, default_timeout=0.5)


@pytest.mark.parametrize("error", [TimeoutError("mine"), TimeoutCancelation("mine"), LookupError("mine")])
async def test_exceptions_in_time_pass(error: Exception) -> None:
    """Before the time is up no exception is taken for it, an app's own `TimeoutError` neither."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    with pytest.raises(type(error), match="mine") as caught:
        await handle(app, default_timeout=0.5)
    assert caught.value is error


async def test_error_response_in_time_passes() -> None:
    """A 500 that the app gives before its time is up is the app's."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "status": 500})
        await send(END)

    assert (await handle(app, default_timeout=0.5)).sent == [{**START, "status": 500}, END]


async def test_error_response_afterwards_says_what_happened() -> None:
    """A 500 that the app makes of the exception of its ended operation becomes the 504, with nothing behind it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable(move_on=True):
            await anyio.sleep_forever()
        for message in ({**START, "status": 500}, MORE, END):
            await send(message)

    assert_timed_out(await handle(app, default_timeout=0.5))


@pytest.mark.parametrize("shield", [True, False])
async def test_error_response_after_the_grace_time(shield: bool) -> None:
    """So it does after the grace time, when the app may only send what it shields."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable(move_on=True):
            await anyio.sleep_forever()
        with anyio.CancelScope(shield=True) as resisting:
            await anyio.sleep(3)
            resisting.shield = shield
            for message in ({**START, "status": 500}, MORE, END):
                await send(message)

    assert_timed_out(await handle(app, default_timeout=0.5))


@pytest.mark.parametrize("status", [200, 408, 499, 501, 503])
async def test_other_responses_afterwards_pass(status: int) -> None:
    """A response of any other status is what the app wants to say."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable(move_on=True):
            await anyio.sleep_forever()
        await send({**START, "status": status})
        await send(END)

    assert (await handle(app, default_timeout=0.5)).sent == [{**START, "status": status}, END]


async def test_client_that_left_before() -> None:
    """A client that has left is sent nothing when the time is up as well; metrics see that it left."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable(move_on=True):
            await anyio.sleep_forever()
        await anyio.sleep_forever()

    channel = await handle(app, NO_BODY, LEFT, default_timeout=0.5)
    assert channel.sent == []
    assert channel.scope[STATUS_KEY] == 499


async def test_error_response_for_a_client_that_left_before() -> None:
    """What an app answers then, though it be a 500, is a whole response or none."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable(move_on=True):
            await anyio.sleep_forever()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(1)
            await send({**START, "status": 500})
            await send(END)

    channel = await handle(app, NO_BODY, LEFT, default_timeout=0.5)
    assert channel.sent_types in ([], ["http.response.start", "http.response.body"])


async def test_clean_up_for_a_client_that_left_before() -> None:
    """An operation that the client's leaving has ended has its grace time when the time is up meanwhile."""
    steps = list[str]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.1)
        raise AssertionError

    async def app_with_clean_up(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        finally:
            await anyio.sleep(0.8)
            steps.append("completed")

    channel = await handle(app_with_clean_up, NO_BODY, LEFT, default_timeout=0.5)
    assert steps == ["completed"]
    assert channel.sent == []
