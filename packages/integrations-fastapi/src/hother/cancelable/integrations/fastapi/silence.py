"""What becomes of a cancellation that nobody has caught, where there is nobody left to be told of it."""

from __future__ import annotations

from typing import Final, cast

from starlette.types import Receive, Send

from hother.cancelable import CancelationError, CancelationReason, DisconnectCancelation

from .answers import CLIENT_GONE, answer_to

CUT_KEY: Final = "hother.cancelable.cut"
"""Where a message that shall end a response half-way keeps why."""


_TOO_LATE: Final = "Caught handled exception, but response already started."


def is_only(error: BaseException, kind: type[CancelationError]) -> bool:
    """Tell whether an exception, or each one in a group, is of a kind.

    Also where Starlette has a handler for it that comes too late: it raises a RuntimeError from it then.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(is_only(each, kind) for each in cast("BaseExceptionGroup[BaseException]", error).exceptions)
    return isinstance(error, kind) or (isinstance(error.__cause__, kind) and _comes_too_late(error))


def is_only_disconnect(error: BaseException) -> bool:
    """Tell whether an exception, or each one in a group, says that the client has left."""
    return is_only(error, DisconnectCancelation)


def tells_why(error: BaseException) -> bool:
    """Tell whether an exception that ends a response half-way says only that it was told to end, not what broke."""
    return is_only(error, CancelationError) and answer_to(reason_of(error)).status != 500


def reason_of(error: BaseException) -> CancelationReason:
    """Return the reason of a cancellation that may have been wrapped; of several the first."""
    first = error
    while isinstance(first, BaseExceptionGroup):
        first = cast("BaseExceptionGroup[BaseException]", first).exceptions[0]
    found = first if isinstance(first, CancelationError) else first.__cause__
    assert isinstance(found, CancelationError)
    return found.reason


def lies_in_base_http_middleware(receive: Receive, send: Send) -> bool:
    """Tell whether Starlette's `BaseHTTPMiddleware`, as in `@app.middleware("http")`, waits for a response."""
    channel = (receive, send)  # another middleware may have wrapped one of the two
    return any(getattr(each, "__module__", None) == "starlette.middleware.base" for each in channel)


async def cut_base_http_middleware(send: Send, error: BaseException) -> None:
    """Have `BaseHTTPMiddleware` break off the response that it passes on.

    It ends the response of an app that has failed half-way as if it were whole, but leaves the end to a file that the
    server is to send. This one has no path: no server takes it.
    """
    await send({"type": "http.response.pathsend", CUT_KEY: error})


async def answer_base_http_middleware(receive: Receive, send: Send) -> None:
    """Begin and end a response where `BaseHTTPMiddleware` waits for one.

    It raises "No response returned" where none was begun. The server drops what it then sends for a client that left.
    """
    if lies_in_base_http_middleware(receive, send):
        await send({"type": "http.response.start", "status": CLIENT_GONE, "headers": []})
        await send({"type": "http.response.body"})


def _comes_too_late(error: BaseException) -> bool:
    """Tell whether Starlette says that it has found a handler when the response had started."""
    return type(error) is RuntimeError and str(error) == _TOO_LATE
