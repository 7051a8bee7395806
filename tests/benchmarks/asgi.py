"""The rows of the FastAPI middleware: one request through the app, in process."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from measuring import Row
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, get_request_token

TIMES = 2000


async def _receive_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


async def watched(scope: Scope, receive: Receive, send: Send) -> None:
    get_request_token(Request(scope, receive))
    await plain(scope, receive, send)


def _requests(app: ASGIApp) -> Callable[[], Awaitable[float]]:
    async def send(message: Message) -> None:
        pass

    async def work() -> float:
        gone = anyio.Event()

        def receiver() -> Receive:
            bodies = [_receive_body]

            async def receive() -> Message:
                if bodies:
                    return await bodies.pop()()
                await gone.wait()
                return {"type": "http.disconnect"}

            return receive

        scopes: list[tuple[dict[str, Any], Receive]] = [
            ({"type": "http", "method": "GET", "path": "/", "headers": []}, receiver()) for _ in range(TIMES)
        ]
        start = time.perf_counter()
        for scope, receive in scopes:
            await app(scope, receive, send)
        return (time.perf_counter() - start) / TIMES * 1e6

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
