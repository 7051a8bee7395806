"""The streams of the documents work as written, with and without the middleware, on a real server."""

# ruff: noqa: B008 - the documents give dependencies as defaults

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from fastapi import Depends

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.integrations.fastapi import cancelable_dependency, cancelable_streaming_response

from .hand_made import make_app, with_and_without
from .serving import Journal, each_server, serving

pytestmark = pytest.mark.server


@each_server
@with_and_without
def test_stream_of_the_guide(kind: str, middleware: bool) -> None:
    """A stream with an operation inside, returned as it is, is an event stream that ends with its client."""
    app, journal = make_app(middleware=middleware), Journal()

    @app.get("/stream/progress/{job_id}")
    async def stream_progress(job_id: str, count: int) -> Any:
        async def generate() -> AsyncIterator[str]:
            try:
                async with Cancelable(name=f"stream_{job_id}") as cancel:
                    for i in range(count):
                        yield f"data: Processing {i}/{count}\n\n"
                        await anyio.sleep(0.01)
            finally:
                journal.note("ended", cancel.context.cancel_reason)

        return cancelable_streaming_response(generate())

    with serving(app, kind) as server:
        client = server.connect()
        client.get("/stream/progress/7?count=3")
        received = client.read_until(b"0\r\n\r\n")
        assert b"content-type: text/event-stream; charset=utf-8\r\n" in received.lower()
        assert received.count(b"data: Processing ") == 3
        journal.when("ended")
        assert journal.values["ended"] is None
        journal = Journal()
        client.get("/stream/progress/7?count=100000")
        client.read_until(b"data: Processing 1/")
        killed = client.kill()
        assert journal.when("ended") - killed < 0.2
    assert journal.values["ended"] is CancelationReason.PARENT


@each_server
@with_and_without
def test_stream_of_the_reference(kind: str, middleware: bool) -> None:
    """A stream that is awaited, with the operation of the request, ends with its client for that reason."""
    app, journal = make_app(middleware=middleware), Journal()

    @app.get("/stream")
    async def stream_data(count: int, cancel: Cancelable = Depends(cancelable_dependency)) -> Any:
        async def generate() -> AsyncIterator[str]:
            for i in range(count):
                await anyio.sleep(0.01)
                yield f"data: {i}\n"

        cancel.on_cancel(lambda context: journal.note("ended", context.cancel_reason))
        return await cancelable_streaming_response(generate(), cancel, media_type="text/event-stream")

    with serving(app, kind) as server:
        client = server.connect()
        client.get("/stream?count=3")
        received = client.read_until(b"0\r\n\r\n")
        assert b"content-type: text/event-stream; charset=utf-8\r\n" in received.lower()
        assert [line for line in received.split(b"\r\n") if line.startswith(b"data")] == [
            b"data: 0\n",
            b"data: 1\n",
            b"data: 2\n",
        ]
        client.get("/stream?count=100000")
        client.read_until(b"data: 1\n")
        killed = client.kill()
        assert journal.when("ended") - killed < 0.2
    assert journal.values["ended"] is CancelationReason.DISCONNECT
