"""The middleware's deadline among other middlewares: nested ones of its own, and Starlette's `BaseHTTPMiddleware`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hother.cancelable import Cancelable, CancelationError
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware
from hother.cancelable.integrations.fastapi.monitor import SCOPE_KEY

from .ended_requests import MORE, Clock, assert_timed_out, handle, wait
from .hand_made import START, Channel, wait_for_the_end

LAST: Message = {"type": "http.response.body", "body": b"", "more_body": False}

pytestmark = [
    pytest.mark.virtual_time,
    # Starlette does not close the generator that passes the pieces on; trio says so when it is collected
    pytest.mark.filterwarnings("ignore:.*BaseHTTPMiddleware.*body_stream:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*BaseHTTPMiddleware.*body_stream:pytest.PytestUnraisableExceptionWarning"),
]

each_kind = pytest.mark.parametrize("app", [wait, wait_for_the_end], ids=["none", "operation"])


async def begin(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that begins its response, and waits in an operation."""
    await send(START)
    await send(MORE)
    await wait_for_the_end(scope, receive, send)


class Dispatch:
    """A middleware of Starlette's other kind, which keeps the status that it has seen."""

    def __init__(self) -> None:
        self.statuses: list[int] = []

    def __call__(self, app: ASGIApp) -> ASGIApp:
        """Put it around an app."""
        return BaseHTTPMiddleware(app, self._dispatch)

    async def _dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        self.statuses.append(response.status_code)
        return response


@each_kind
@pytest.mark.parametrize(("outer", "inner"), [(0.5, 2), (2, 0.5), (0.5, 0.5), (0.5, None), (None, 0.5)])
async def test_earliest_of_several_wins(app: ASGIApp, outer: float | None, inner: float | None) -> None:
    """Where the middleware lies in itself, each timeout holds, the earliest wins, and the answer is one 504."""
    clock = Clock()
    channel = await handle(RequestCancelationMiddleware(app, inner), default_timeout=outer)
    assert_timed_out(channel)
    assert clock.now == 0.5


async def test_several_are_one_monitor() -> None:
    """All of them share one monitor, which knows of each deadline."""
    operation = Cancelable()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert len(scope[SCOPE_KEY].endings) == 3
        async with operation:
            await anyio.sleep_forever()

    layers = RequestCancelationMiddleware(RequestCancelationMiddleware(app, 1), 0.5)
    channel = Channel()
    async with anyio.create_task_group() as group:
        group.start_soon(RequestCancelationMiddleware(layers, 2), channel.scope, channel.receive, channel.send)
        await anyio.wait_all_tasks_blocked()
        assert channel.in_flight == 1
    assert_timed_out(channel)
    assert channel.most_in_flight == 1
    assert operation.context.cancel_message == "not done within 0.5 s"


@pytest.mark.parametrize(("outer", "inner"), [(0.5, 0.75), (0.75, 0.5)])
async def test_second_deadline_in_the_grace_time(outer: float, inner: float) -> None:
    """A second deadline that passes within the grace time of the first does not shorten it."""
    steps = list[str]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await wait_for_the_end(scope, receive, send)
        finally:
            await anyio.sleep(0.6)
            steps.append("cleaned up")

    assert_timed_out(await handle(RequestCancelationMiddleware(app, inner), default_timeout=outer))
    assert steps == ["cleaned up"]


@pytest.mark.parametrize(("outer", "inner"), [(0.5, 2), (2, 0.5)])
async def test_several_cut_off_quietly(outer: float, inner: float) -> None:
    """A response that has started is cut off by whichever comes first, without an exception."""
    channel = await handle(RequestCancelationMiddleware(begin, inner), default_timeout=outer)
    assert channel.sent == [START, MORE]


@each_kind
async def test_above_base_http_middleware(app: ASGIApp) -> None:
    """Above `BaseHTTPMiddleware` there is one 504."""
    dispatch = Dispatch()
    assert_timed_out(await handle(dispatch(app), default_timeout=0.5))
    assert dispatch.statuses == []


