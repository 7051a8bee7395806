"""The shutdown's two phases: streams end at once, work on an answer has the grace time, new requests get a 503."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hother.cancelable import Cancelable, CancelationReason, ShutdownCancelation
from hother.cancelable.integrations.fastapi import GracefulShutdown, RequestCancelationMiddleware
from hother.cancelable.integrations.fastapi.answers import STATUS_KEY

from .ended_requests import MORE, Clock, assert_refused, wait
from .hand_made import END, LEFT, NO_BODY, START, Channel, respond, wait_for_the_end

pytestmark = pytest.mark.virtual_time

ACCEPT: Message = {"type": "websocket.accept"}
CLOSE: Message = {"type": "websocket.close", "code": 1012, "reason": "The server is shutting down"}


class Life:
    """An app that is being served, with a shutdown and the middleware."""

    def __init__(self, grace: float = 10) -> None:
        self.shutdown = GracefulShutdown(grace=grace)
        self.clock = Clock()
        self.ended: dict[int, float] = {}
        self._group = anyio.create_task_group()

    async def request(self, app: ASGIApp, *messages: Message, kind: str = "http") -> Channel:
        """Begin a request, and return its channel when the app waits."""
        channel = Channel(*(messages or (NO_BODY,)), kind=kind)
        self._group.start_soon(self._serve, app, channel)
        await anyio.wait_all_tasks_blocked()
        return channel

    async def socket(self, app: ASGIApp) -> Channel:
        """Begin a web socket."""
        return await self.request(app, {"type": "websocket.connect"}, kind="websocket")

    async def _serve(self, app: ASGIApp, channel: Channel) -> None:
        middleware = RequestCancelationMiddleware(app, shutdown=self.shutdown)
        await middleware(channel.scope, channel.receive, channel.send)
        self.ended[id(channel)] = self.clock.now

    def begin(self) -> None:
        """Begin the shutdown."""
        self.clock = Clock()
        assert self.shutdown.begin_shutdown()

    def when(self, channel: Channel) -> float | None:
        """Return when a request has ended, in seconds since the shutdown has begun."""
        return self.ended.get(id(channel))

    @asynccontextmanager
    async def __call__(self) -> AsyncGenerator[None]:
        """Serve within the block, and wait at its end until all requests have ended, as servers do."""
        RequestCancelationMiddleware(respond, shutdown=self.shutdown)
        async with self.shutdown.lifespan(), self._group:
            yield


class Streams:
    """An app that begins its response, or accepts its web socket, and waits in an operation."""

    def __init__(self, *beginning: Message, last: Message | None = None) -> None:
        self.operation = Cancelable()
        self._beginning = beginning
        self._last = last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for message in self._beginning:
            await send(message)
        try:
            async with self.operation:
                await anyio.sleep_forever()
        except ShutdownCancelation:
            if self._last is None:
                raise
            await send(self._last)


async def test_stream_ends_at_once() -> None:
    """The operation of a response that has started ends at once, and what the stream says last is its end."""
    life, app = Life(), Streams(START, MORE, last=END)
    async with life():
        channel = await life.request(app)
        life.begin()
    assert channel.sent == [START, MORE, END]
    assert life.when(channel) == 0
    assert app.operation.context.cancel_reason is CancelationReason.SHUTDOWN
    assert app.operation.context.cancel_message == "the server is shutting down"
    assert channel.scope[STATUS_KEY] == 503


async def test_stream_that_says_nothing_is_cut_off() -> None:
    """A stream that does not catch the exception is cut off, quietly."""
    life = Life()
    async with life():
        channel = await life.request(Streams(START, MORE))
        life.begin()
    assert channel.sent == [START, MORE]
    assert life.when(channel) == 0


async def test_web_socket_ends_at_once() -> None:
    """A web socket is closed at once, with the code that tells browsers to come back."""
    life, app = Life(), Streams(ACCEPT)
    async with life():
        channel = await life.socket(app)
        life.begin()
    assert channel.sent == [ACCEPT, CLOSE]
    assert life.when(channel) == 0
    assert app.operation.context.cancel_reason is CancelationReason.SHUTDOWN


async def test_web_socket_that_is_not_accepted() -> None:
    """One that still waits to be accepted is refused at once."""
    life = Life()
    async with life():
        channel = await life.socket(wait_for_the_end)
        life.begin()
    assert channel.sent == [CLOSE]
    assert life.when(channel) == 0


async def test_web_socket_that_closes_itself() -> None:
    """An app that closes its web socket has the last word."""
    life, last = Life(), {"type": "websocket.close", "code": 4000, "reason": "mine"}
    async with life():
        channel = await life.socket(Streams(ACCEPT, last=last))
        life.begin()
    assert channel.sent == [ACCEPT, last]


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_stream_without_operation(kind: str) -> None:
    """A stream or web socket without an operation has the grace time, and is cut off or closed then."""
    life = Life(grace=3)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START if kind == "http" else ACCEPT)
        await anyio.sleep_forever()

    async with life():
        channel = await (life.request(app) if kind == "http" else life.socket(app))
        life.begin()
    assert channel.sent == ([START] if kind == "http" else [ACCEPT, CLOSE])
    assert life.when(channel) == 3


async def test_stream_that_resists() -> None:
    """A stream whose operation ends, and which goes on all the same, is cut off after the grace time."""
    life = Life(grace=3)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        async with Cancelable(move_on=True):
            await anyio.sleep_forever()
        await send(MORE)
        await anyio.sleep_forever()

    async with life():
        channel = await life.request(app)
        life.begin()
    assert channel.sent == [START, MORE]
    assert life.when(channel) == 3


async def test_work_on_an_answer_goes_on() -> None:
    """A request that works on its answer, with an operation or without, is left alone within the grace time."""
    life, operation = Life(grace=3), Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with operation:
            await anyio.sleep(1)
        await anyio.sleep(1)
        await respond(scope, receive, send)

    async with life():
        channel = await life.request(app)
        life.begin()
    assert channel.sent == [START, END]
    assert 1.8 <= (life.when(channel) or 0) <= 2
    assert not operation.cancel_requested
    assert STATUS_KEY not in channel.scope


@pytest.mark.parametrize("app", [wait, wait_for_the_end], ids=["none", "operation"])
async def test_work_that_takes_too_long(app: ASGIApp) -> None:
    """What has no answer after the grace time gets a 503, which says to come back on another connection."""
    life = Life(grace=3)
    async with life():
        channel = await life.request(app)
        life.begin()
    assert_refused(channel)
    assert life.when(channel) == 3
    assert channel.scope[STATUS_KEY] == 503


async def test_operation_that_takes_too_long_ends_first() -> None:
    """Its operations end first, and clean up; the middleware's own grace time holds for that."""
    life, steps = Life(grace=3), list[CancelationReason]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with Cancelable():
                await anyio.sleep_forever()
        except ShutdownCancelation as error:
            await anyio.sleep(0.5)
            steps.append(error.reason)
            raise

    async with life():
        channel = await life.request(app)
        life.begin()
    assert_refused(channel)
    assert life.when(channel) == 3.5
    assert steps == [CancelationReason.SHUTDOWN]


