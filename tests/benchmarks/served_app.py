"""The same FastAPI app bare and in several coats, served by uvicorn with uvloop and httptools.

As a program: `served_app.py COAT FILE-DESCRIPTOR` serves on a socket that is bound already.
"""

from __future__ import annotations

import gc
import socket
import sys
import time
from collections.abc import Callable

import anyio
import uvicorn
from fastapi import FastAPI, Request
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.responses import Response

from hother.cancelable import Cancelable
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, with_cancelation


class Waiting:
    """How many handlers wait, and when the last one has stopped, on the clock of all processes."""

    def __init__(self) -> None:
        self.running = 0
        self.stopped = 0.0

    def __enter__(self) -> None:
        self.running += 1

    def __exit__(self, *_: object) -> None:
        self.running -= 1
        self.stopped = time.monotonic()


class DoesNothing(BaseHTTPMiddleware):
    """What each middleware of this kind costs at least."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)


waiting = Waiting()


async def quick() -> dict[str, bool]:
    return {"ok": True}


async def quick_in_operation() -> dict[str, bool]:
    async with Cancelable():
        return {"ok": True}


async def state() -> dict[str, float]:
    return {"running": waiting.running, "stopped": waiting.stopped, "cpu": time.process_time()}


async def wait() -> None:
    with waiting:
        await anyio.sleep_forever()


async def wait_in_operation() -> None:
    async with Cancelable():
        await wait()


async def wait_by_hand(request: Request) -> None:
    """Do what has to be done without the package: listen for the disconnect beside the work."""

    async def listen() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await wait()


async def wait_and_ask(request: Request) -> None:
    """Do what FastAPI's users mostly do: ask every 100 ms."""
    with waiting:
        while not await request.is_disconnected():
            await anyio.sleep(0.1)


def bare() -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.get("/state")(state)
    return app


def coat(name: str) -> FastAPI:
    """Return the app in one of its coats."""
    app = bare()
    quickly, slowly = ENDPOINTS.get(name, (quick, wait))
    app.get("/")(quickly)
    app.get("/wait")(slowly)
    if name in ("middleware", "operation"):
        app.add_middleware(RequestCancelationMiddleware)
    elif name == "BaseHTTPMiddleware":
        app.add_middleware(DoesNothing)
    return app


ENDPOINTS: dict[str, tuple[Callable[..., object], Callable[..., object]]] = {
    "operation": (quick_in_operation, wait_in_operation),
    "with_cancelation": (with_cancelation(quick), with_cancelation(wait)),
    "by hand": (quick, wait_by_hand),
    "asking": (quick, wait_and_ask),
}


if __name__ == "__main__":
    config = uvicorn.Config(coat(sys.argv[1]), loop="uvloop", http="httptools", log_level="critical", access_log=False)
    gc.collect()
    gc.freeze()  # as servers do: else passes of the collector through all modules are most of what is measured
    # uvicorn's own `fd` takes every socket for a local one, without TCP_NODELAY: each response then waits for 40 ms
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[2]))])
