"""A web socket whose calls end with an operation, and alike on every server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

from starlette.websockets import WebSocket

from hother.cancelable import Cancelable
from hother.cancelable.core import require

from .calls import WebSocketCalls
from .close_codes import code_of, reason_of, require_close
from .frames import Frames, Mode, bytes_of, require_mode, text_of


class CancelableWebSocket:
    """A web socket whose calls end with an operation, and that tells the operation when the peer leaves.

    It has the methods of Starlette's `WebSocket`. Around a call that waits, and between two calls, this holds:

    - When the operation is cancelled, the call is interrupted, and the exception of the reason leaves the operation's
      block. That is so, too, for a call in another task than the one that has entered the operation.
    - When the peer closes the web socket or its connection is lost, the operation is cancelled with the reason
      `DISCONNECT`, also while it only sends or does something else; the message has the close code where it is known.
    - No frame is lost: what came before the end can still be received after the block, in order. Up to 1 MiB is read
      ahead; a close behind more than that is seen when it is received.
    - Outside any operation a call raises `WebSocketDisconnect` once the peer has left, on every server and every time,
      and iteration ends. Its code is 1006 where the server knows none.

    Every send and receive is a checkpoint. Once the operation has ended, the task that made this goes on without it, so
    that the peer can be told why; calls of other tasks raise its reason if it was cancelled. Nothing is reported as
    progress by itself: only `report_progress` knows what there is to tell.

    Args:
        websocket: The web socket. With `RequestCancelationMiddleware` any, else the one that FastAPI hands out.
        cancelable: The operation, entered or not. Without it, the one that the endpoint is in when it makes this or
            calls it. An operation that another task is in ends the calls there, and is not ended by the peer: it may
            send to many.

    Attributes:
        websocket: The web socket that was given, for its headers, parameters and state.

    Raises:
        TypeError: If this is no web socket, or no operation.
        RuntimeError: If nothing watches the web socket and nothing can: add the middleware.

    Example:
        ```python
        from fastapi import FastAPI, WebSocket
        from hother.cancelable import Cancelable
        from hother.cancelable.integrations.fastapi import CancelableWebSocket

        app = FastAPI()


        @app.websocket("/echo")
        async def echo(websocket: WebSocket) -> None:
            await websocket.accept()
            async with Cancelable.with_timeout(300) as cancel:
                ws = CancelableWebSocket(websocket, cancel)
                async for text in ws.iter_text():
                    await ws.send_text(text)
        ```
    """

    def __init__(self, websocket: WebSocket, cancelable: Cancelable | None = None) -> None:
        require(WebSocket, websocket, "websocket", "a WebSocket")
        if cancelable is not None:
            require(Cancelable, cancelable, "cancelable", "a Cancelable")
        self.websocket: WebSocket = websocket
        self._calls = WebSocketCalls(websocket, cancelable)

    @property
    def close_code(self) -> int | None:
        """The code with which the peer closed, or None where it has not or nobody knows."""
        return code_of(self._calls.disconnect)

    @property
    def close_reason(self) -> str | None:
        """The reason that the peer gave when it closed, or None where it gave none or nobody knows."""
        return reason_of(self._calls.disconnect)

    async def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] | None = None
    ) -> None:
        """Accept the connection.

        Args:
            subprotocol: Which of the offered subprotocols to speak.
            headers: Further headers of the answer.

        Raises:
            WebSocketDisconnect: If the peer has left, outside any operation.
            RuntimeError: If it was accepted or closed before.
        """
        await self._calls.send(lambda: self.websocket.accept(subprotocol, headers))

    async def send_text(self, data: str) -> None:
        """Send a text frame.

        Raises:
            WebSocketDisconnect: If the peer has left, outside any operation.
            RuntimeError: If the app has not accepted the web socket, or has closed it.
            TypeError: If the data is no string.
        """
        require(str, data, "data", "a string")
        await self._calls.send(lambda: self.websocket.send_text(data))

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary frame.

        Raises:
            WebSocketDisconnect: If the peer has left, outside any operation.
            RuntimeError: If the app has not accepted the web socket, or has closed it.
            TypeError: If the data is no bytes.
        """
        require(bytes, data, "data", "bytes")
        await self._calls.send(lambda: self.websocket.send_bytes(data))

    async def send_json(self, data: Any, mode: Mode = "text") -> None:
        """Send something as JSON.

        Args:
            data: Whatever `json.dumps` takes.
            mode: Whether to send a `"text"` or `"binary"` frame.

        Raises:
            WebSocketDisconnect: If the peer has left, outside any operation.
            RuntimeError: If the app has not accepted the web socket, or has closed it.
            TypeError: If the data cannot be written as JSON.
            ValueError: If it is no such mode.
        """
        require_mode(mode)
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        await (self.send_text(text) if mode == "text" else self.send_bytes(text.encode()))

    async def receive_text(self) -> str:
        """Return the next frame, which must be a text frame.

        Raises:
            WebSocketDisconnect: If no frame is left and the peer has gone, outside any operation.
            RuntimeError: If the app has not accepted the web socket, or has closed it.
            ValueError: If the peer sent a binary frame.
        """
        return text_of(await self._calls.receive())

    async def receive_bytes(self) -> bytes:
        """Return the next frame, which must be a binary frame.

        Raises:
            WebSocketDisconnect: If no frame is left and the peer has gone, outside any operation.
            RuntimeError: If the app has not accepted the web socket, or has closed it.
            ValueError: If the peer sent a text frame.
        """
        return bytes_of(await self._calls.receive())

    async def receive_json(self, mode: Mode = "text") -> Any:
        """Return what the next frame says as JSON.

        Args:
            mode: Whether to expect a `"text"` or `"binary"` frame.

        Raises:
            WebSocketDisconnect: If no frame is left and the peer has gone, outside any operation.
            RuntimeError: If the app has not accepted the web socket, or has closed it.
            ValueError: If the peer sent no JSON, or a frame of the other kind, or if it is no such mode.
        """
        require_mode(mode)
        return json.loads(await (self.receive_text() if mode == "text" else self.receive_bytes()))

    def iter_text(self) -> AsyncIterator[str]:
        """Iterate text frames until the peer has left; errors as in `receive_text`."""
        return Frames(self.receive_text)

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """Iterate binary frames until the peer has left; errors as in `receive_bytes`."""
        return Frames(self.receive_bytes)

    def iter_json(self, mode: Mode = "text") -> AsyncIterator[Any]:
        """Iterate what frames say as JSON until the peer has left; errors as in `receive_json`."""
        require_mode(mode)
        return Frames(lambda: self.receive_json(mode))

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the web socket, or refuse the connection that was not accepted yet; nothing if it is closed.

        In an operation that was cancelled this is done all the same, within a second.

        Args:
            code: The close code.
            reason: What to tell the peer, 123 bytes at most.

        Raises:
            TypeError: If an argument has the wrong type.
            ValueError: If the code may not be sent, or the reason is too long.
        """
        require_close(code, reason)
        await self._calls.close(lambda: self.websocket.close(code, reason))
