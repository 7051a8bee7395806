"""The operation of a request, for endpoints to enter."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Self

from starlette.requests import HTTPConnection

from hother.cancelable import Cancelable

from .token import get_request_token


class RequestCancelable(Cancelable):
    """An operation that gives itself when it is awaited: a dependency and its result in one."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, Self]:
        return self
        yield


def cancelable_dependency(
    request: HTTPConnection | None = None, timeout: float | timedelta | None = None
) -> RequestCancelable:
    """Make the operation of a request: it ends when the client leaves or time is up. The endpoint enters it.

    Use it as `Depends(cancelable_dependency)`, or call it in a dependency of your own to give a timeout; the result
    may be awaited or not. Nothing of it is a parameter of the endpoint, so no client controls the timeout.

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


        async def at_most_30_seconds(request: Request) -> Cancelable:
            return await cancelable_dependency(request, timeout=30)


        @app.get("/report")
        async def report(cancel: Annotated[Cancelable, Depends(at_most_30_seconds)]) -> str:
            async with cancel:
                return "done"
        ```
    """
    if request is None:
        return RequestCancelable(timeout=timeout)
    name = f"{request.scope.get('method', 'WebSocket')} {request.scope['path']}"  # a web socket has no method
    return RequestCancelable(name=name, timeout=timeout, token=get_request_token(request))


async def _as_fastapi_sees_it(request: HTTPConnection) -> Cancelable:
    """Have the signature and the kind that FastAPI shall find: no parameter of the client, no worker thread."""
    return cancelable_dependency(request)


vars(cancelable_dependency)["__wrapped__"] = _as_fastapi_sees_it
