"""The rows of the FastAPI middleware: one request through the app, in process."""

from __future__ import annotations

import time
from typing import Any

import anyio
from measuring import Row, Work
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, get_request_token

TIMES = 3000


async def _receive_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


async def watched(scope: Scope, receive: Receive, send: Send) -> None:
    get_request_token(Request(scope, receive))
    await plain(scope, receive, send)


class Exchange:
    """The server's side of one request: the client leaves when it has its answer, as servers tell it."""

    def __init__(self) -> None:
        self._bodies = [_receive_body]
        self._complete = False
        self._over: anyio.Event | None = None

    async def receive(self) -> Message:
        if self._bodies:
            return await self._bodies.pop()()
        if not self._complete:
            self._over = anyio.Event()
            await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self._complete = message["type"] == "http.response.body"
        if self._complete and self._over is not None:
            self._over.set()


def _requests(app: ASGIApp) -> Work:
    async def work() -> float:
        exchanges = [Exchange() for _ in range(TIMES)]
        scopes: list[dict[str, Any]] = [
            {"type": "http", "method": "GET", "path": "/", "headers": []} for _ in range(TIMES)
        ]
        start = time.thread_time()
        for scope, exchange in zip(scopes, exchanges, strict=True):
            await app(scope, exchange.receive, exchange.send)
        return (time.thread_time() - start) / TIMES * 1e6

    return work


ROWS = [
    Row(
        "middleware per request, no watcher needed",
        "bare app",
        3,
        _requests(RequestCancelationMiddleware(plain)),
        _requests(plain),
        difference=True,
    ),
    Row(
        "middleware per request, watched",
        "bare app",
        20,
        _requests(RequestCancelationMiddleware(watched)),
        _requests(plain),
        difference=True,
    ),
]
