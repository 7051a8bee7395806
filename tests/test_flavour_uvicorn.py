"""What happens to an operation that ends inside a web application under a real server."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import uvicorn

from hother.cancelable import Cancelable, ManualCancelation

pytestmark = pytest.mark.loops("asyncio", "eager", "uvloop")

Scope = dict[str, Any]


class App:
    """Answers each request from inside an operation, or ends that before there is an answer."""

    def __init__(self) -> None:
        self.operations: dict[str, Cancelable] = {}
        self.caught: list[BaseException] = []

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        path = scope["path"].strip("/")
        operation = self.operations[path] = Cancelable(name=path)
        if path == "handled":
            try:
                await self.answer(operation, send, stop=True)
            except ManualCancelation as error:
                self.caught.append(error)
                await self.reply(send, 503, str(error))
        else:
            await self.answer(operation, send, stop=path == "stopped")

    async def answer(self, operation: Cancelable, send: Any, stop: bool) -> None:
        async with operation:
            if stop:
                await operation.cancel("stop")
                await anyio.sleep_forever()
            await self.reply(send, 200, "fine")

    async def reply(self, send: Any, status: int, text: str) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": text.encode()})


@asynccontextmanager
async def _serving(app: App, http: str) -> AsyncGenerator[int]:
    """Run an app under uvicorn in a task of this loop and give its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # from here on clients can connect, and wait until the server accepts them
        config = uvicorn.Config(app, http=http, ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        yield listener.getsockname()[1]
        server.should_exit = True
        await task


async def _get(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1]), answer


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_error_reaches_the_server(http: str, caplog: pytest.LogCaptureFixture) -> None:
    """What leaves an application is answered with 500 and logged; the requests beside and after it are served."""
    app, reports = App(), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))
    async with _serving(app, http) as port:
        (stopped, _), (beside, text) = await asyncio.gather(_get(port, "stopped"), _get(port, "beside"))
        after, _ = await _get(port, "after")
    assert (stopped, beside, after) == (500, 200, 200)
    assert "fine" in text
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert record.exc_info is not None
    error = record.exc_info[1]
    assert isinstance(error, ManualCancelation)
    assert not isinstance(error, asyncio.CancelledError)
    assert error.context is app.operations["stopped"].context
    assert str(error) == "operation 'stopped' was cancelled (manual): stop"
    assert reports == []


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_error_can_be_handled_in_the_app(http: str, caplog: pytest.LogCaptureFixture) -> None:
    """An application that catches what left the block answers as it likes."""
    app = App()
    async with _serving(app, http) as port:
        status, text = await _get(port, "handled")
    assert status == 503
    assert "operation 'handled' was cancelled (manual): stop" in text
    assert len(app.caught) == 1
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
