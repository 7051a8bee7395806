"""A `CancelableWebSocket` loses no frame that came before its operation ended, or its peer left."""

from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from hother.cancelable import Cancelable, DisconnectCancelation, ManualCancelation
from hother.cancelable.integrations.fastapi import CancelableWebSocket
from hother.cancelable.integrations.fastapi.channel import LOOK_AHEAD

from .hand_made import with_and_without
from .web_sockets import Connection, gone, run, text


async def interrupt(connection: Connection, cancel: Cancelable, number: int) -> None:
    """Let three frames come around the end of an operation, a little earlier or later."""
    for _ in range(9):
        await checkpoint()
    frames = [text(str(3 * number + each)) for each in range(3)]
    connection.push(frames[0])
    for _ in range(number % 3):
        await checkpoint()
    cancel.cancel_sync()
    for _ in range(number // 3):
        await checkpoint()
    connection.push(*frames[1:])


async def receive_until_the_end(ws: CancelableWebSocket, received: list[str]) -> None:
    """Receive until the operation has been cancelled."""
    with pytest.raises(ManualCancelation):
        while True:
            received.append(await ws.receive_text())


@pytest.mark.parametrize("here", [True, False], ids=["in the block", "in another task"])
async def test_interrupted_receive_loses_no_frame(here: bool) -> None:
    """Whatever comes first, the end of the operation or a frame: each frame is received once, in order."""
    connection, received = Connection(), list[str]()

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        for number in range(9):
            cancel = Cancelable()
            ws = CancelableWebSocket(websocket, cancel)
            async with anyio.create_task_group() as group:
                if not here:
                    group.start_soon(receive_until_the_end, ws, received)
                with pytest.raises(ManualCancelation):
                    async with cancel:
                        group.start_soon(interrupt, connection, cancel, number)
                        while here:
                            received.append(await ws.receive_text())
                        await anyio.sleep_forever()
        ws = CancelableWebSocket(websocket)
        with anyio.move_on_after(1):
            while len(received) < 27:
                received.append(await ws.receive_text())

    await run(connection, endpoint)
    assert received == [str(number) for number in range(27)]


@with_and_without
@pytest.mark.parametrize("before", [0, 1, 20])
async def test_frames_before_the_end_stay_readable(middleware: bool, before: int) -> None:
    """Frames that were not received in the operation are there after it, in order, as many as are read ahead."""
    sent = [str(number) for number in range(before + 200)]
    received: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket)
        await ws.accept()
        with pytest.raises(DisconnectCancelation):
            async with Cancelable() as cancel:
                ws = CancelableWebSocket(websocket, cancel)
                received.extend([await ws.receive_text() for _ in range(before)])
                connection.push(*map(text, sent[before:]), gone(4001))
                await anyio.sleep_forever()
        assert len(received) == before
        received.extend([each async for each in ws.iter_text()])
        with pytest.raises(WebSocketDisconnect):
            await ws.receive_text()

    connection = Connection(*map(text, sent[:before]))
    with anyio.fail_after(5):
        await run(connection, endpoint, middleware=middleware)
    assert received == sent


async def test_more_frames_than_are_read_ahead() -> None:
    """A close behind too many frames is seen as soon as enough of them are received; none is lost."""
    sent = [f"{number}{'.' * (LOOK_AHEAD // 8)}" for number in range(24)]
    received: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        ws = CancelableWebSocket(websocket)
        await ws.accept()
        with pytest.raises(DisconnectCancelation):
            async with Cancelable() as cancel:
                await anyio.wait_all_tasks_blocked()
                assert not cancel.cancel_requested
                while True:
                    received.append(await ws.receive_text())
        received.extend([each async for each in ws.iter_text()])

    await run(Connection(*map(text, sent), gone(4001)), endpoint)
    assert received == sent
