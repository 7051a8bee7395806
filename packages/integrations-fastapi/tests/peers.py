"""The peer of a web socket on a real server: it speaks frames by hand, closes with a code, and can vanish."""

from __future__ import annotations

import struct
import time
from typing import Literal

from .clients import Client

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TEXT, CLOSE = 0x81, 0x88


class Peer:
    """A client of a web socket; opens it."""

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        client.send(HANDSHAKE.format(path=path).encode())
        head = client.read_until(b"\r\n\r\n")
        assert b" 101 " in head.partition(b"\r\n")[0], head

    def send(self, text: str) -> None:
        """Send a short text frame."""
        self._frame(TEXT, text.encode())

    def receive(self, mark: str) -> None:
        """Wait for a frame that ends with this text."""
        self._client.read_until(mark.encode())

    def receive_close(self) -> tuple[int, str]:
        """Wait for a close frame, the next one, and return its code and reason; answer it."""
        while len(self._client.received) < 4 or len(self._client.received) < 2 + self._client.received[1]:
            data = self._client.socket.recv(65536)
            assert data, f"closed without a frame; received {self._client.received!r}"
            self._client.received += data
        frame = self._client.received
        assert frame[0] == CLOSE, frame
        self._frame(CLOSE, frame[2:4])
        return int.from_bytes(frame[2:4]), frame[4 : 2 + frame[1]].decode()

    def leave(self, how: Literal["close", "reset"]) -> float:
        """Close with code 4001, or reset the connection; return when."""
        if how == "reset":
            return self._client.kill()
        closed = time.monotonic()
        self._frame(CLOSE, struct.pack(">H", 4001) + b"bye")
        while self._client.socket.recv(65536):  # the server closes the connection first
            pass
        self._client.close()
        return closed

    def _frame(self, kind: int, payload: bytes) -> None:
        """Send a frame, masked with zeros."""
        self._client.send(bytes([kind, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
