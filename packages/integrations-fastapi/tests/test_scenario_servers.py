"""What the tests of the scenarios rely on: what a server logs fails a test, and web sockets open."""

import base64

import pytest
from fastapi import FastAPI, WebSocket

from .runners import WebSockets
from .serving import every_server, serving

pytestmark = pytest.mark.server


@every_server
def test_logged_error_fails_the_test(kind: str) -> None:
    """Whatever a server logs about an exception of the app fails the test that it serves."""
    app = FastAPI()

    @app.get("/")
    async def endpoint() -> None:
        raise ValueError("a bug")

    with pytest.raises(AssertionError, match="ValueError: a bug"), serving(app, kind) as server:
        client = server.connect()
        client.get("/")
        client.read_until(b"HTTP/1.1 500 ")


@pytest.mark.parametrize(
    ("kind", "ws"),
    [
        ("h11", "websockets-sansio"),
        ("httptools", "websockets"),
        ("h11", "wsproto"),
        ("hypercorn", "none"),
        ("hypercorn-trio", "none"),
        ("granian", "none"),
    ],
)
def test_web_socket_opens(kind: str, ws: WebSockets) -> None:
    """Each implementation of web sockets accepts a connection and sends a frame."""
    app = FastAPI()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.receive()

    with serving(app, kind, ws) as server:
        client = server.connect()
        key = base64.b64encode(bytes(16)).decode()
        headers = [
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        ]
        client.send("\r\n".join(["GET / HTTP/1.1", "Host: test", *headers, "", ""]).encode())
        assert client.read_until(b"\r\n").startswith(b"HTTP/1.1 101 ")
        client.read_until(b"hello")
