"""What the messages of ASGI say about a request: https://asgi.readthedocs.io/en/latest/specs/www.html."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.types import Message, Scope

HTTP_DISCONNECT: Final[Message] = {"type": "http.disconnect"}
WEBSOCKET_DISCONNECT: Final[Message] = {"type": "websocket.disconnect", "code": 1006}
_BODIES = ("http.response.body", "http.response.zerocopysend", "websocket.http.response.body")
_ENDS = ("http.response.pathsend", "websocket.close")


def is_disconnect(message: Message) -> bool:
    """Tell whether the server says that nothing more will come."""
    return message["type"] in ("http.disconnect", "websocket.disconnect")


def name_of(scope: Scope) -> str:
    """Return what operations of a request are called; a web socket has no method."""
    return f"{scope.get('method', 'WebSocket')} {scope['path']}"


def expects_continue(scope: Scope) -> bool:
    """Tell whether the client sends its body only when somebody reads it (`Expect: 100-continue`)."""
    headers: Iterable[tuple[bytes, bytes]] = scope.get("headers") or ()
    if not isinstance(headers, list):  # any iterable is allowed, and the app wants to read it, too
        headers = scope["headers"] = list(headers)
    for name, _ in headers:  # noqa: SIM110 - a generator takes twice as long
        if name == b"expect":
            return True
    return False


def ends_response(message: Message, trailers: bool) -> bool:
    """Tell whether a response is complete with this message.

    Args:
        message: What the app sends.
        trailers: Whether the response was announced to end with trailers.
    """
    kind: str = message["type"]
    if kind in _BODIES:
        return not trailers and not message.get("more_body", False)
    if kind == "http.response.trailers":
        return not message.get("more_trailers", False)
    return kind in _ENDS
