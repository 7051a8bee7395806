"""A web server whose work stops when it should, and which says why.

Start it with

    python examples/03_integrations/04_fastapi_example.py

and type the commands that it prints into another terminal. The server tells how each operation ends: the client left,
time is up, or somebody cancelled it by its id. It shows

- a long request that ends when its client leaves, and a stream that does,
- a request that may take two seconds and not more,
- a list of everything that runs, and how to cancel one of them by its id,
- two kinds of background jobs, which go on when their client has left,
- an upload that reports its progress, and one that is read while it arrives.

Or serve it with any ASGI server: `uvicorn examples.03_integrations.04_fastapi_example:app`.
"""

import argparse
import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

import anyio
import uvicorn
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationToken,
    ManualCancelation,
    OperationContext,
    TimeoutCancelation,
)
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, cancelable_dependency

app = FastAPI(title="Work that stops when it should")
app.add_middleware(RequestCancelationMiddleware)

ENDINGS: dict[CancelationReason | None, str] = {
    CancelationReason.DISCONNECT: "the client left",
    CancelationReason.TIMEOUT: "time is up",
    CancelationReason.MANUAL: "cancelled by id",
}

running: dict[str, Cancelable] = {}
progress: dict[str, str] = {}
tokens: dict[str, CancelationToken] = {}
jobs: set[asyncio.Task[None]] = set()


# What runs, and how it ended


def say(text: str) -> None:
    """Tell the terminal."""
    print(f"{datetime.now().astimezone():%H:%M:%S} {text}", flush=True)


def follow(operation: Cancelable) -> Cancelable:
    """List an operation as long as it runs, and tell the terminal when it starts and how it ends."""

    def started(context: OperationContext) -> None:
        running[context.id] = operation
        say(f"{context.name} started, its id is {context.id}")

    def ended(context: OperationContext, error: BaseException | None = None) -> None:
        running.pop(context.id, None)
        progress.pop(context.id, None)
        how = ENDINGS.get(context.cancel_reason, str(context.cancel_reason)) if context.is_cancelled else "done"
        say(f"{context.name} ended: {error or how}")

    def moved(operation_id: str, message: str, metadata: dict[str, Any] | None) -> None:
        progress[operation_id] = message

    return operation.on_start(started).on_progress(moved).on_complete(ended).on_cancel(ended).on_error(ended)


async def work(operation: Cancelable, seconds: float) -> None:
    """Do something that takes its time. It knows nothing of clients; its `finally` runs however it ends."""
    try:
        for tenth in range(int(seconds * 10)):
            await operation.report_progress(f"{tenth / 10} of {seconds} seconds")
            await anyio.sleep(0.1)
    finally:
        say("  (the work has cleaned up)")


# Requests: the client leaves, or time is up


async def until_client_leaves(operation: Annotated[Cancelable, Depends(cancelable_dependency)]) -> Cancelable:
    """Give the endpoint an operation that ends when the client leaves."""
    return follow(operation)


async def two_seconds_at_most(request: Request) -> Cancelable:
    """Give the endpoint an operation that also ends after two seconds."""
    return follow(await cancelable_dependency(request, timeout=2.0))


@app.get("/long")
async def long(cancel: Annotated[Cancelable, Depends(until_client_leaves)], seconds: float = 60) -> str:
    """Work for a minute. Kill the client, and the work stops."""
    async with cancel:
        await work(cancel, seconds)
    return "done\n"


@app.get("/timeout")
async def timeout(cancel: Annotated[Cancelable, Depends(two_seconds_at_most)]) -> str:
    """Work for a minute where two seconds are allowed."""
    async with cancel:
        await work(cancel, 60)
    return "done\n"


@app.get("/stream")
async def stream(cancel: Annotated[Cancelable, Depends(until_client_leaves)]) -> StreamingResponse:
    """Send an event each second. Here the operation spans the response."""

    async def events() -> AsyncIterator[str]:
        try:
            async with cancel:
                for number in range(60):
                    yield f"data: event {number}\n\n"
                    await anyio.sleep(1)
        except ManualCancelation as error:
            yield f"data: {error}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


