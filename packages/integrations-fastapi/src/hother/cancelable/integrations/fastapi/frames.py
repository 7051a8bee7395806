"""What comes over a web socket: frames, one kind at a time, and all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, Literal, Self, TypeVar

from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

T = TypeVar("T")
Mode = Literal["text", "binary"]
"""In which kind of frame JSON is sent."""


class Frames(AsyncIterator[T], Generic[T]):
    """Iterates what a function receives, until the peer has left.

    An async generator would have to be closed after a `break`, which nobody does.
    """

    def __init__(self, receive: Callable[[], Awaitable[T]]) -> None:
        self._receive = receive

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            return await self._receive()
        except WebSocketDisconnect:
            raise StopAsyncIteration from None


def text_of(message: Message) -> str:
    """Return the content of a text frame.

    Raises:
        ValueError: If it is a binary one. Servers differ in how they say that.
    """
    text: str | None = message.get("text")
    if text is None:
        raise ValueError("the peer sent a binary frame where a text frame was expected")
    return text


def bytes_of(message: Message) -> bytes:
    """Return the content of a binary frame.

    Raises:
        ValueError: If it is a text one. Servers differ in how they say that.
    """
    content: bytes | None = message.get("bytes")
    if content is None:
        raise ValueError("the peer sent a text frame where a binary frame was expected")
    return content


def require_mode(mode: object) -> None:
    """Refuse a mode that there is not.

    Raises:
        ValueError: If it is neither `"text"` nor `"binary"`.
    """
    if mode not in ("text", "binary"):
        raise ValueError(f"mode must be 'text' or 'binary', not {mode!r}")
