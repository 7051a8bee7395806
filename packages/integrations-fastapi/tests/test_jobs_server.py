"""Background jobs on a real server."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException

from hother.cancelable import current_operation
from hother.cancelable.integrations.fastapi import BackgroundJobs, JobNotFound, JobStatus

from .hand_made import make_app, with_and_without
from .serving import Client, Journal, each_server, serving

pytestmark = pytest.mark.server


def make_functions(journal: Journal) -> tuple[Callable[[str], Awaitable[None]], Callable[[str], None]]:
    """Return a coroutine function and a plain one that work for long."""

    async def work(name: str) -> None:
        try:
            journal.note("working")
            await anyio.sleep(30)
        finally:
            journal.note("ended", name)

    def work_in_thread(name: str) -> None:
        operation = current_operation()
        assert operation is not None
        try:
            while True:
                operation.check()
                journal.note("working")
                time.sleep(0.005)
        finally:
            journal.note("ended", name)

    return work, work_in_thread


def make_job_app(journal: Journal, jobs: BackgroundJobs, *, middleware: bool) -> FastAPI:
    """Return an app with jobs of each kind, and endpoints that look them up and cancel them."""
    app = make_app(middleware=middleware)
    work, work_in_thread = make_functions(journal)

    @app.get("/add")
    async def add(background_tasks: BackgroundTasks) -> str:
        return jobs.add(background_tasks, work, "year")

    @app.get("/add/def")
    def add_in_thread(background_tasks: BackgroundTasks) -> str:
        return jobs.add(background_tasks, work_in_thread, "year")

    @app.get("/start")
    async def start() -> str:
        return jobs.start(work_in_thread, "year")

    @app.get("/start/def")
    def start_in_thread() -> str:
        return jobs.start(work, "year")

    @app.get("/jobs")
    def all_jobs() -> list[JobStatus]:
        return jobs.list()

    @app.delete("/jobs/{job_id}")
    async def cancel(job_id: str) -> JobStatus:
        try:
            return await jobs.cancel(job_id, "the user cancelled", wait=5)
        except JobNotFound as error:
            raise HTTPException(404, str(error)) from None

    return app


def get(client: Client, path: str) -> Any:
    """Return what the server answers to a GET request."""
    client.get(path)
    status, body = client.response()
    assert status == 200
    return json.loads(body)


def delete(client: Client, job_id: str) -> tuple[int, Any]:
    """Return what the server answers to the one who cancels a job."""
    client.send(f"DELETE /jobs/{job_id} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    status, body = client.response()
    return status, json.loads(body)


@each_server
@with_and_without
@pytest.mark.parametrize("path", ["/add", "/add/def", "/start", "/start/def"])
def test_job_from_start_to_end(kind: str, middleware: bool, path: str) -> None:
    """A job outlives its client, is listed, is cancelled by its id, and has ended when the answer says so."""
    journal, jobs = Journal(), BackgroundJobs()
    with serving(make_job_app(journal, jobs, middleware=middleware), kind) as server:
        client, other = server.connect(), server.connect()
        job_id = get(client, path)
        journal.when("working")
        client.kill()
        name = "work" if path in ("/add", "/start/def") else "work_in_thread"
        expected = {
            "id": job_id,
            "name": name,
            "status": "running",
            "cancel_requested": False,
            "has_ended": False,
            "reason": None,
            "message": None,
            "error": None,
        }
        assert get(other, "/jobs") == [expected]
        assert "ended" not in journal
        told = {"cancel_requested": True, "reason": "manual", "message": "the user cancelled"}
        assert delete(other, job_id) == (200, {**expected, **told, "status": "cancelled", "has_ended": True})
        assert "ended" in journal
        assert journal.values["ended"] == "year"
        status, body = delete(other, "other")
        assert (status, "no background job has the id 'other'" in body["detail"]) == (404, True)


@each_server
def test_started_job_holds_no_connection(kind: str) -> None:
    """No server waits for a started job: the next request on the connection is answered while it works."""
    journal, jobs = Journal(), BackgroundJobs()
    with serving(make_job_app(journal, jobs, middleware=True), kind) as server:
        client = server.connect()
        job_id = get(client, "/start/def")
        journal.when("working")
        assert [job["status"] for job in get(client, "/jobs")] == ["running"]
        assert delete(client, job_id)[1]["has_ended"]
    assert journal.values["ended"] == "year"
