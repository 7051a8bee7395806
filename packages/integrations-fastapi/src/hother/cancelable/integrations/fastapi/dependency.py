"""The operation of a request, for endpoints to enter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from datetime import timedelta
from types import TracebackType
from typing import Self, Unpack

from starlette.requests import HTTPConnection

from hother.cancelable import Cancelable, OperationStatus
from hother.cancelable.core import OperationOptions, positive_seconds

from .messages import name_of
from .monitor import SCOPE_KEY, Monitor
from .token import get_request_token


class RequestCancelable(Cancelable):
    """An operation that gives itself when it is awaited: a dependency and its result in one."""

    __slots__ = ("_monitor", "_request_token")

    def __init__(self, monitor: Monitor | None = None, **options: Unpack[OperationOptions]) -> None:
        super().__init__(**options)
        self._request_token = options.get("token")
        self._monitor = monitor

    async def __aenter__(self) -> Self:
        if self._timeout is not None and self._monitor is not None:
            for ending in self._monitor.endings:
                ending.lift_deadline()
        return await super().__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        try:
            return await super().__aexit__(kind, error, traceback)
        finally:
            monitor, self._monitor = self._monitor, None
            if self._timeout is not None and monitor is not None:
                for ending in monitor.endings:
                    ending.restore_deadline()

    def check(self) -> None:
        """Raise if this operation was told to stop; in a plain endpoint, which cannot enter it, if the client has left.

        Raises:
            CancelationError: The class that belongs to the reason, `DisconnectCancelation` for a client that left.
        """
        super().check()
        if self._request_token is not None and self._status is OperationStatus.PENDING:
            self._request_token.check()

    def __await__(self) -> Generator[None, None, Self]:
        return self
        yield


def cancelable_dependency(
    request: HTTPConnection | None = None, timeout: float | timedelta | None = None
) -> RequestCancelable:
    """Make the operation of a request: it ends when the client leaves or time is up. The endpoint enters it.

    Use it as `Depends(cancelable_dependency)`; for a timeout, use `cancelable_within`. Or call it in a dependency of
    your own, where the timeout is a setting of the app; the result may be awaited or not. Nothing of it is a parameter
    of the endpoint, so no client controls the timeout.

    A timeout that is given here takes the place of the middleware's default one as long as the operation runs.

    An endpoint that is a plain function cannot enter the operation, and no timeout begins. It calls `check()`, which
    raises as soon as the client has left.

    Without `RequestCancelationMiddleware` a call without a request makes an operation that only has the timeout, since
    nobody tells it of the client; hand the request over there. What else to know: `get_request_token`.

    Args:
        request: The request or web socket.
        timeout: How long the operation may take from entry, in seconds or as a `timedelta`.

    Raises:
        RuntimeError: If nothing watches the request and nothing can: add the middleware.
        TypeError: If the timeout is no time span.
        ValueError: If the timeout is zero, negative or NaN.

    Example:
        ```python
        from typing import Annotated

        from fastapi import Depends, FastAPI, Request
        from hother.cancelable import Cancelable
        from hother.cancelable.integrations.fastapi import cancelable_dependency

        app = FastAPI()
        app.state.timeout = 30


        async def as_configured(request: Request) -> Cancelable:
            return cancelable_dependency(request, timeout=request.app.state.timeout)


        @app.get("/report")
        async def report(cancel: Annotated[Cancelable, Depends(as_configured)]) -> str:
            async with cancel:
                return "done"
        ```
    """
    if request is None:
        return RequestCancelable(timeout=timeout)
    name = name_of(request.scope)
    token = get_request_token(request)
    return RequestCancelable(request.scope[SCOPE_KEY], name=name, timeout=timeout, token=token)


async def _as_fastapi_sees_it(request: HTTPConnection) -> Cancelable:
    """Have the signature and the kind that FastAPI shall find: no parameter of the client, no worker thread."""
    return cancelable_dependency(request)


vars(cancelable_dependency)["__wrapped__"] = _as_fastapi_sees_it


def cancelable_within(timeout: float | timedelta) -> Callable[[HTTPConnection], Awaitable[Cancelable]]:
    """Make a dependency: the operation of a request, which ends when the client leaves or time is up.

    The endpoint enters it. Whoever depends on the same function within a request gets the same operation, so keep the
    function in a name to share it, or to replace it with `dependency_overrides`. It works in HTTP and web socket
    routes, adds nothing to the OpenAPI schema, and no client controls the timeout.

    Args:
        timeout: How long the operation may take from entry, in seconds or as a `timedelta`.

    Returns:
        A coroutine function for `Depends`. It raises what `cancelable_dependency` raises.

    Raises:
        TypeError: If the timeout is no time span.
        ValueError: If the timeout is zero, negative or NaN.

    Example:
        ```python
        from typing import Annotated

        from fastapi import Depends, FastAPI
        from hother.cancelable import Cancelable
        from hother.cancelable.integrations.fastapi import cancelable_within

        app = FastAPI()
        at_most_30_seconds = cancelable_within(30)


        @app.get("/report")
        async def report(cancel: Annotated[Cancelable, Depends(at_most_30_seconds)]) -> str:
            async with cancel:
                return "done"
        ```
    """
    seconds = positive_seconds(timeout, "timeout")

    async def cancelable_within_timeout(request: HTTPConnection) -> Cancelable:
        return cancelable_dependency(request, seconds)

    return cancelable_within_timeout
