"""The shutdown's lifespan: the app's own or a part of it, once or again, with a middleware and never without."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
from fastapi import FastAPI

from hother.cancelable.integrations.fastapi import GracefulShutdown, RequestCancelationMiddleware

from .hand_made import NO_BODY, START, Channel, respond


def make() -> GracefulShutdown:
    """Return a shutdown that a middleware follows."""
    shutdown = GracefulShutdown()
    RequestCancelationMiddleware(respond, shutdown=shutdown)
    return shutdown


async def test_served_again() -> None:
    """A second life is fine as long as the shutdown has not begun in the first; then it is an error."""
    shutdown = make()
    for _ in range(2):
        async with shutdown.lifespan(FastAPI()):
            channel = Channel(NO_BODY)
            middleware = RequestCancelationMiddleware(respond, shutdown=shutdown)
            await middleware(channel.scope, channel.receive, channel.send)
            assert channel.sent[0] == START
    async with shutdown.lifespan():
        shutdown.begin_shutdown()
    with pytest.raises(RuntimeError, match="has begun before; make a new one, with the app, to serve again"):
        async with shutdown.lifespan():
            raise AssertionError


async def test_lifespan_without_middleware() -> None:
    """A shutdown that no middleware follows would end nothing: an error at the start says what to add."""
    with pytest.raises(RuntimeError, match=r"app.add_middleware\(RequestCancelationMiddleware, shutdown=...\)"):
        async with GracefulShutdown().lifespan():
            raise AssertionError


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "part"])
async def test_lifespan_of_an_app(whole: bool) -> None:
    """The lifespan is the app's, or a part of the user's own, and the app's last steps run with it."""
    shutdown, steps, channel = GracefulShutdown(), list[str](), Channel({"type": "lifespan.startup"}, kind="lifespan")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, str]]:
        async with shutdown.lifespan(app):
            steps.append("begun")
            yield {"state": "shared"}
            steps.append(f"ended {shutdown.has_begun}")

    app = FastAPI(lifespan=shutdown.lifespan if whole else lifespan)
    app.add_middleware(RequestCancelationMiddleware, shutdown=shutdown)
    channel.scope["state"] = {}
    async with anyio.create_task_group() as group:
        group.start_soon(app, channel.scope, channel.receive, channel.send)
        await anyio.wait_all_tasks_blocked()
        shutdown.begin_shutdown()
        channel.push({"type": "lifespan.shutdown"})
    assert channel.sent_types == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert steps == ([] if whole else ["begun", "ended True"])
    assert channel.scope["state"] == ({} if whole else {"state": "shared"})


async def test_exception_of_the_served_app() -> None:
    """An exception from within the lifespan passes, and nothing stays behind."""
    shutdown = make()
    with pytest.raises(LookupError, match="mine"):
        async with shutdown.lifespan():
            raise LookupError("mine")
    assert shutdown._loop is None
