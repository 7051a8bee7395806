"""A web server whose work stops when it should, and which says why.

Start it with

    python examples/03_integrations/04_fastapi_example.py

and open the address that it prints first: a page that shows what runs, with jobs to start and to cancel. Or type the
commands that it prints into another terminal. The server tells how each operation ends: the client left, time is up,
somebody cancelled it, or the server shuts down (press Ctrl-C while something runs). It shows

- the operations page, with jobs of several kinds to start from it,
- a long request that ends when its client leaves; the same in a plain function, which runs in a thread,
- a request that may take two seconds and not more, and a limit for all others,
- event streams: a generator under an operation, and one of FastAPI's own,
- a web socket, whose session ends with its peer or after five minutes,
- a list of everything that runs, from the registry, and how to cancel one of them by its id,
- background jobs, which go on when their client has left, and tell honestly whether they have ended,
- an upload that reports its progress, and one that is read while it arrives.

Or serve it with any ASGI server: `uvicorn examples.03_integrations.04_fastapi_example:app`.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import anyio
import uvicorn
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, UploadFile, WebSocket
from fastapi.responses import RedirectResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    Observer,
    OperationRegistry,
    add_observer,
    current_operation,
    remove_observer,
    set_stuck_after,
)
from hother.cancelable.integrations.fastapi import (
    BackgroundJobs,
    CancelableStreamingResponse,
    CancelableWebSocket,
    GracefulShutdown,
    JobNotFound,
    JobStatus,
    RequestCancelationMiddleware,
    add_cancelation_handlers,
    allow_loopback_only,
    cancelable_dependency,
    cancelable_responses,
    cancelable_streaming_response,
    cancelable_within,
    mount_operations_page,
    with_cancelation,
)
from hother.cancelable.registry import CancelState

sys.path.append(str(Path(__file__).parent))  # for the module beside this one, however this one is started
from sample_jobs import SAMPLE_JOBS

ENDINGS: dict[CancelationReason | None, str] = {
    CancelationReason.DISCONNECT: "the client left",
    CancelationReason.TIMEOUT: "time is up",
    CancelationReason.MANUAL: "cancelled by somebody",
    CancelationReason.SHUTDOWN: "the server shuts down",
    CancelationReason.PARENT: "what it is a part of was cancelled",
}
UntilClientLeaves = Annotated[Cancelable, Depends(cancelable_dependency)]
TwoSecondsAtMost = Annotated[Cancelable, Depends(cancelable_within(2))]


# What runs, and how it ended


def say(text: str) -> None:
    """Tell the terminal."""
    print(f"{datetime.now().astimezone():%H:%M:%S} {text}", flush=True)


class Terminal(Observer):
    """Tells the terminal when an operation starts and how it ends."""

    def operation_started(self, operation: Cancelable) -> None:
        if not is_watching(operation):
            say(f"{operation.context.name} started, its id is {operation.operation_id}")

    def operation_ended(self, operation: Cancelable) -> None:
        context = operation.context
        how = ENDINGS.get(context.cancel_reason, str(context.cancel_reason)) if context.is_cancelled else "done"
        if not is_watching(operation):
            say(f"{context.name} ended: {context.error or how}")


def is_watching(operation: Cancelable) -> bool:
    """Tell whether an operation only serves somebody who looks at the others."""
    return operation.context.name == "operations page: events"


terminal = Terminal()
registry = OperationRegistry.get_instance()
shutdown = GracefulShutdown(grace=5)
jobs = BackgroundJobs(shutdown.token)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Follow operations, and end them when the server shuts down."""
    add_observer(terminal)
    registry.track_all()
    set_stuck_after(2)
    try:
        async with shutdown.lifespan(app):
            yield
    finally:
        registry.track_no_more()
        remove_observer(terminal)


app = FastAPI(title="Work that stops when it should", lifespan=lifespan, responses=cancelable_responses())
app.add_middleware(RequestCancelationMiddleware, default_timeout=120, shutdown=shutdown)
add_cancelation_handlers(app)
mount_operations_page(
    app,
    registry,
    authorize=allow_loopback_only(),
    actions={text: f"/start/{job.__name__}" for text, job in SAMPLE_JOBS.items()},
)


async def work(seconds: float) -> None:
    """Do something that takes its time. It knows nothing of clients; its `finally` runs however it ends."""
    operation = current_operation()
    assert operation is not None
    try:
        for tenth in range(int(seconds * 10)):
            progress = {"current": tenth, "total": seconds * 10}
            await operation.report_progress(f"{tenth / 10} of {seconds} seconds", progress)
            await anyio.sleep(0.1)
    finally:
        say("  (the work has cleaned up)")


# Requests: the client leaves, or time is up


@app.get("/long")
async def long(cancel: UntilClientLeaves, seconds: float = 60) -> str:
    """Work for a minute. Kill the client, and the work stops."""
    async with cancel:
        await work(seconds)
    return "done\n"


@app.get("/thread")
@with_cancelation
def thread(seconds: float = 60) -> str:
    """Do the same in a plain function, which FastAPI runs in a thread; it has to ask."""
    operation = current_operation()
    assert operation is not None
    for _ in range(int(seconds * 20)):
        operation.check()
        time.sleep(0.05)
    return "done\n"


@app.get("/timeout")
async def timeout(cancel: TwoSecondsAtMost) -> str:
    """Work for a minute where two seconds are allowed."""
    async with cancel:
        await work(60)
    return "done\n"


# Streams: they end with their client, and tell it when they end for another reason


