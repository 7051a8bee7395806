"""What starts and stops each kind of server, in one way."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import anyio
import anyio.from_thread
import anyio.lowlevel
import hypercorn.asyncio
import hypercorn.trio
import uvicorn
from hypercorn.config import Config
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from granian.server.embed import Server

WebSockets: TypeAlias = Literal["none", "websockets", "websockets-sansio", "wsproto"]

TO_THE_ROOT = {"handlers": list[str](), "propagate": True}
"""Let a logger's messages reach the handler of the test."""


class Runner(Protocol):
    """A server that has not started yet."""

    port: int

    def run(self) -> None:
        """Serve until told to stop. Returns when no request runs any more."""
        ...

    def is_ready(self) -> bool:
        """Tell whether a client can connect."""
        ...

    def stop(self) -> None:
        """Tell the server to stop, from another thread."""
        ...


def make_runner(app: ASGIApp, kind: str, ws: WebSockets) -> Runner:
    """Return a server of a kind.

    Args:
        app: What to serve.
        kind: "h11" or "httptools" for uvicorn, "hypercorn", "hypercorn-trio" or "granian".
        ws: What uvicorn serves web sockets with.
    """
    if kind == "h11":
        return Uvicorn(app, "h11", "asyncio", ws)
    if kind == "httptools":
        return Uvicorn(app, "httptools", "uvloop", ws)
    if kind == "granian":
        return Granian(app)
    return Hypercorn(app, "trio" if kind == "hypercorn-trio" else "asyncio")


def _listen() -> tuple[socket.socket, int]:
    listener = socket.socket(proto=socket.IPPROTO_TCP)  # where it is not named, asyncio leaves Nagle's algorithm on
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener, listener.getsockname()[1]


class Uvicorn:
    """uvicorn."""

    def __init__(
        self,
        app: ASGIApp,
        http: Literal["h11", "httptools"],
        loop: Literal["asyncio", "uvloop"],
        ws: WebSockets,
    ) -> None:
        config = uvicorn.Config(
            app, http=http, loop=loop, ws=ws, log_config=None, access_log=False, timeout_graceful_shutdown=5
        )
        self._server = uvicorn.Server(config)
        self._listener, self.port = _listen()

    def run(self) -> None:
        with self._listener:
            self._server.run(sockets=[self._listener])

    def is_ready(self) -> bool:
        return self._server.started

    def stop(self) -> None:
        self._server.should_exit = True


class Hypercorn:
    """hypercorn, which takes the listener over."""

    def __init__(self, app: ASGIApp, backend: Literal["asyncio", "trio"]) -> None:
        listener, self.port = _listen()
        self._app: Any = app
        self._backend = backend
        self._config = Config()
        self._config.bind = [f"fd://{listener.detach()}"]
        self._config.errorlog = logging.getLogger("hypercorn.error")
        self._config.graceful_timeout = 60  # later it would cancel what hangs, and the test would not see it
        self._ready = threading.Event()

    def run(self) -> None:
        anyio.run(self._serve, backend=self._backend)

    async def _serve(self) -> None:
        serve = hypercorn.trio.serve if self._backend == "trio" else hypercorn.asyncio.serve
        await serve(self._app, self._config, shutdown_trigger=self._wait_for_stop)

    async def _wait_for_stop(self) -> None:
        self._stop = anyio.Event()
        self._token = anyio.lowlevel.current_token()
        self._ready.set()
        await self._stop.wait()

    def is_ready(self) -> bool:
        return self._ready.is_set()

    def stop(self) -> None:
        anyio.from_thread.run_sync(self._stop.set, token=self._token)


class Granian:
    """granian on asyncio. It opens the port itself, so the port is only reserved for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._requests = set[asyncio.Task[Any]]()
        self._reserved = socket.socket()
        if sys.platform == "linux":
            self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.port: int = self._reserved.getsockname()[1]
        if sys.platform != "linux":
            self._reserved.close()

    def run(self) -> None:
        with self._reserved:
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server: Any = _make_granian(self._remember, self.port)
        serving = asyncio.create_task(server.serve())
        await self._stop.wait()
        if self._requests:  # granian leaves those behind whose clients have gone
            await asyncio.wait(self._requests)
        server.stop()
        await serving

    async def _remember(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if scope["type"] != "lifespan" and task is not None:
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)
        await self._app(scope, receive, send)

    def is_ready(self) -> bool:
        """Ask for what is no HTTP: granian itself answers that. The port alone opens twice."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.sendall(b"?\r\n\r\n")
                return bool(probe.recv(100))
        except OSError:
            return False

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)


def _make_granian(app: ASGIApp, port: int) -> Server:
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server.embed import Server

    return Server(
        app,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        log_level=LogLevels.warning,
        log_dictconfig={"loggers": {"_granian": TO_THE_ROOT}},
    )