@app.exception_handler(TimeoutCancelation)
@app.exception_handler(ManualCancelation)
async def explain(request: Request, error: Exception) -> JSONResponse:
    """Answer a client that is still there."""
    return JSONResponse({"detail": str(error)}, status_code=504 if isinstance(error, TimeoutCancelation) else 503)


# Everything that runs, and how to stop it


@app.get("/jobs")
async def list_jobs() -> list[dict[str, Any]]:
    """List what runs: requests and background jobs."""
    return [{"id": key, "name": each.context.name, "progress": progress.get(key)} for key, each in running.items()]


@app.delete("/jobs/{job_id}")
async def cancel_job(job_id: str) -> dict[str, str]:
    """Cancel something that runs by its id."""
    if job_id not in running:
        raise HTTPException(404, "nothing with this id runs")
    await running[job_id].cancel("somebody asked for it")
    return {"status": "cancelled"}


# Background jobs: they go on when their client has left


@app.post("/jobs")
async def start_job(seconds: float = 20) -> dict[str, str]:
    """Start a job of its own. It is detached from this request, so only its id stops it."""
    operation = follow(Cancelable(name="job", detached=True, move_on=True))

    async def run() -> None:
        async with operation:
            await work(operation, seconds)

    job = asyncio.create_task(run())
    jobs.add(job)
    job.add_done_callback(jobs.discard)
    return {"job_id": operation.operation_id}


@app.post("/start-background-task")
async def start_background_task(background_tasks: BackgroundTasks, seconds: float = 20) -> dict[str, str]:
    """Start a background task of FastAPI, which runs after the response."""
    task_id, token = str(uuid.uuid4()), CancelationToken()
    tokens[task_id] = token
    background_tasks.add_task(background_worker, task_id, token, seconds)
    return {"task_id": task_id}


async def background_worker(task_id: str, token: CancelationToken, seconds: float) -> None:
    """Work until the token is cancelled."""
    async with follow(
        Cancelable.with_token(token, name="background task", operation_id=task_id, move_on=True)
    ) as cancel:
        try:
            await work(cancel, seconds)
        finally:
            tokens.pop(task_id, None)


@app.post("/cancel-task/{task_id}")
async def cancel_task(task_id: str) -> dict[str, str]:
    """Cancel a background task through its token, also before it has started."""
    token = tokens.get(task_id)
    if token is None:
        return {"status": "not_found"}
    await token.cancel("somebody asked for it")
    return {"status": "cancelled"}


# Uploads


@app.post("/upload")
async def upload(file: UploadFile, cancel: Annotated[Cancelable, Depends(until_client_leaves)]) -> dict[str, Any]:
    """Take a file from a form, piece by piece."""
    size = 0
    async with cancel:
        cancel.on_progress(lambda operation_id, message, metadata: say(f"  {message}"))
        while piece := await file.read(1024 * 1024):
            size += len(piece)
            await cancel.report_progress(f"{size} of {file.size} bytes", {"bytes": size})
    return {"filename": file.filename, "size": size, "status": "completed"}


@app.post("/sha256")
async def sha256(request: Request, cancel: Annotated[Cancelable, Depends(until_client_leaves)]) -> dict[str, str]:
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
Type into another terminal:

  curl -N {url}/long                        and press Ctrl-C: the client left
  curl -N {url}/stream                      and press Ctrl-C: the client left
  curl {url}/timeout                        and wait: time is up
  curl -X POST {url}/jobs                   starts a job and answers with its id
  curl -X POST {url}/start-background-task  so does this
  curl {url}/jobs                           lists all that runs, with ids
  curl -X DELETE {url}/jobs/ID              cancelled by id
  curl -X POST {url}/cancel-task/ID         cancelled by id, for background tasks
  curl -F file=@README.md {url}/upload
  curl -H "Transfer-Encoding: chunked" --data-binary @README.md {url}/sha256
"""


def main() -> None:
    """Serve the app on this machine."""
    parser = argparse.ArgumentParser(description="A web server whose work stops when it should.")
    parser.add_argument("--port", type=int, default=8000)
    port: int = parser.parse_args().port
    print(COMMANDS.format(url=f"http://127.0.0.1:{port}"), flush=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main()
