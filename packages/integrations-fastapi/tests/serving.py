"""Real servers, each in a thread of the test's own process, so that the app and the test share a journal."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
import warnings
from collections.abc import Generator

import pytest
from starlette.types import ASGIApp

from .clients import Client, Journal, quickest
from .runners import WebSockets, make_runner

__all__ = ["Client", "Journal", "Server", "each_server", "every_server", "quickest", "serving"]

PATIENCE = 15.0
"""How long a server may take to stop, in seconds, once its clients have gone."""
EXPECTED = ("Embedded server is experimental!",)
"""What a server always says."""

_not_on_windows = pytest.mark.skipif(sys.platform == "win32", reason="not made for Windows")
_of_uvicorn = ["h11", pytest.param("httptools", marks=_not_on_windows)]
_others = ["hypercorn", "hypercorn-trio", pytest.param("granian", marks=_not_on_windows)]

each_server = pytest.mark.parametrize("kind", _of_uvicorn)
"""Run a test on uvicorn: h11 with asyncio, httptools with uvloop."""
every_server = pytest.mark.parametrize("kind", [*_of_uvicorn, *_others])
"""Run a test on uvicorn, on hypercorn with asyncio and with trio, and on granian."""


class Server:
    """An app that is being served."""

    def __init__(self, app: ASGIApp, kind: str, ws: WebSockets) -> None:
        self._runner = make_runner(app, kind, ws)
        self.port: int = self._runner.port
        self._thread = threading.Thread(target=self._runner.run, name=f"test server {kind}", daemon=True)
        self._clients: list[Client] = []

    def connect(self) -> Client:
        """Return a new connection, closed after the test."""
        client = Client(self.port)
        self._clients.append(client)
        return client

    def start(self) -> None:
        """Start serving."""
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._runner.is_ready():
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop serving, and make sure that no request hangs."""
        for client in self._clients:
            client.close()
        self._runner.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "a request is still running"


@contextlib.contextmanager
def serving(app: ASGIApp, kind: str, ws: WebSockets = "none") -> Generator[Server]:
    """Serve an app; fails where the server logs a warning or an error, or where a request outlives its client.

    Args:
        app: What to serve.
        kind: A name from `every_server`.
        ws: What uvicorn serves web sockets with; hypercorn and granian always serve them, in their own way.
    """
    log = _Log()
    logging.getLogger().addHandler(log)
    with warnings.catch_warnings():
        if ws == "websockets":  # deprecated, and still in use
            warnings.simplefilter("ignore")
        server = Server(app, kind, ws)
        server.start()
        try:
            yield server
        finally:
            server.stop()
            logging.getLogger().removeHandler(log)
    assert not log.messages, "\n".join(log.messages)


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if (message := self.format(record)) not in EXPECTED:
            self.messages.append(message)