@app.get("/stream")
async def stream(cancel: UntilClientLeaves) -> CancelableStreamingResponse:
    """Send an event each second. The response enters the operation and leaves it with the last event."""

    async def events() -> AsyncIterator[ServerSentEvent]:
        for number in range(60):
            yield ServerSentEvent(data=f"event {number}", id=str(number))
            await anyio.sleep(1)

    return cancelable_streaming_response(events(), cancel, media_type="text/event-stream", ping=15)


@app.get("/events", response_class=EventSourceResponse)
@with_cancelation(timeout=60)
async def events() -> AsyncIterator[dict[str, int]]:
    """Do the same as FastAPI has it: an endpoint that is a generator."""
    for number in range(600):
        yield {"number": number}
        await anyio.sleep(1)


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    """Send back what comes, for five minutes at most."""
    await websocket.accept()
    async with Cancelable.with_timeout(300, name="echo") as cancel:
        peer = CancelableWebSocket(websocket, cancel)
        async for text in peer.iter_text():
            await cancel.report_progress(text)
            await peer.send_text(text)


# Everything that runs, and how to stop it


@app.get("/jobs")
async def list_jobs() -> list[dict[str, Any]]:
    """List what runs: requests, streams and background jobs."""
    return [
        {"id": each.id, "name": each.name, "progress": each.progress and each.progress.message}
        for each in await registry.list_operations()
    ]


@app.get("/jobs/{job_id}")
async def show_job(job_id: str) -> JobStatus:
    """Tell how a background job stands, or how it ended."""
    try:
        return jobs.status(job_id)
    except JobNotFound as error:
        raise HTTPException(404, str(error)) from None


@app.delete("/jobs/{job_id}")
async def cancel_job(job_id: str) -> dict[str, str]:
    """Cancel something that runs by its id, and wait a little to tell whether it has ended."""
    result = await registry.cancel(job_id, message="somebody asked for it", wait=2)
    if result.record is None:
        raise HTTPException(404, "nothing that has this id runs, or has run lately")
    return {"status": result.record.status if result.state is CancelState.ENDED else "still running"}


# Background jobs: they go on when their client has left


@app.post("/jobs")
async def start_job(seconds: float = 20) -> dict[str, str]:
    """Start a job of its own, at once."""
    return {"job_id": jobs.start(work, seconds)}


@app.post("/start/{name}")
async def start_sample(name: str, request: Request) -> RedirectResponse:
    """Start what a button of the operations page asks for, and go back to the page."""
    found = [job for job in SAMPLE_JOBS.values() if job.__name__ == name]
    if not found:
        raise HTTPException(404)
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise HTTPException(403, "a form of another site starts nothing")
    jobs.start(found[0])
    return RedirectResponse(request.headers.get("referer", "/operations"), 303)


@app.post("/start-background-task")
async def start_background_task(background_tasks: BackgroundTasks, seconds: float = 20) -> dict[str, str]:
    """Start a background task of FastAPI, which runs after the response."""
    return {"task_id": jobs.add(background_tasks, work, seconds)}


@app.post("/cancel-task/{task_id}")
async def cancel_task(task_id: str) -> JobStatus:
    """Cancel a background job, also before it has started."""
    try:
        return await jobs.cancel(task_id, "somebody asked for it", wait=2)
    except JobNotFound as error:
        raise HTTPException(404, str(error)) from None


# Uploads


@app.post("/upload")
async def upload(file: UploadFile, cancel: UntilClientLeaves) -> dict[str, Any]:
    """Take a file from a form, piece by piece."""
    size = 0
    async with cancel:
        cancel.on_progress(lambda operation_id, message, metadata: say(f"  {message}"))
        while piece := await file.read(1024 * 1024):
            size += len(piece)
            await cancel.report_progress(f"{size} of {file.size} bytes", {"current": size, "total": file.size})
    return {"filename": file.filename, "size": size, "status": "completed"}


@app.post("/sha256")
async def sha256(request: Request, cancel: UntilClientLeaves) -> dict[str, str]:
    """Read a body while it arrives, and answer with its digest."""
    digest = hashlib.sha256()
    size = 0
    async with cancel:
        async for piece in request.stream():
            digest.update(piece)
            size += len(piece)
            await cancel.report_progress(f"{size} bytes", {"bytes": size})
    return {"sha256": digest.hexdigest()}


COMMANDS = """
Open {url}/operations in a browser: it shows what runs, and has jobs to start and to cancel.

Or type into another terminal:

  curl -N {url}/long                        and press Ctrl-C: the client left
  curl -N {url}/thread                      and press Ctrl-C: the client left
  curl -N {url}/stream                      and press Ctrl-C: the client left
  curl -N {url}/events                      and press Ctrl-C: the client left
  curl {url}/timeout                        and wait: time is up
  curl -X POST {url}/jobs                   starts a job and answers with its id
  curl -X POST {url}/start-background-task  so does this
  curl {url}/jobs                           lists all that runs, with ids
  curl {url}/jobs/ID                        how a background job stands
  curl -X DELETE {url}/jobs/ID              cancelled by its id
  curl -X POST {url}/cancel-task/ID         cancelled by its id, for background jobs
  curl -F file=@README.md {url}/upload
  curl -H "Transfer-Encoding: chunked" --data-binary @README.md {url}/sha256

Or press Ctrl-C here while something runs: streams get a last event, and requests five seconds.
"""


def main() -> None:
    """Serve the app on this machine."""
    parser = argparse.ArgumentParser(description="A web server whose work stops when it should.")
    parser.add_argument("--port", type=int, default=8000)
    port: int = parser.parse_args().port
    print(COMMANDS.format(url=f"http://127.0.0.1:{port}"), flush=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
