"""Reading what a server has for an app: one message at a time, ahead of the app where that is safe."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection
from typing import Final

import anyio
from starlette.types import Message, Receive, Scope

from .messages import expects_continue, is_disconnect
from .response_state import ResponseState

LOOK_AHEAD: Final = 2**20
"""How much of a web socket is read ahead at most, in bytes, so that the close behind it is seen."""
FRAME: Final = 128
"""What a message of a web socket counts beside its content, in bytes."""


class Channel(ResponseState):
    """What is known of the messages to the app, and of those that were read and not given to it yet."""

    _asked = False
    _body_complete = False
    _disconnect: Message | None = None
    _error: Exception | None = None
    _held: Collection[Message] = ()
    _held_bytes = 0
    _news: anyio.Event | None = None
    _reading = False

    _scope: Scope
    _receive: Receive
    _http: bool

    def _may_read_ahead(self) -> bool:
        may_hold_more = not self._held if self._http else self._held_bytes < LOOK_AHEAD
        return (may_hold_more or self._body_complete) and not self._body_waits_to_be_asked_for()

    def _hold(self, message: Message, after_body: bool) -> None:
        """Keep a message for the app; what a server sends after the body says nothing."""
        if after_body:
            return
        if not isinstance(self._held, deque):
            self._held = deque()
        self._held.append(message)
        self._held_bytes += _size_of(message)

    def _body_waits_to_be_asked_for(self) -> bool:
        return not self._asked and self._http and expects_continue(self._scope)

    async def _read(self) -> Message:
        """Await the server's one `receive()` that is in flight at a time."""
        self._reading = True
        try:
            message = await self._receive()
        finally:
            self._reading = False
            self._tell_news()
        if is_disconnect(message):
            self._disconnect = message
        elif self._http:
            self._body_complete = self._body_complete or not message.get("more_body", False)
        return message

    def _only_looks(self) -> bool:
        """Tell whether the app asks in a cancelled scope, as `Request.is_disconnected` does."""
        return self._http and anyio.current_effective_deadline() == -math.inf

    def _take(self) -> Message:
        assert isinstance(self._held, deque)
        message: Message = self._held.popleft()
        self._held_bytes -= _size_of(message)
        self._tell_news()
        return message

    def _take_error(self) -> Exception:
        assert self._error is not None
        error, self._error = self._error, None
        return error

    async def _wait_for_news(self) -> None:
        if self._news is None:
            self._news = anyio.Event()
        await self._news.wait()

    def _tell_news(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None


def _size_of(message: Message) -> int:
    return len(message.get("bytes") or message.get("text") or "") + FRAME
