"""A web application whose requests wait for signals; see `test_signals_uvicorn.py`."""

from __future__ import annotations

import signal
from typing import Any

import anyio
import anyio.lowlevel

from hother.cancelable import Cancelable

Scope = dict[str, Any]


async def app(scope: Scope, receive: Any, send: Any) -> None:
    """Answer `/plain` without an operation, `/quick` in one, and wait in one for the signal that the path names."""
    path = scope["path"].strip("/")
    if path == "plain":
        await _reply(send, 200, "fine")
    elif path == "quick":
        async with Cancelable.with_signal(signal.SIGTERM, signal.SIGINT):
            await _reply(send, 200, "fine")
    else:
        await _wait(signal.Signals[path], send)


async def _wait(number: int, send: Any) -> None:
    async with Cancelable.with_signal(number, move_on=True) as operation:
        try:
            print("waiting", flush=True)
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            print("cleaned up", flush=True)
    await _reply(send, 503, operation.context.cancel_message or "")


async def _reply(send: Any, status: int, text: str) -> None:
    body = text.encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
