"""Calls on a web socket that end with an operation, and alike on every server."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final, NoReturn

import anyio
from anyio.lowlevel import checkpoint
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from hother.cancelable import Cancelable, CancelationReason, CancelationToken, current_operation
from hother.cancelable.core import Registration, entered_here

from .close_codes import NOT_KNOWN, code_of, reason_of
from .messages import is_disconnect
from .monitor import GRACE, SCOPE_KEY, Monitor
from .token import get_request_token

CLOSE_WITHIN: Final = 1.0
"""How long closing may take in an operation that was cancelled, in seconds."""


class WebSocketCalls:
    """What may wait on a web socket, each in its operation; and the operation that the peer's leaving ends."""

    def __init__(self, websocket: WebSocket, cancelable: Cancelable | None) -> None:
        self._websocket = websocket
        self._token = get_request_token(websocket)
        self._monitor: Monitor = websocket.scope[SCOPE_KEY]
        self._given = cancelable
        self._task = _current_task()
        self._linked: Cancelable | None = None
        self._link: Registration | None = None
        self._operation()

    @property
    def disconnect(self) -> Message | None:
        """What the server said when the peer had left."""
        return self._monitor.disconnect

    async def send(self, send: Callable[[], Awaitable[None]]) -> None:
        """Send something as an operation's call.

        Raises:
            WebSocketDisconnect: If the peer has left, outside any operation.
        """
        async with self._in_operation():
            await checkpoint()
            if self._monitor.left or not await self._unless_gone(send):
                await self._raise_gone(self._monitor.disconnect)

    async def receive(self) -> Message:
        """Return the next frame. Starlette's own methods refuse to, once a send has failed.

        Raises:
            WebSocketDisconnect: If no frame is left and the peer has gone, outside any operation.
            RuntimeError: If the app has not accepted the web socket, or has closed it.
        """
        if self._websocket.application_state is not WebSocketState.CONNECTED and not self._monitor.left:
            raise RuntimeError("nothing can be received: accept the web socket first, and do not close it before")
        async with self._in_operation():
            await checkpoint()
            if self._websocket.client_state is not WebSocketState.CONNECTED:
                await self._raise_gone(self._monitor.disconnect)
            message = await self._websocket.receive()
            if is_disconnect(message):
                await self._raise_gone(message)
            return message

    async def close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Close the web socket unless it is closed, in an operation that was cancelled all the same."""
        if self._monitor.left or self._websocket.application_state is WebSocketState.DISCONNECTED:
            return
        cancelled = anyio.current_effective_deadline() == -math.inf
        with anyio.move_on_after(CLOSE_WITHIN if cancelled else None, shield=cancelled):
            await self._unless_gone(close)

    async def _unless_gone(self, send: Callable[[], Awaitable[None]]) -> bool:
        """Send and return True, or return False if the server says, in whichever way, that the peer has left."""
        try:
            await send()
        except (OSError, WebSocketDisconnect):
            return False
        except RuntimeError:  # uvicorn's `websockets` raises one
            if not self._monitor.left:
                raise
            return False
        return True

    async def _raise_gone(self, message: Message | None) -> NoReturn:
        """Give way to an operation that ends because of it; outside of one, say it as Starlette does."""
        if message is None or _is_told_to_stop(current_operation()):
            await anyio.sleep(GRACE)
            message = message or self._monitor.disconnect
        raise WebSocketDisconnect(code_of(message) or NOT_KNOWN, reason_of(message))

    def _operation(self) -> Cancelable | None:
        """Return the operation of a call, which the peer's leaving ends from now on.

        An operation that another task has entered is only heard: it may be that of the server, or send to many.
        """
        if self._given is not None:
            self._end_with_peer(self._given)
            return self._given
        operation = current_operation()
        if operation is not None and self._is_own_task() and entered_here(operation):
            self._end_with_peer(_outermost_here(operation))
        return operation

    def _is_own_task(self) -> bool:
        """Tell whether this is the task that made the web socket, or has used it first if a worker thread made it."""
        task = _current_task()
        self._task = self._task or task
        return task is not None and task == self._task

    def _end_with_peer(self, operation: Cancelable) -> None:
        """Have the request's token end an operation, the only one at a time, and keep nothing there."""
        if operation is self._linked:
            return
        if self._link is not None:
            self._link.unregister()

        def end(token: CancelationToken) -> None:
            operation.cancel_sync(token.reason or CancelationReason.DISCONNECT, token.message)

        self._linked = operation
        self._link = self._token.on_cancel(end)

    def _in_operation(self) -> AbstractAsyncContextManager[object]:
        """Return what a call runs in, so that it ends with its operation also where that has no scope around it.

        Raises:
            CancelationError: If the operation was cancelled and has ended, in another task than the web socket's own,
                where nothing else would end a loop.
        """
        operation = self._operation()
        if operation is None or entered_here(operation):
            return nullcontext()
        if operation.is_running:
            name = operation.context.name
            return Cancelable(name=name, parent=operation, token=operation.token, detached=True)
        if not self._is_own_task():
            operation.check()
        return nullcontext()


def _outermost_here(operation: Cancelable) -> Cancelable:
    """Return the operation that encloses all others of the current task."""
    while (above := operation.parent) is not None and entered_here(above):
        operation = above
    return operation


def _is_told_to_stop(operation: Cancelable | None) -> bool:
    while operation is not None and not operation.cancel_requested:
        operation = operation.parent
    return operation is not None


def _current_task() -> int | None:
    """Return what tells the current task from others; None in worker threads."""
    try:
        return anyio.get_current_task().id
    except anyio.NoEventLoopError:
        return None
