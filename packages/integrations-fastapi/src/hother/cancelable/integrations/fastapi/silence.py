"""What becomes of a cancellation that nobody has caught: the client is gone, so nobody wants to hear of it."""

from __future__ import annotations

from starlette.types import Receive, Send

from hother.cancelable import DisconnectCancelation

CLIENT_CLOSED_REQUEST = 499


def is_only_disconnect(error: BaseException) -> bool:
    """Tell whether an exception, or each one in a group, says that the client has left."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(DisconnectCancelation)[1] is None  # pyright: ignore[reportUnknownMemberType]
    return isinstance(error, DisconnectCancelation)


async def answer_base_http_middleware(receive: Receive, send: Send) -> None:
    """Begin and end a response where Starlette's `BaseHTTPMiddleware`, as in `@app.middleware("http")`, waits for one.

    It raises "No response returned" where none was begun. The server drops what it then sends for a client that left.
    """
    channel = (receive, send)  # another middleware may have wrapped one of the two
    if any(getattr(each, "__module__", None) == "starlette.middleware.base" for each in channel):
        await send({"type": "http.response.start", "status": CLIENT_CLOSED_REQUEST, "headers": []})
        await send({"type": "http.response.body"})
