"""The paths that every user of the packages takes often, each as a coroutine function that takes it once."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import anyio
from anyio.lowlevel import checkpoint
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from hother.cancelable import Cancelable, CancelationToken, ManualCancelation
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, get_request_token

ITEMS = 100
"""How many items the stream has."""

token = CancelationToken()
reporting = Cancelable().on_progress(lambda operation_id, message, metadata: None)


async def with_timeout() -> None:
    """Enter and leave an operation that has a timeout."""
    async with Cancelable.with_timeout(10):
        pass


async def no_source() -> None:
    """Enter and leave an operation that only its own token can end."""
    async with Cancelable():
        pass


async def with_token() -> None:
    """Enter and leave an operation that ends with a token."""
    async with Cancelable.with_token(token):
        pass


async def combined() -> None:
    """Enter and leave one that was made of two."""
    async with Cancelable.with_timeout(10).combine(Cancelable.with_token(token)):
        pass


async def registered() -> None:
    """Enter and leave one that the registry follows."""
    async with Cancelable(register_globally=True):
        pass


async def nested() -> None:
    """Enter and leave one inside another."""
    async with Cancelable(), Cancelable():
        pass


async def cancel_and_move_on() -> None:
    """Cancel an operation that is left silently."""
    async with Cancelable(move_on=True) as operation:
        await operation.cancel()
        await checkpoint()


async def cancel_and_raise() -> None:
    """Cancel an operation that is left by an exception."""
    try:
        async with Cancelable() as operation:
            await operation.cancel()
            await checkpoint()
    except ManualCancelation:
        pass


async def create_token() -> None:
    """Make a token."""
    CancelationToken()


async def report_progress() -> None:
    """Report progress to one sync callback."""
    await reporting.report_progress("half")


async def numbers() -> AsyncGenerator[int, None]:
    """Yield numbers without waiting."""
    for number in range(ITEMS):
        yield number


async def stream() -> None:
    """Take all items of a stream."""
    async with Cancelable() as operation:
        async for _ in operation.stream(numbers()):
            pass


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


async def answer_watched(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request whose client is watched."""
    get_request_token(Request(scope, receive))
    await checkpoint()
    await answer(scope, receive, send)


async def receive_nothing() -> Message:
    """Wait for a client that stays."""
    await anyio.sleep_forever()
    raise AssertionError


async def send_nowhere(message: Message) -> None:
    """Take a message."""


def _request() -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": "/", "headers": []}


async def request() -> None:
    """Take a request through the middleware."""
    await RequestCancelationMiddleware(answer)(_request(), receive_nothing, send_nowhere)


async def watched_request() -> None:
    """Take a request through the middleware that watches for its client."""
    await RequestCancelationMiddleware(answer_watched)(_request(), receive_nothing, send_nowhere)
