"""Rules R5, R6 and R14: the end of the response is no client that leaves, and nothing is sent that the app has not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from hother.cancelable import Cancelable, CancelationReason, CancelationToken, DisconnectCancelation
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, get_request_token

from .hand_made import END, LEFT, NO_BODY, START, Channel

TRAILERS: Message = {"type": "http.response.trailers", "headers": []}
MORE: Message = {"type": "http.response.body", "body": b"more", "more_body": True}

COMPLETE: dict[str, list[Message]] = {
    "body": [START, END],
    "body in pieces": [START, MORE, END],
    "file": [START, {"type": "http.response.pathsend", "path": "/"}],
    "file handle": [START, MORE, {"type": "http.response.zerocopysend", "file": 0}],
    "trailers": [{**START, "trailers": True}, END, {**TRAILERS, "more_trailers": True}, TRAILERS],
}
INCOMPLETE: dict[str, list[Message]] = {
    "nothing": [],
    "start": [START],
    "more body": [START, MORE],
    "before start": [{"type": "http.response.debug", "info": {}}, {"type": "http.response.early_hint", "links": []}],
    "trailers to come": [{**START, "trailers": True}, END],
    "more trailers": [{**START, "trailers": True}, END, {**TRAILERS, "more_trailers": True}],
    "more of a file": [START, {"type": "http.response.zerocopysend", "file": 0, "more_body": True}],
    "push": [{"type": "http.response.push", "path": "/", "headers": []}],
}


class Sends:
    """An app that sends messages with its token in hand, and waits for the client to leave if told so."""

    def __init__(self, messages: list[Message], *, waits: bool = False) -> None:
        self.token = CancelationToken()
        self._messages = messages
        self._waits = waits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.token = get_request_token(HTTPConnection(scope))
        for message in self._messages:
            await send(message)
        await anyio.wait_all_tasks_blocked()
        if self._waits:
            await self.token.wait_for_cancel()


@pytest.mark.parametrize("messages", COMPLETE.values(), ids=COMPLETE.keys())
async def test_end_of_response_is_no_leaving(messages: list[Message]) -> None:
    """Once the response is complete, a disconnect cancels nothing: servers send one at once on a live connection."""
    channel = Channel(NO_BODY)

    async def send(message: Message) -> None:
        if message is messages[-1]:
            channel.push(LEFT)  # the response is complete for the server before `send` returns
            await anyio.wait_all_tasks_blocked()
        await channel.send(message)

    app = Sends(messages)
    await RequestCancelationMiddleware(app)(channel.scope, channel.receive, send)
    assert channel.sent == messages
    assert not app.token.is_cancelled


@pytest.mark.parametrize("messages", INCOMPLETE.values(), ids=INCOMPLETE.keys())
async def test_leaving_before_the_end(messages: list[Message]) -> None:
    """Until the response is complete, a disconnect is the client leaving, whatever was sent so far."""
    channel, app = Channel(NO_BODY), Sends(messages, waits=True)
    async with channel.running(app):
        channel.push(LEFT)
    assert channel.sent == messages
    assert app.token.reason is CancelationReason.DISCONNECT
    assert app.token.message == "the client has left"


@pytest.mark.parametrize("failing", ["http.response.start", "http.response.body"])
async def test_broken_send_is_the_client_leaving(failing: str) -> None:
    """An OSError from the server's `send` cancels the token and reaches the app as it is, also for the last message."""
    broken = BrokenPipeError("gone")
    channel, app = Channel(NO_BODY), Sends([START, END])

    async def send(message: Message) -> None:
        await checkpoint()
        if message["type"] == failing:
            raise broken

    with pytest.raises(BrokenPipeError) as caught:
        await RequestCancelationMiddleware(app)(channel.scope, channel.receive, send)
    assert caught.value is broken
    assert app.token.reason is CancelationReason.DISCONNECT


async def test_broken_send_after_the_end() -> None:
    """After the response is complete, an OSError from `send` cancels nothing."""
    channel, app = Channel(NO_BODY), Sends([START, END, END])

    async def send(message: Message) -> None:
        await channel.send(message)
        if len(channel.sent) == 3:
            raise BrokenPipeError("gone")

    with pytest.raises(BrokenPipeError):
        await RequestCancelationMiddleware(app)(channel.scope, channel.receive, send)
    assert not app.token.is_cancelled


