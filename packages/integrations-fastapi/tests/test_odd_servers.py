"""Servers and middleware that do what ASGI allows, or nearly allows."""

from __future__ import annotations

import anyio
import pytest
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, get_request_token

from .hand_made import END, LEFT, NO_BODY, START, Channel, make_app, wait_for_the_end, with_and_without


async def test_headers_that_can_be_read_once() -> None:
    """Headers may be any iterable; the app still finds them when the watch has looked for `Expect`."""
    channel, seen = Channel(NO_BODY), list[tuple[bytes, bytes]]()
    channel.scope["headers"] = iter([(b"x-test", b"1")])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            await anyio.wait_all_tasks_blocked()
        seen.extend(scope["headers"])
        await send(START)
        await send(END)

    await channel.run(app)
    assert seen == [(b"x-test", b"1")]


async def test_scope_without_headers() -> None:
    """A scope without headers is watched all the same."""
    channel, operation = Channel(NO_BODY, LEFT), Cancelable()
    del channel.scope["headers"]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with operation:
            await anyio.sleep_forever()

    await channel.run(app)
    assert operation.context.cancel_reason is CancelationReason.DISCONNECT


@with_and_without
@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_server_that_swallows_a_cancellation(middleware: bool) -> None:
    """A `receive` that answers a cancellation with an empty message holds up no request."""
    channel = Channel()
    app = make_app(middleware=middleware)

    @app.get("/")
    async def endpoint(request: Request) -> str:
        get_request_token(request)
        await anyio.wait_all_tasks_blocked()
        return "done"

    async def receive() -> Message:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            pass
        return NO_BODY

    with anyio.fail_after(5):
        await app(channel.scope, receive, channel.send)
    assert channel.sent_types[0] == "http.response.start"


async def test_wrapped_channel_below_base_http_middleware() -> None:
    """A middleware that wraps `receive` between Starlette's and ours hides nothing of an ending that stays silent."""
    channel = Channel(NO_BODY, LEFT)
    inner = RequestCancelationMiddleware(wait_for_the_end)

    async def wrapping(scope: Scope, receive: Receive, send: Send) -> None:
        async def wrapped() -> Message:
            return await receive()

        await inner(scope, wrapped, send)

    async def dispatch(request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    await channel.run_alone(BaseHTTPMiddleware(wrapping, dispatch))
    assert channel.sent_types[:1] == ["http.response.start"]
