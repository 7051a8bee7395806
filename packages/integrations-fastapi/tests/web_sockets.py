"""A web socket and its peer, made by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, WebSocket
from starlette.types import Message

from .hand_made import Channel, make_app

CONNECT: Message = {"type": "websocket.connect"}


def text(content: str) -> Message:
    """Return a text frame from the peer."""
    return {"type": "websocket.receive", "text": content}


def binary(content: bytes) -> Message:
    """Return a binary frame from the peer, as hypercorn gives it."""
    return {"type": "websocket.receive", "bytes": content, "text": None}


def gone(code: int = 1000, **details: Any) -> Message:
    """Return what the server says when the peer has gone."""
    return {"type": "websocket.disconnect", "code": code, **details}


class Connection(Channel):
    """A connection that waits to be accepted; what its peer sends comes after that."""

    def __init__(self, *messages: Message | Exception) -> None:
        super().__init__(CONNECT, kind="websocket")
        self._after_accept = messages

    async def send(self, message: Message) -> None:
        await super().send(message)
        if message["type"] == "websocket.accept":
            self.push(*self._after_accept)


def make_websocket_app(endpoint: Callable[[WebSocket], Awaitable[None]], *, middleware: bool = True) -> FastAPI:
    """Return an app of FastAPI with this endpoint, and the middleware if it shall have it."""
    app = make_app(middleware=middleware)
    app.add_api_websocket_route("/", endpoint)
    return app


async def run(connection: Connection, use: Callable[[WebSocket], Awaitable[None]], *, middleware: bool = True) -> None:
    """Serve a connection with an endpoint that uses its web socket, in an app of FastAPI."""
    await connection.run_alone(make_websocket_app(use, middleware=middleware))
