"""What the documents show works as they say, with and without the middleware, on a real server."""

# ruff: noqa: B008 - the documents give dependencies as defaults

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastapi import Depends, File, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.requests import Request

from hother.cancelable import Cancelable, CancelationReason, TimeoutCancelation
from hother.cancelable.integrations.fastapi import cancelable_dependency

from .hand_made import make_app, with_and_without
from .serving import Journal, each_server, serving

pytestmark = pytest.mark.server


@each_server
@with_and_without
def test_basic_usage(kind: str, middleware: bool) -> None:
    """An endpoint that enters the injected operation answers, and stops when its client leaves."""
    app, journal = make_app(middleware=middleware), Journal()

    async def process_data(seconds: float) -> str:
        journal.note("processing")
        await anyio.sleep(seconds)
        return "processed"

    @app.get("/long-operation")
    async def long_operation(seconds: float, cancel: Cancelable = Depends(cancelable_dependency)) -> Any:
        try:
            async with cancel:
                result = await process_data(seconds)
                return {"result": result}
        finally:
            journal.note("ended", cancel.context.cancel_reason)

    with serving(app, kind) as server:
        client = server.connect()
        client.get("/long-operation?seconds=0.01")
        assert client.response() == (200, b'{"result":"processed"}')
        journal = Journal()
        client.get("/long-operation?seconds=30")
        journal.when("processing")
        killed = client.kill()
        assert journal.when("ended") - killed < 0.2
    assert journal.values["ended"] is CancelationReason.DISCONNECT


@each_server
@with_and_without
def test_timeout_configuration(kind: str, middleware: bool) -> None:
    """A dependency of one's own gives the timeout, and the exception says that time was up."""
    app = make_app(middleware=middleware)

    def get_cancellable_50ms() -> Any:
        return cancelable_dependency(timeout=0.05)

    @app.get("/timeout-operation")
    async def timeout_operation(cancel: Cancelable = Depends(get_cancellable_50ms)) -> Any:
        try:
            async with cancel:
                await anyio.sleep(30)
                return "computed"
        except TimeoutCancelation as error:
            return str(error.reason)

    with serving(app, kind) as server:
        client = server.connect()
        client.get("/timeout-operation")
        assert client.response() == (200, b'"timeout"')


@each_server
@with_and_without
def test_request_cancelation_handling(kind: str, middleware: bool) -> None:
    """A stream that holds the operation and asks for the client itself ends soon after the client has gone."""
    app, journal = make_app(middleware=middleware), Journal()

    @app.get("/streaming-response")
    async def streaming_response(request: Request, cancel: Cancelable = Depends(cancelable_dependency)) -> Any:
        async def generate() -> AsyncIterator[str]:
            try:
                async with cancel:
                    for i in range(100):
                        if await request.is_disconnected():
                            await cancel.cancel()
                            break
                        yield f"data: Item {i}\n\n"
                        await asyncio.sleep(0.1)
            finally:
                journal.note("ended", cancel.context.cancel_reason)

        return StreamingResponse(generate(), media_type="text/event-stream")

    with serving(app, kind) as server:
        client = server.connect()
        client.get("/streaming-response")
        client.read_until(b"Item 1\n\n")
        killed = client.kill()
        assert journal.when("ended") - killed < 0.2
    if middleware:
        assert journal.values["ended"] is CancelationReason.DISCONNECT


@each_server
@with_and_without
def test_file_upload_with_progress(kind: str, middleware: bool, tmp_path: Path) -> None:
    """An upload arrives whole and reports its progress."""
    app, reports = make_app(middleware=middleware), list[Any]()

    @app.post("/upload")
    async def upload_file(file: UploadFile = File(...), cancel: Cancelable = Depends(cancelable_dependency)) -> Any:
        async with cancel:
            cancel.on_progress(lambda op_id, msg, meta: reports.append((msg, meta)))
            total_size = 0
            with open(tmp_path / "upload", "wb") as f:  # noqa: PTH123
                while chunk := await file.read(1024 * 1024):
                    f.write(chunk)
                    total_size += len(chunk)
                    await cancel.report_progress(f"Uploaded {total_size} bytes", {"bytes": total_size})
            return {"filename": file.filename, "size": total_size, "status": "completed"}

    content = bytes(range(256)) * 8192
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    with serving(app, kind) as server:
        client = server.connect()
        client.start_post("/upload", "Content-Type: multipart/form-data; boundary=x")
        for part in (head, content[:1_000_000], content[1_000_000:], b"\r\n--x--\r\n", b""):
            client.chunk(part)
        status, answer = client.response()
    assert (status, answer) == (200, b'{"filename":"a.bin","size":2097152,"status":"completed"}')
    assert (tmp_path / "upload").read_bytes() == content
    assert reports[-1] == ("Uploaded 2097152 bytes", {"bytes": 2097152})


@each_server
@with_and_without
def test_error_handling(kind: str, middleware: bool) -> None:
    """An endpoint that catches the exceptions around the block answers with the status of its choice."""
    app = make_app(middleware=middleware)

    async def shortly() -> Any:
        return cancelable_dependency(timeout=0.02)

    @app.get("/with-error-handling")
    async def with_error_handling(fail: bool, cancel: Cancelable = Depends(shortly)) -> Any:
        try:
            async with cancel:
                if fail:
                    raise LookupError("nothing there")
                await anyio.sleep(30)
                return {"result": "processed"}
        except TimeoutCancelation:
            return JSONResponse(status_code=408, content={"error": "Operation timed out"})
        except Exception as e:
            return JSONResponse(status_code=500, content={"error": str(e)})

    with serving(app, kind) as server:
        client = server.connect()
        client.get("/with-error-handling?fail=0")
        assert client.response() == (408, b'{"error":"Operation timed out"}')
        client.get("/with-error-handling?fail=1")
        assert client.response() == (500, b'{"error":"nothing there"}')


@each_server
def test_middleware_alone(kind: str) -> None:
    """With the middleware, an operation without any dependency ends with the client, and answers otherwise."""
    app, journal = make_app(middleware=True), Journal()

    @app.post("/process")
    async def process_data(data: dict[str, float]) -> Any:
        operation = Cancelable(name="process")
        try:
            async with operation:
                journal.note("processing")
                await anyio.sleep(data["seconds"])
                return {"result": "processed"}
        finally:
            journal.note("ended", operation.context.cancel_reason)

    with serving(app, kind) as server:
        client = server.connect()
        for seconds in (b"0.01", b"30"):
            journal = Journal()
            client.start_post("/process", "Content-Type: application/json")
            client.chunk(b'{"seconds": %s}' % seconds)
            client.chunk(b"")
            journal.when("processing")
            if seconds == b"0.01":
                assert client.response() == (200, b'{"result":"processed"}')
        killed = client.kill()
        assert journal.when("ended") - killed < 0.2
    assert journal.values["ended"] is CancelationReason.DISCONNECT
