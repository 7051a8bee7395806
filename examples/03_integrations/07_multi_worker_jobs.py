"""Jobs in four worker processes: start them anywhere, list and cancel them from anywhere.

Start a Redis (`redis-server`), then

    uv run python examples/03_integrations/07_multi_worker_jobs.py

and type the commands that it prints into another terminal. Each request may reach another worker, and each worker knows
of all jobs. Kill one of the workers with `kill -9`: its jobs are lost, the others run on. Ctrl-C cancels what is left.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
import uvicorn
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse

from hother.cancelable import Cancelable, CancelationReason, OperationRegistry
from hother.cancelable.registry import BackendUnavailable, CancelState, RedisBackend

STATUS_CODES = {CancelState.ENDED: 200, CancelState.NOT_FOUND: 404}
tasks: set[asyncio.Task[None]] = set()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Join the registries of all workers as long as this one serves."""
    backend = RedisBackend(os.environ["REDIS_URL"], lease=6, metadata_keys=["seconds"])
    app.state.registry = OperationRegistry(backend).install()
    yield
    await registry().cancel_all(reason=CancelationReason.SHUTDOWN, message="the worker stops", worker=backend.worker)
    if tasks:
        await asyncio.wait(tasks, timeout=5)
    await registry().close()


app = FastAPI(title="Jobs in many workers", lifespan=lifespan)


@app.exception_handler(BackendUnavailable)
async def unavailable(request: Request, error: BackendUnavailable) -> JSONResponse:
    """Say that Redis is away; jobs go on, and those of this worker can still be listed and cancelled."""
    return JSONResponse({"detail": str(error)}, 503, {"Retry-After": "1"})


def registry() -> OperationRegistry:
    """Return the registry of this worker, which knows of all."""
    found: OperationRegistry = app.state.registry
    return found


async def work(operation: Cancelable, seconds: float) -> None:
    """Do something that takes its time, and tell how far it is."""
    async with operation:
        for tenth in range(int(seconds * 10)):
            await operation.report_progress(f"{tenth / 10} of {seconds} s", {"current": tenth, "total": seconds * 10})
            await anyio.sleep(0.1)


@app.post("/jobs")
async def start(seconds: float = 60) -> dict[str, Any]:
    """Start a job in the worker that this request has reached."""
    operation = Cancelable(
        name="job", metadata={"seconds": seconds}, register_globally=True, detached=True, move_on=True
    )
    task = asyncio.create_task(work(operation, seconds))
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return {"id": operation.operation_id, "pid": os.getpid()}


@app.get("/jobs")
async def list_jobs(limit: Annotated[int, Query(ge=1, le=500)] = 100) -> dict[str, Any]:
    """List the jobs of all workers."""
    page = await registry().page(limit=limit, name_pattern="job")
    return {"pid": os.getpid(), "view": page.view, "jobs": [record.to_dict() for record in page.records]}


@app.get("/jobs/{job_id}")
async def show(job_id: str) -> dict[str, Any]:
    """Show a job of any worker, also when it has ended."""
    record = await registry().get(job_id)
    if record is None:
        raise HTTPException(404, "there is no such job")
    return record.to_dict()


@app.delete("/jobs/{job_id}")
async def cancel(job_id: str, response: Response, wait: Annotated[float, Query(gt=0, le=30)] = 2) -> dict[str, Any]:
    """Cancel a job of any worker, wait a little, and tell what is known: 200 if it has ended, 202 if not yet."""
    result = await registry().cancel(job_id, message=f"asked for in process {os.getpid()}", wait=wait)
    response.status_code = STATUS_CODES.get(result.state, 202)
    return {"state": result.state, "job": result.record and result.record.to_dict()}


@app.get("/workers")
async def workers() -> list[dict[str, Any]]:
    """List the worker processes."""
    return [worker._asdict() for worker in await registry().workers()]


COMMANDS = {
    "for i in 1 2 3 4 5 6; do curl -X POST {url}/jobs; done": "starts jobs; see the process ids",
    "curl {url}/jobs": "lists them all, whichever worker answers",
    "curl -X DELETE {url}/jobs/ID": "cancels one by its id, from any worker",
    "curl {url}/jobs/ID": "tells how it ended, and who asked",
    "curl {url}/workers": "lists the workers",
    "uv run cancelable ops --redis {redis}": "lists the jobs without a web server",
}


def explain(url: str, redis: str) -> None:
    """Print what to type."""
    print("Type into another terminal:\n")
    for command, what in COMMANDS.items():
        print(f"  {command.format(url=url, redis=redis):<75} {what}")
    print(flush=True)


def check(url: str) -> None:
    """End the program with advice where there is no Redis."""
    try:
        RedisBackend(url).workers()  # it serves no registry, so it only asks
    except BackendUnavailable as error:
        sys.exit(f"{error}\nStart one (`redis-server`; Debian: apt-get install redis-server), or name it: --redis URL")


def main() -> None:
    """Serve the app with some workers."""
    parser = argparse.ArgumentParser(description="Jobs in many workers, listed and cancelled from any of them.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--redis", metavar="URL", default="redis://localhost:6379/0")
    arguments = parser.parse_args()
    check(arguments.redis)
    os.environ["REDIS_URL"] = arguments.redis
    explain(f"http://127.0.0.1:{arguments.port}", arguments.redis)
    uvicorn.run(
        "07_multi_worker_jobs:app",
        app_dir=os.path.dirname(os.path.abspath(__file__)),  # noqa: PTH100, PTH120 - it is a string for uvicorn
        port=arguments.port,
        workers=arguments.workers,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
