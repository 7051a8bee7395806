"""The token of a request, with the middleware and without."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Any

import anyio
import anyio.from_thread
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket

from hother.cancelable import CancelationToken
from hother.cancelable.core import current_loop

from .monitor import SCOPE_KEY, Monitor
from .silence import answer_base_http_middleware, is_only_disconnect


def get_request_token(request: HTTPConnection) -> CancelationToken:
    """Return the token that is cancelled, with the reason `DISCONNECT`, when the client of a request leaves.

    It is cancelled only before the response is complete, so background tasks are left alone.

    Without `RequestCancelationMiddleware` this works in endpoints of FastAPI and their dependencies, with the request
    or web socket that FastAPI hands out. The token then hears of the client until the endpoint has returned, or its web
    socket has closed; a `StreamingResponse` that is sent afterwards is cancelled by Starlette itself. So ask for it
    before the endpoint returns, not first in a background task, and with FastAPI's own object: a second `Request` that
    is built from its parts would lose the body.

    Args:
        request: The request or web socket. Works with `Depends(get_request_token)`, too.

    Raises:
        RuntimeError: If nothing watches this request and nothing can: add the middleware.
    """
    monitor: Monitor | None = request.scope.get(SCOPE_KEY)
    if monitor is None:
        monitor = _install(request)
    return monitor.token()


def _install(request: HTTPConnection) -> Monitor:
    """Put a monitor between an endpoint and its request."""
    until_response = request.scope.get("fastapi_function_astack")
    until_end = request.scope.get("fastapi_middleware_astack")
    if not (
        isinstance(request, (Request, WebSocket))
        and isinstance(until_response, AsyncExitStack)
        and isinstance(until_end, AsyncExitStack)
    ):
        raise RuntimeError(
            f"nobody would cancel the token of this {type(request).__name__}: add RequestCancelationMiddleware to the "
            "app. Without it only endpoints of FastAPI have a token, from the request that FastAPI hands out"
        )
    install = partial(_install_between, request, until_response, until_end)
    try:
        current_loop()
    except anyio.NoEventLoopError:  # FastAPI runs plain functions in worker threads
        return anyio.from_thread.run_sync(install)
    return install()


def _install_between(
    request: Request | WebSocket, until_response: AsyncExitStack[Any], until_end: AsyncExitStack[Any]
) -> Monitor:
    inside: Any = request  # both attributes are Starlette's own, in requests and web sockets
    receive, send = inside._receive, inside._send
    monitor = Monitor(request.scope, receive, send, body_was_read=getattr(request, "_stream_consumed", False))

    async def close(
        kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            if error is None or not (monitor.left and is_only_disconnect(error)):
                return False
            if not monitor.started:
                await answer_base_http_middleware(receive, send)
            return True
        finally:
            if (rest := monitor.close()) is not None:
                await rest

    inside._receive, inside._send = monitor.receive, monitor.send
    request.scope[SCOPE_KEY] = monitor
    until_response.push_async_callback(monitor.stop)
    until_end.push_async_exit(close)
    return monitor
