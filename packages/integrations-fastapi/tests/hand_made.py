"""A server made by hand, which does what a test tells it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hother.cancelable import Cancelable
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
END: Message = {"type": "http.response.body", "body": b"done"}
LEFT: Message = {"type": "http.disconnect"}
NO_BODY: Message = {"type": "http.request", "body": b"", "more_body": False}


with_and_without = pytest.mark.parametrize("middleware", [True, False], ids=["middleware", "alone"])


def make_app(*, middleware: bool) -> FastAPI:
    """Return an app of FastAPI, with the middleware if it shall have it."""
    app = FastAPI()
    if middleware:
        app.add_middleware(RequestCancelationMiddleware)
    return app


def piece(body: bytes, *, more: bool = True) -> Message:
    """Return a message with a piece of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


async def respond(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that responds."""
    await send(START)
    await send(END)


async def wait_for_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that never reads, and waits in an operation."""
    async with Cancelable():
        await anyio.sleep_forever()


async def read(receive: Receive) -> None:
    """Read one message."""
    await receive()


class Channel:
    """The server's side of one request."""

    def __init__(self, *messages: Message | Exception, kind: str = "http", **scope: Any) -> None:
        method = {"method": "GET"} if kind == "http" else {}
        self.scope: Scope = {"type": kind, "path": "/", "query_string": b"", "headers": [], **method, **scope}
        self.sent: list[Message] = []
        self.delivered = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self._coming: deque[Message | Exception] = deque(messages)
        self._more = anyio.Event()

    def push(self, *messages: Message | Exception) -> None:
        """Let more messages arrive."""
        self._coming.extend(messages)
        self._more.set()

    async def receive(self) -> Message:
        """Deliver the next message when it has come, or raise it."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            while not self._coming:
                self._more = anyio.Event()
                await self._more.wait()
        finally:
            self.in_flight -= 1
        self.delivered += 1
        message = self._coming.popleft()
        if isinstance(message, Exception):
            raise message
        return message

    async def send(self, message: Message) -> None:
        """Keep what the app sends."""
        await checkpoint()
        self.sent.append(message)

    @property
    def sent_types(self) -> list[str]:
        """The types of what was sent."""
        return [message["type"] for message in self.sent]

    async def run(self, app: ASGIApp) -> None:
        """Handle the request with an app behind the middleware."""
        await RequestCancelationMiddleware(app)(self.scope, self.receive, self.send)

    async def run_alone(self, app: ASGIApp) -> None:
        """Handle the request with an app as it is."""
        await app(self.scope, self.receive, self.send)

    @asynccontextmanager
    async def running(self, app: ASGIApp) -> AsyncGenerator[anyio.CancelScope]:
        """Handle the request meanwhile; leaving the block waits for its end. Gives a scope that cancels it."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.run, app)
            await anyio.wait_all_tasks_blocked()
            yield group.cancel_scope
