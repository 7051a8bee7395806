"""An app with the operations page, whose jobs do what requests ask of them, and a server for it."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any

import anyio
import httpx
import uvicorn
from anyio.abc import TaskGroup
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

from hother.cancelable import Cancelable
from hother.cancelable.integrations.fastapi import GracefulShutdown, RequestCancelationMiddleware
from hother.cancelable.integrations.fastapi.operations import Access, Level, mount_operations_page
from hother.cancelable.registry import OperationRegistry, RedisBackend, ThreadSafeRegistry


class Job(BaseModel):
    """What a job shall do."""

    name: str | None = None
    parent: str | None = None
    customer: str | None = None
    is_stubborn: bool = False
    """Whether it goes on when it is told to stop, until it is finished by a request."""


class Report(BaseModel):
    """How far a job has come."""

    message: str
    percent: float | None = None


class Jobs:
    """The jobs of an app."""

    def __init__(self, registry: OperationRegistry) -> None:
        self.registry = registry
        self._running: dict[str, tuple[Cancelable, anyio.Event]] = {}

    async def start(self, group: TaskGroup, job: Job) -> str:
        """Start a job and return its id."""
        parent = None if job.parent is None else self._running[job.parent][0]
        metadata = {} if job.customer is None else {"customer": job.customer, "secret": "s3cret"}
        operation = Cancelable(name=job.name, parent=parent, metadata=metadata, move_on=True)
        await self.registry.register(operation)
        self._running[operation.operation_id] = operation, anyio.Event()
        await group.start(self._run, operation, job.is_stubborn)
        return operation.operation_id

    async def report(self, job_id: str, report: Report) -> None:
        """Have a job report its progress."""
        metadata = {} if report.percent is None else {"percent": report.percent}
        await self._job(job_id)[0].report_progress(report.message, metadata)

    async def report_all(self, report: Report) -> None:
        """Have all jobs report their progress."""
        for job_id in list(self._running):
            await self.report(job_id, report)

    def finish(self, job_id: str) -> None:
        """Have a job come to its end."""
        self._job(job_id)[1].set()

    def finish_all(self) -> None:
        """Have all jobs come to their end."""
        for _, finished in self._running.values():
            finished.set()

    async def _run(self, operation: Cancelable, is_stubborn: bool, *, task_status: Any) -> None:
        finished = self._running[operation.operation_id][1]
        async with operation:
            task_status.started()
            with anyio.CancelScope(shield=is_stubborn):
                await finished.wait()
            await anyio.lowlevel.checkpoint()
        del self._running[operation.operation_id]

    def _job(self, job_id: str) -> tuple[Cancelable, anyio.Event]:
        if job_id not in self._running:
            raise HTTPException(404)
        return self._running[job_id]


def page_app(registry: OperationRegistry, level: Level = "all") -> FastAPI:
    """Return an app with the page, and with jobs to start over HTTP. Some cookies make the caller a reader."""
    jobs, shutdown = Jobs(registry), GracefulShutdown(grace=1)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with shutdown.lifespan(app), anyio.create_task_group() as group:
            app.state.group = group
            yield
            jobs.finish_all()
        await registry.close()

    async def authorize(request: Request) -> Access:
        return Access("read" if "reader" in request.cookies else level, request.cookies.get("user"))

    app = FastAPI(lifespan=lifespan)
    mount_operations_page(app, registry, authorize=authorize, metadata_keys=["customer"])

    @app.post("/jobs")
    async def start(job: Job) -> str:
        return await jobs.start(app.state.group, job)

    @app.post("/jobs/batch")
    async def start_several(names: list[str]) -> list[str]:
        return [await jobs.start(app.state.group, Job(name=name)) for name in names]

    app.post("/report")(jobs.report_all)
    app.post("/jobs/{job_id}/report")(jobs.report)
    app.post("/jobs/{job_id}/finish")(jobs.finish)

    @app.get("/")
    async def empty() -> str:
        return ""

    app.add_middleware(RequestCancelationMiddleware, shutdown=shutdown)
    return app


class Remote:
    """How tests have a served app do something."""

    def __init__(self, port: int) -> None:
        self.port: int = port
        self.url: str = f"http://127.0.0.1:{port}"
        self._client = httpx.Client(base_url=self.url, timeout=20)

    def is_there(self) -> bool:
        """Tell whether the app answers."""
        try:
            return self._client.get("/").is_success
        except httpx.TransportError:
            return False

    def leave(self) -> None:
        """Ask for nothing any more."""
        self._client.close()

    def post(self, path: str, body: Any = None) -> Any:
        """Send a request that must succeed, and return the answer."""
        response = self._client.post(path, json=body)
        assert response.is_success, response.text
        return response.json()

    def start(self, name: str | None = None, **job: Any) -> str:
        """Start a job and return its id."""
        identity: str = self.post("/jobs", {"name": name, **job})
        return identity

    def start_several(self, names: list[str]) -> list[str]:
        """Start jobs and return their ids."""
        identities: list[str] = self.post("/jobs/batch", names)
        return identities

    def report(self, job_id: str, message: str, percent: float | None = None) -> None:
        """Have a job report its progress."""
        self.post(f"/jobs/{job_id}/report", {"message": message, "percent": percent})

    def report_all(self, percent: float) -> None:
        """Have all jobs report their progress."""
        self.post("/report", {"message": f"at {percent} %", "percent": percent})

    def finish(self, job_id: str) -> None:
        """Have a job come to its end."""
        self.post(f"/jobs/{job_id}/finish")


class Site(Remote):
    """An app that is served in a thread."""

    def __init__(self, registry: OperationRegistry, level: Level) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        super().__init__(self._socket.getsockname()[1])
        self.registry: OperationRegistry = registry
        config = uvicorn.Config(
            page_app(registry, level), ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def cancel(self, job_id: str, message: str | None = None) -> None:
        """Tell a job to stop, as another part of the program would."""
        ThreadSafeRegistry(self.registry).cancel_operation(job_id, message=message)

    def open(self) -> None:
        """Start serving."""
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)

    def close(self) -> None:
        """Stop serving."""
        self.leave()
        self._server.should_exit = True
        self._thread.join(20)
        self._socket.close()
        assert not self._thread.is_alive(), "the server goes on"


@contextlib.contextmanager
def serving_page(registry: OperationRegistry | None = None, level: Level = "all") -> Generator[Site]:
    """Serve an app with the page."""
    site = Site(OperationRegistry() if registry is None else registry, level)
    site.open()
    try:
        yield site
    finally:
        site.close()


def main() -> None:
    """Serve the page on a port as a program of its own, perhaps with a Redis to share what runs with others."""
    port, *redis = sys.argv[1:]
    backends = [RedisBackend(url, lease=1.5, heartbeat=0.5) for url in redis]
    uvicorn.run(page_app(OperationRegistry(*backends)), port=int(port), log_level="warning")


if __name__ == "__main__":
    main()
