"""The middleware that ends the operations of a request when its client leaves, or its time is up."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from hother.cancelable import CancelationError, CancelationReason
from hother.cancelable.core import ambient_token, logger, positive_seconds, require

from .ending import Ending, refuse
from .monitor import SCOPE_KEY, Monitor
from .shutdown import GracefulShutdown
from .silence import (
    answer_base_http_middleware,
    cut_base_http_middleware,
    is_only,
    is_only_disconnect,
    lies_in_base_http_middleware,
    reason_of,
    tells_why,
)

ON_PURPOSE: Final = (
    CancelationReason.MANUAL,
    CancelationReason.SIGNAL,
    CancelationReason.SHUTDOWN,
    CancelationReason.DISCONNECT,
)
"""Why a background task may end without being an error: somebody wanted it to."""


class RequestCancelationMiddleware:
    """Ends every operation entered inside a request when the client leaves before the response is complete.

    The operations end with the reason `DISCONNECT`, wherever in the request they were entered, unless they are
    detached. A `DisconnectCancelation` that nobody has caught ends here, silently, and so does any other cancellation
    that ends a response half-way: the transfer is cut off. Everything else passes untouched: bodies, responses,
    exceptions, background tasks, and the scopes of other protocols. A request without operations is not watched and
    costs next to nothing.

    It is pure ASGI and fits any ASGI app, on asyncio and trio. Make it the outermost one: in FastAPI, add it last, or
    wrap the app. Where there are several, one of them watches, and each keeps its own timeout.

    With `default_timeout` a request that takes longer, until its response is complete, is ended with the reason
    `TIMEOUT`. The client gets a 504, or, if the response had started, what was sent is cut off. Background tasks have
    all the time they need, and web sockets have no deadline. As long as an operation of the request runs that has a
    timeout of its own, from `with_cancelation`, `cancelable_within` or `cancelable_dependency`, that one is in effect
    instead; for what follows the time counts anew. A plain function in a thread cannot be interrupted: its client gets
    what it returns in the end.

    Args:
        app: The ASGI app.
        default_timeout: How long a request may take, in seconds or as a `timedelta`.
        grace: How long the operations of a request may take to end when its time is up, the clean-up of dependencies
            included, in seconds or as a `timedelta`. Then all of it is cancelled; at once where it has no operations.
        shutdown: Ends requests and streams when the server shuts down.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a time is zero, negative or NaN.

    Example:
        ```python
        from fastapi import FastAPI
        from hother.cancelable import Cancelable
        from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware

        app = FastAPI()
        app.add_middleware(RequestCancelationMiddleware, default_timeout=60)


        @app.post("/process")
        async def process(data: dict[str, int]) -> int:
            async with Cancelable(name="process"):
                return sum(data.values())
        ```
    """

    def __init__(
        self,
        app: ASGIApp,
        default_timeout: float | timedelta | None = None,
        *,
        grace: float | timedelta = 1.0,
        shutdown: GracefulShutdown | None = None,
    ) -> None:
        self.app: ASGIApp = app
        self._timeout = None if default_timeout is None else positive_seconds(default_timeout, "default_timeout")
        self._grace = positive_seconds(grace, "grace")
        self._shutdown = shutdown
        self._may_end = default_timeout is not None or shutdown is not None
        if shutdown is not None:
            require(GracefulShutdown, shutdown, "shutdown", "a GracefulShutdown")
            shutdown.middleware_is_there()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if self._shutdown is not None and self._shutdown.has_begun:
            await refuse(scope, send, CancelationReason.SHUTDOWN)
            return
        around: Monitor | None = scope.get(SCOPE_KEY)
        if around is not None and not around.over:
            await self._run_inside(around, scope, receive, send)
            return
        scope[SCOPE_KEY] = monitor = Monitor(scope, receive, send)
        try:
            with ambient_token(monitor.token_for_operation):
                if self._may_end:
                    await self._run(monitor, scope, monitor.receive, monitor.send)
                else:
                    await self.app(scope, monitor.receive, monitor.send)
        except BaseException as error:
            if not await _settle(monitor, scope, receive, send, error):
                raise
        finally:
            if (rest := monitor.close()) is not None:
                await rest

    async def _run_inside(self, monitor: Monitor, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app where another middleware has the monitor."""
        try:
            if self._may_end:
                await self._run(monitor, scope, receive, send)
            else:
                await self.app(scope, receive, send)
        except Exception as error:
            if monitor.is_half_way and tells_why(error) and lies_in_base_http_middleware(receive, send):
                await cut_base_http_middleware(send, error)
            raise

    async def _run(self, monitor: Monitor, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app so that a deadline or the shutdown can end it."""
        ending = Ending(monitor, scope, send, self._grace)
        if self._timeout is not None and scope["type"] == "http":
            ending.end_after(self._timeout)
        if self._shutdown is not None:
            self._shutdown.follow(ending)
        try:
            with ending.scope:
                await self.app(scope, receive, ending.send)
        except BaseException as error:
            if ending.cause is None or await ending.cut() or not is_only(error, CancelationError):
                raise
        finally:
            ending.stop()
            if self._shutdown is not None:
                self._shutdown.forget(ending)
        await ending.answer()


async def _settle(monitor: Monitor, scope: Scope, receive: Receive, send: Send, error: BaseException) -> bool:
    """Deal with what has left the app, if it says only that the request was to end.

    Returns:
        Whether that is so, and nobody else needs to see it.
    """
    if monitor.left and is_only_disconnect(error):
        if not monitor.started:
            await answer_base_http_middleware(receive, send)
        return True
    if monitor.over and is_only(error, CancelationError) and reason_of(error) in ON_PURPOSE:
        logger.debug("a background task was cancelled: %s", error)
        return True
    if not (monitor.is_half_way and tells_why(error)):
        return False
    if scope["type"] == "websocket":
        if not monitor.left:
            await refuse(scope, monitor.send, reason_of(error))
    elif lies_in_base_http_middleware(receive, send):
        await cut_base_http_middleware(send, error)
        return False
    return True