@each_kind
async def test_below_base_http_middleware(app: ASGIApp) -> None:
    """Below it, too, and it sees the 504."""
    dispatch, channel = Dispatch(), Channel()
    await channel.run_alone(dispatch(RequestCancelationMiddleware(app, 0.5)))
    assert channel.sent_types == ["http.response.start", *["http.response.body"] * 2]
    assert channel.sent[0]["status"] == 504
    assert channel.sent[1]["body"] == b'{"detail": "The request took too long"}'
    assert dispatch.statuses == [504]


class StrictChannel(Channel):
    """A server that, like the real ones, sends no file without a path, and no response after it has failed."""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.pathsend":
            raise UnexpectedMessage(message["type"])
        await super().send(message)


class UnexpectedMessage(Exception):
    """What a server says to messages that it does not know."""


async def begin_without_operation(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that begins its response, and waits."""
    await send(START)
    await send(MORE)
    await anyio.sleep_forever()


each_beginning = pytest.mark.parametrize("app", [begin, begin_without_operation], ids=["operation", "none"])


@each_beginning
@pytest.mark.parametrize("below", ["nothing", 2, 0.5, None])
async def test_cut_off_above_base_http_middleware(app: ASGIApp, below: Any) -> None:
    """A transfer that is cut off above `BaseHTTPMiddleware` never looks complete, wherever else there is a deadline."""
    channel = StrictChannel()
    inner = app if below == "nothing" else RequestCancelationMiddleware(app, below)
    layers = Dispatch()(Dispatch()(inner))
    await RequestCancelationMiddleware(layers, 0.75)(channel.scope, channel.receive, channel.send)
    assert channel.sent == [START, MORE]


@each_beginning
async def test_cut_off_below_base_http_middleware(app: ASGIApp) -> None:
    """Neither does it below, though the server has to refuse a message for that."""
    channel = StrictChannel()
    with pytest.raises((UnexpectedMessage, CancelationError)):
        await channel.run_alone(Dispatch()(Dispatch()(RequestCancelationMiddleware(app, 0.5))))
    assert channel.sent == [START, MORE]


@each_beginning
async def test_cut_off_between_middlewares(app: ASGIApp) -> None:
    """Nor where another middleware without a deadline lies outside."""
    channel = StrictChannel()
    layers = Dispatch()(RequestCancelationMiddleware(app, 0.5))
    with contextlib.suppress(UnexpectedMessage, CancelationError):
        await channel.run(layers)
    assert channel.sent == [START, MORE]


async def test_end_of_a_stream_is_passed_on() -> None:
    """A stream that ends in its own words above and below `BaseHTTPMiddleware` is complete, and what follows runs."""
    steps = list[str]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        async with Cancelable(move_on=True):
            await anyio.sleep_forever()
        await send(MORE)
        await send(LAST)
        await anyio.sleep(5)
        steps.append("followed")

    channel = await handle(Dispatch()(app), default_timeout=0.5)
    assert channel.sent == [START, MORE, LAST]
    assert steps == ["followed"]


@pytest.mark.parametrize("place", ["above", "below"])
async def test_response_in_time_with_base_http_middleware(place: str) -> None:
    """A response in time passes whole, and what follows it has no deadline."""
    steps = list[str]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("done")(scope, receive, send)
        await anyio.sleep(2)
        steps.append("followed")

    channel, dispatch = Channel(), Dispatch()
    if place == "above":
        await RequestCancelationMiddleware(dispatch(app), 0.5)(channel.scope, channel.receive, channel.send)
    else:
        await channel.run_alone(dispatch(RequestCancelationMiddleware(app, 0.5)))
    assert dispatch.statuses == [200]
    assert b"".join(message.get("body", b"") for message in channel.sent) == b"done"
    assert steps == ["followed"]


async def test_stream_above_base_http_middleware() -> None:
    """A `StreamingResponse` behind `BaseHTTPMiddleware` is closed and cut off."""
    ended = list[str]()

    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"more"
                await anyio.sleep(0.2)
        finally:
            ended.append("pieces")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(pieces())(scope, receive, send)

    channel = await handle(Dispatch()(app), default_timeout=0.5)
    assert [message.get("body") for message in channel.sent[1:]] == [b"more"] * 3
    assert ended == ["pieces"]