async def test_other_errors_of_send_are_no_leaving() -> None:
    """An exception of another kind from `send` passes and says nothing about the client."""
    channel, app = Channel(NO_BODY), Sends([START])

    async def send(message: Message) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await RequestCancelationMiddleware(app)(channel.scope, channel.receive, send)
    assert not app.token.is_cancelled


@pytest.mark.parametrize("leaves", ["before", "after"])
async def test_work_after_the_response_is_left_alone(leaves: str) -> None:
    """An operation entered after the response, as in a background task, runs to its end, wherever the client is."""
    channel, operation = Channel(NO_BODY), Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable(move_on=True):
            if leaves == "before":
                await anyio.sleep_forever()
        await send(START)
        await send(END)
        async with operation:
            channel.push(LEFT)
            await anyio.wait_all_tasks_blocked()
            await anyio.sleep(0.01)

    async with channel.running(app):
        if leaves == "before":
            channel.push(LEFT)
    assert operation.is_completed
    assert not operation.cancel_requested
    assert channel.sent == [START, END]


async def test_operation_that_outlives_the_response() -> None:
    """An operation that was entered before the response and goes on after it is not cancelled any more."""
    channel, operation = Channel(NO_BODY), Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with operation:
            await send(START)
            await send(END)
            channel.push(LEFT)
            await anyio.sleep(0.01)

    await channel.run(app)
    assert operation.is_completed
    assert not operation.cancel_requested


async def test_left_client_is_sent_nothing() -> None:
    """An operation that ends because the client left leaves no response, no error and no message behind."""
    channel = Channel(NO_BODY)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            await anyio.sleep_forever()

    async with channel.running(app):
        channel.push(LEFT)
    assert channel.sent == []


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
@pytest.mark.parametrize("cleanup", [0, 0.02], ids=["quick", "slow"])
async def test_stream_ends_for_its_own_reason(spec_version: str, cleanup: float) -> None:
    """An operation in the generator of a response ends with DISCONNECT, although Starlette listens beside it."""
    channel = Channel(NO_BODY, asgi={"spec_version": spec_version})
    operation = Cancelable()

    async def events() -> AsyncIterator[bytes]:
        async with operation:
            try:
                while True:
                    yield b"event"
                    await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(cleanup)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(events())(scope, receive, send)

    async with channel.running(app):
        channel.push(LEFT)
    assert operation.context.cancel_reason is CancelationReason.DISCONNECT
    assert channel.sent_types == ["http.response.start", "http.response.body"]


async def test_stream_without_operation_ends() -> None:
    """A generator outside any operation is cancelled by Starlette, as without the middleware."""
    channel = Channel(NO_BODY, asgi={"spec_version": "2.3"})
    ended = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        token = get_request_token(HTTPConnection(scope))

        async def events() -> AsyncIterator[bytes]:
            try:
                yield b"event"
                await anyio.sleep_forever()
            finally:
                assert token.is_cancelled
                ended.set()

        await StreamingResponse(events())(scope, receive, send)

    async with channel.running(app):
        channel.push(LEFT)
    assert ended.is_set()


@pytest.mark.parametrize("begun", [True, False])
async def test_response_begins_once(begun: bool) -> None:
    """Below Starlette's `BaseHTTPMiddleware`, which wants a response, an empty one is made if none was begun."""
    channel, statuses = Channel(NO_BODY), list[int]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            if begun:
                await send(START)
            await anyio.sleep_forever()

    async def dispatch(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        statuses.append(response.status_code)
        return response

    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, BaseHTTPMiddleware(RequestCancelationMiddleware(app), dispatch))
        await anyio.wait_all_tasks_blocked()
        channel.push(LEFT)
    assert statuses == [200 if begun else 499]
    assert channel.sent_types.count("http.response.start") == 1


async def test_only_disconnects_are_swallowed() -> None:
    """The exception of an operation that nobody cancelled for the client's sake is not swallowed."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise DisconnectCancelation("made up")

    with pytest.raises(DisconnectCancelation, match="made up"):
        await Channel(NO_BODY).run(app)