async def test_new_requests_are_refused() -> None:
    """A request on a connection that is still open gets a 503 and does not reach the app, a web socket is closed."""
    life = Life()
    async with life():
        life.begin()
        assert_refused(await life.request(wait))
        assert (await life.socket(wait)).sent == [CLOSE]


async def test_background_task_is_left_alone() -> None:
    """What goes on after a complete response is not ended, by neither phase."""
    life, operation, steps = Life(grace=1), Cancelable(), list[str]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(scope, receive, send)
        async with operation:
            await anyio.sleep(5)
        await anyio.sleep(5)
        steps.append("worked")

    async with life():
        channel = await life.request(app)
        life.begin()
    assert channel.sent == [START, END]
    assert steps == ["worked"]
    assert not operation.cancel_requested
    assert STATUS_KEY not in channel.scope


async def test_client_that_leaves_meanwhile() -> None:
    """A client that leaves within the grace time is sent nothing, and its operation says so."""
    life, operation = Life(grace=3), Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with operation:
            await anyio.sleep_forever()

    async with life():
        channel = await life.request(app)
        life.begin()
        await anyio.sleep(1)
        channel.push(LEFT)
    assert channel.sent == []
    assert life.when(channel) == 1
    assert operation.context.cancel_reason is CancelationReason.DISCONNECT
    assert channel.scope[STATUS_KEY] == 499


async def test_deadline_and_shutdown() -> None:
    """A deadline that passes within the grace time still gives its 504."""
    shutdown, channel = GracefulShutdown(grace=3), Channel(NO_BODY)
    middleware = RequestCancelationMiddleware(wait_for_the_end, default_timeout=1, shutdown=shutdown)
    async with shutdown.lifespan(), anyio.create_task_group() as group:
        group.start_soon(middleware, channel.scope, channel.receive, channel.send)
        await anyio.wait_all_tasks_blocked()
        shutdown.begin_shutdown()
    assert channel.sent[0]["status"] == 504


async def test_all_at_once() -> None:
    """All requests are told, those of nested middlewares once."""
    life, operations = Life(grace=3), [Cancelable() for _ in range(50)]

    def stream(operation: Cancelable) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(START)
            async with operation:
                await anyio.sleep_forever()

        return RequestCancelationMiddleware(app, shutdown=life.shutdown)

    async with life():
        channels = [await life.request(stream(operation)) for operation in operations]
        life.begin()
    assert {operation.context.cancel_reason for operation in operations} == {CancelationReason.SHUTDOWN}
    assert [channel.sent for channel in channels] == [[START]] * 50
    assert {life.when(channel) for channel in channels} == {0}
