"""`add_cancelation_handlers` closes web sockets, once, with a code that says why."""

from typing import Annotated

import anyio
import pytest
from fastapi import Depends, FastAPI, WebSocket
from starlette.types import Message

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.integrations.fastapi import add_cancelation_handlers, cancelable_dependency

from .hand_made import Channel, make_app, with_and_without

CONNECT: Message = {"type": "websocket.connect"}
LEFT: Message = {"type": "websocket.disconnect", "code": 1001}
CODES: dict[CancelationReason, int] = {
    CancelationReason.TIMEOUT: 1008,
    CancelationReason.MANUAL: 1008,
    CancelationReason.DISCONNECT: 1000,
    CancelationReason.SIGNAL: 1012,
    CancelationReason.SHUTDOWN: 1012,
    CancelationReason.CONDITION: 1011,
    CancelationReason.PARENT: 1011,
    CancelationReason.ERROR: 1011,
    CancelationReason.EXTERNAL: 1011,
}


def app_with_handlers(*, middleware: bool) -> FastAPI:
    """Return an app with the handlers."""
    app = make_app(middleware=middleware)
    add_cancelation_handlers(app)
    return app


async def cancel(reason: CancelationReason) -> None:
    """End an operation for a reason."""
    async with Cancelable() as operation:
        await operation.cancel(reason, "a secret of the server")
        await anyio.sleep_forever()


@with_and_without
@pytest.mark.parametrize("place", ["dependency", "before accept", "accepted"])
async def test_close_codes(place: str, middleware: bool) -> None:
    """Each reason has its code, in dependencies and endpoints; before the accept a server makes a 403 of it."""
    app = app_with_handlers(middleware=middleware)
    reasons = list[CancelationReason]()

    async def dependency() -> None:
        if place == "dependency":
            await cancel(reasons[-1])

    @app.websocket("/")
    async def endpoint(websocket: WebSocket, given: Annotated[None, Depends(dependency)]) -> None:
        if place == "accepted":
            await websocket.accept()
        await cancel(reasons[-1])

    assert set(CODES) == set(CancelationReason)
    for reason, code in CODES.items():
        reasons.append(reason)
        channel = Channel(CONNECT, kind="websocket")
        await channel.run_alone(app)
        assert channel.sent_types == [*["websocket.accept"] * (place == "accepted"), "websocket.close"]
        assert channel.sent[-1]["code"] == code
        assert channel.sent[-1]["reason"]
        assert "secret" not in channel.sent[-1]["reason"]


@with_and_without
async def test_closed_already(middleware: bool) -> None:
    """A web socket that the endpoint has closed, or its peer, is not closed again."""
    app = app_with_handlers(middleware=middleware)

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        if (await websocket.receive())["type"] == "websocket.receive":
            await websocket.close(1003)
        async with Cancelable(detached=True) as cleaning:
            await cleaning.cancel()
            await anyio.sleep_forever()

    by_us = Channel(CONNECT, {"type": "websocket.receive", "text": "hello"}, kind="websocket")
    await by_us.run_alone(app)
    assert by_us.sent_types == ["websocket.accept", "websocket.close"]
    assert by_us.sent[-1]["code"] == 1003
    by_peer = Channel(CONNECT, LEFT, kind="websocket")
    await by_peer.run_alone(app)
    assert by_peer.sent_types == ["websocket.accept"]


@with_and_without
async def test_peer_leaves(middleware: bool) -> None:
    """When the peer leaves, nothing is sent, and nothing is raised."""
    app, channel, accepted = app_with_handlers(middleware=middleware), Channel(CONNECT, kind="websocket"), anyio.Event()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket, operation: Annotated[Cancelable, Depends(cancelable_dependency)]) -> None:
        await websocket.accept()
        accepted.set()
        async with operation:
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        await accepted.wait()
        channel.push(LEFT)
    assert channel.sent_types == ["websocket.accept"]
