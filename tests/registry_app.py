"""A web application whose workers share a registry; see `registry_workers.py`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from fastapi import FastAPI, HTTPException

from hother.cancelable import Cancelable, CancelationReason, OperationRegistry
from hother.cancelable.registry import BackendUnavailable, RecordStatus, RedisBackend

LEASE, BEAT = 1.5, 0.5

tasks: set[asyncio.Task[None]] = set()
hooks: dict[str, int] = {}
times: list[float] = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Take part as long as the worker serves; at its end cancel what runs in it."""
    backend = RedisBackend(os.environ["REGISTRY_URL"], lease=LEASE, heartbeat=BEAT, metadata_keys=["colour"])
    app.state.registry = registry = OperationRegistry(backend).install()
    yield
    await registry.cancel_all(worker=backend.worker, reason=CancelationReason.SHUTDOWN, message="the worker stops")
    if tasks:
        await asyncio.wait(tasks, timeout=1)
    await registry.close()


app = FastAPI(lifespan=lifespan)
if os.environ.get("REGISTRY_INBOX") == "off":
    from hother.cancelable.registry.redis.delivery import Inbox

    def _nothing(self: Inbox) -> None:
        pass

    Inbox.start = Inbox.stop = _nothing  # type: ignore[method-assign]


def registry() -> OperationRegistry:
    """Return the registry of this worker."""
    found: OperationRegistry = app.state.registry
    return found


def in_background(work: Any) -> None:
    """Run a coroutine that outlives its request."""
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def job(operation: Cancelable, quiet: bool) -> None:
    """Report progress until somebody says stop, or nothing at all."""
    async with operation:
        if quiet:
            await anyio.sleep_forever()
        while True:
            await operation.report_progress("at work", {"percent": 50, "hidden": "a secret of progress"})
            await anyio.sleep(0.2)


async def short_operations(seconds: float) -> None:
    """Note how long operations of 50 ms take."""
    end = time.monotonic() + seconds
    while (start := time.monotonic()) < end:
        async with Cancelable(name="short", register_globally=True, detached=True):
            await anyio.sleep(0.05)
        times.append(time.monotonic() - start)


@app.get("/pid")
async def pid() -> int:
    """Return which process answers."""
    return os.getpid()


@app.post("/block")
async def block(seconds: float) -> None:
    """Block the event loop."""
    time.sleep(seconds)


@app.post("/jobs")
async def start(name: str, count: int, quiet: bool = False) -> list[str]:
    """Start jobs in this worker."""
    metadata = {"colour": "green", "password": "a secret of metadata", "client": "a secret of the client"}
    started = [
        Cancelable(name=name, metadata=dict(metadata), register_globally=True, detached=True, move_on=True)
        for _ in range(count)
    ]
    for operation in started:
        identity = operation.operation_id

        def count_hook(_: Any, identity: str = identity) -> None:
            hooks[identity] = hooks.get(identity, 0) + 1

        operation.on_cancel(count_hook)
        in_background(job(operation, quiet))
    return [operation.operation_id for operation in started]


@app.get("/jobs")
async def listing(name: str, cursor: str | None = None, status: str | None = None) -> dict[str, Any]:
    """List what runs."""
    page = await registry().page(50, cursor, name_pattern=name, status=status)
    return {
        "records": [record.to_dict() for record in page.records],
        "cursor": page.cursor,
        "view": page.view,
        "as_of": page.as_of,
    }


@app.get("/history")
async def history(name: str) -> list[dict[str, Any]]:
    """List what has ended."""
    return [record.to_dict() for record in await registry().get_history(name_pattern=name)]


@app.get("/jobs/{job_id}")
async def show(job_id: str) -> dict[str, Any]:
    """Show one operation, and how often its hook was called in this worker."""
    record = await registry().get(job_id)
    return {"record": record and record.to_dict(), "hooks": hooks.get(job_id, 0)}


@app.delete("/jobs/{job_id}")
async def cancel(job_id: str, reason: CancelationReason, message: str, wait: float | None = None) -> dict[str, Any]:
    """Cancel an operation of any worker."""
    try:
        result = await registry().cancel(job_id, reason, message, wait=wait)
    except BackendUnavailable as error:
        raise HTTPException(503, str(error)) from None
    return {"state": result.state, "record": result.record and result.record.to_dict()}


@app.get("/workers")
async def workers() -> list[dict[str, Any]]:
    """List the workers."""
    return [worker._asdict() for worker in await registry().workers()]


@app.post("/short")
async def start_short(seconds: float) -> None:
    """Run operations of 50 ms, five at a time."""
    times.clear()
    for _ in range(5):
        in_background(short_operations(seconds))


@app.get("/short")
async def slowest() -> dict[str, Any]:
    """Return how many operations of 50 ms there were, and how long they took but for the slowest hundredth."""
    running = await registry().list_operations(name_pattern="short")
    failed = [each for each in await registry().get_history() if each.status is RecordStatus.FAILED]
    p99 = sorted(times)[int(len(times) * 0.99)] if times else 0
    return {"running": len(running), "count": len(times), "p99": p99, "failed": len(failed)}
