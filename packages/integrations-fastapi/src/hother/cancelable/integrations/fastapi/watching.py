"""Watching for the client of a response that is sent after its endpoint has returned."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.types import Receive, Scope, Send

from .messages import expects_continue
from .monitor import SCOPE_KEY, Monitor


@asynccontextmanager
async def watching(scope: Scope, receive: Receive, send: Send) -> AsyncGenerator[tuple[Monitor, Send]]:
    """Have somebody watch for the client meanwhile, whether there is the middleware or not.

    Gives the monitor that does, and the function to send the response with.
    """
    monitor: Monitor | None = scope.get(SCOPE_KEY)
    if monitor is None:
        monitor = scope[SCOPE_KEY] = Monitor(scope, receive, send, body_was_read=expects_continue(scope))
        try:
            yield monitor, monitor.send
        finally:
            if (rest := monitor.close()) is not None:
                await rest
    elif not monitor.over:
        yield monitor, send
    else:  # it was stopped with the endpoint, and the request object still reads through it
        monitor.resume(send)
        try:
            yield monitor, monitor.send
        finally:
            await monitor.stop()
