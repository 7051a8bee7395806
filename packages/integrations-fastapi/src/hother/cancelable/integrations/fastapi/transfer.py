"""Sending one response: its start, its pieces, what keeps it alive, and its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import anyio
from anyio.lowlevel import checkpoint
from starlette.types import Message, Send

from fastapi.sse import KEEPALIVE_COMMENT
from hother.cancelable import Cancelable, CancelationError, CancelationReason
from hother.cancelable.core import current_loop, start_beside

from .answers import last_event
from .chunks import Rechunker
from .monitor import MESSAGE
from .sse import EventBoundary, framed

LAST_EVENT_TIMEOUT: Final = 5.0
"""How long a client may take to accept the last event of a stream that was cancelled, in seconds."""


class Transfer:
    """What is sent of one response, one message at a time.

    Args:
        send: The way to the server.
        start: The message that starts the response.
        operation: The operation that ends when the server says on sending that the client has left.
        events: Whether it is an event stream.
        chunk_size: The size of all pieces but the last one, in bytes.

    Attributes:
        started: Whether the response has begun.
        start_sent: Whether its start has certainly been sent.
        client_left: Whether the server has said so.
        failure: What broke a ping.
    """

    def __init__(
        self, send: Send, start: Message, operation: Cancelable, *, events: bool, chunk_size: int | None = None
    ) -> None:
        self.started: bool = False
        self.start_sent: bool = False
        self.client_left: bool = False
        self.failure: Exception | None = None
        self._boundary = EventBoundary() if events else None
        self._in_flight = False
        self._last = anyio.current_time()
        self._lock = anyio.Lock()
        self._operation = operation
        self._rechunker = None if chunk_size is None else Rechunker(chunk_size)
        self._send_message = send
        self._start = start

    async def begin(self) -> None:
        """Send the start, which the client of an event stream wants to have at once."""
        await self._take_turn()
        try:
            await self._begin()
        finally:
            self._lock.release()

    async def _begin(self) -> None:
        if self.started:
            return
        self.started = True
        await self._send(self._start)
        self.start_sent = True
        if self._boundary is not None:
            await self._send_body(b"")  # some servers keep the start until there is a body

    async def add(self, data: bytes) -> None:
        """Send some more of the body. Others may run after each piece, and it may be interrupted there.

        Raises:
            RuntimeError: If it goes on after an interruption that may have torn a hole into the body.
        """
        if self._rechunker is None:
            await self._add_piece(data)
            return
        self._rechunker.add(data)
        while (piece := self._rechunker.piece()) is not None:
            await self._add_piece(piece)
        await checkpoint()

    async def _add_piece(self, piece: bytes) -> None:
        if self._in_flight:
            raise RuntimeError(
                "the generator of a response went on after it was interrupted while a piece of the body was being "
                "sent: that piece may be lost, so end the generator when a cancel scope around its `yield` is cancelled"
            )
        self._in_flight = True
        await self._take_turn()
        try:
            await self._begin()
            await self._send_body(piece)
        finally:
            self._lock.release()
        self._in_flight = False
        await checkpoint()

    async def _take_turn(self) -> None:
        """Wait while a ping is being sent; otherwise this is no checkpoint, which might lose the piece."""
        try:
            self._lock.acquire_nowait()
        except anyio.WouldBlock:
            await self._lock.acquire()

    async def finish(self) -> None:
        """Send what is left, and the end. If the operation was told to end, the client has a few seconds to accept it.

        Raises:
            CancelationError: If it did not; what was sent must not look complete.
            RuntimeError: If an interruption may have torn a hole into the body.
        """
        if self._in_flight and (self._rechunker is not None or not self.start_sent):
            raise RuntimeError(
                "the generator of a response ended itself while a piece of the body was being sent: that piece may be "
                "lost, and others follow it, so have no cancel scope around its `yield`, or leave out chunk_size"
            )
        with anyio.move_on_after(LAST_EVENT_TIMEOUT if self._operation.cancel_requested else None):
            await self._begin()
            await self._send_rest()
            await self._send_end()
            return
        self._operation.check()

    async def tell_why(self, reason: CancelationReason) -> bool:
        """End an event stream with a last event that says why.

        Returns:
            Whether that was done. If not, what was sent must not look complete.
        """
        if self._boundary is None or not self.start_sent:
            return False
        with anyio.move_on_after(LAST_EVENT_TIMEOUT):
            if not self._in_flight:  # else there may be a hole before the rest
                await self._send_rest()
            if self._boundary.clean:
                await self._send_body(framed(last_event(reason)))
                await self._send_end()
                return True
        return False

    @asynccontextmanager
    async def pinging(self, interval: float | None) -> AsyncGenerator[None]:
        """Send a comment whenever nothing was sent for so long, in seconds, from a task beside; None sends none."""
        if interval is None:
            yield
            return
        task = start_beside(current_loop(), partial(self._keep_alive, interval), "ping an event stream")
        try:
            yield
        finally:
            await task.stop()

    async def _keep_alive(self, interval: float) -> None:
        try:
            while True:
                await anyio.sleep(self._last + interval - anyio.current_time())
                async with self._lock:
                    if anyio.current_time() >= self._last + interval:
                        await self._ping()
        except Exception as error:
            if not self.client_left:  # else the operation knows
                self.failure = error
                self._operation.cancel_sync(CancelationReason.ERROR, f"a ping failed: {error!r}")

    async def _ping(self) -> None:
        assert self._boundary is not None
        self._last = anyio.current_time()
        if self.started and self._boundary.clean:
            await self._send_body(KEEPALIVE_COMMENT)

    async def _send_rest(self) -> None:
        if self._rechunker is not None:
            while piece := self._rechunker.piece() or self._rechunker.rest():
                await self._send_body(piece)

    async def _send_end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_body(self, piece: bytes) -> None:
        if self._boundary is not None:
            self._boundary.sending(piece)
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        if self._boundary is not None:
            self._boundary.sent()

    async def _send(self, message: Message) -> None:
        try:
            await self._send_message(message)
        except OSError as error:
            if isinstance(error, CancelationError):  # a timeout of a middleware is an OSError, too
                raise
            self.client_left = True
            self._operation.cancel_sync(CancelationReason.DISCONNECT, MESSAGE)
            await checkpoint()  # the operation ends here if it still runs
            raise
        self._last = anyio.current_time()
