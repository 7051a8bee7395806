"""The background jobs of the documents outlive their requests, on a real server."""

import asyncio
import time
import uuid
from typing import Any

import anyio
import pytest
from fastapi import BackgroundTasks

from hother.cancelable import Cancelable, CancelationToken

from .hand_made import make_app, with_and_without
from .serving import Journal, each_server, serving

pytestmark = pytest.mark.server


@each_server
@with_and_without
def test_background_tasks(kind: str, middleware: bool) -> None:
    """A background task outlives its request and its client, until its token is cancelled by its id."""
    app, journal = make_app(middleware=middleware), Journal()
    background_tokens: dict[str, CancelationToken] = {}

    @app.post("/start-background-task")
    async def start_background_task(background_tasks: BackgroundTasks) -> Any:
        token = CancelationToken()
        task_id = str(uuid.uuid4())
        background_tokens[task_id] = token
        background_tasks.add_task(background_worker, task_id, token)
        return task_id

    async def background_worker(task_id: str, token: CancelationToken) -> None:
        operation = Cancelable.with_token(token)
        try:
            async with operation:
                try:
                    journal.note("working")
                    await anyio.sleep(30)
                finally:
                    background_tokens.pop(task_id, None)
        except asyncio.CancelledError:
            raise AssertionError from None  # somebody watches this task
        except Exception as error:
            journal.note("ended", repr(error))

    @app.post("/cancel-task/{task_id}")
    async def cancel_task(task_id: str) -> Any:
        token = background_tokens.get(task_id)
        if token:
            await token.cancel()
            return {"status": "cancelled"}
        return {"status": "not_found"}

    with serving(app, kind) as server:
        client, other = server.connect(), server.connect()
        client.start_post("/start-background-task")
        client.chunk(b"")
        _, answer = client.response()
        journal.when("working")
        client.kill()
        time.sleep(0.1)
        assert "ended" not in journal
        for status in (b'{"status":"cancelled"}', b'{"status":"not_found"}'):
            other.start_post(f"/cancel-task/{answer.decode()[1:-1]}")
            other.chunk(b"")
            assert other.response() == (200, status)
            journal.when("ended")
    assert "ManualCancelation" in journal.values["ended"]


@each_server
@with_and_without
def test_job_in_a_task_of_its_own(kind: str, middleware: bool) -> None:
    """A job started with `asyncio.create_task` goes on when its client leaves, until somebody cancels it."""
    app, journal = make_app(middleware=middleware), Journal()
    job_tokens: dict[str, CancelationToken] = {}

    async def run_job(token: CancelationToken) -> None:
        operation = Cancelable.with_token(token, move_on=True)
        async with operation:
            journal.note("working")
            await anyio.sleep(30)
        journal.note("ended", operation.context.cancel_message)

    @app.post("/jobs")
    async def start_job() -> Any:
        token = CancelationToken()
        job_tokens["job"] = token
        journal.values["task"] = asyncio.create_task(run_job(token))
        return {"job_id": "job"}

    @app.delete("/jobs/{job_id}")
    async def cancel_job(job_id: str) -> Any:
        if job_id in job_tokens:
            await job_tokens[job_id].cancel("User cancelled")
        return {"status": "cancelled"}

    with serving(app, kind) as server:
        client, other = server.connect(), server.connect()
        client.start_post("/jobs")
        client.chunk(b"")
        assert client.response() == (200, b'{"job_id":"job"}')
        journal.when("working")
        client.kill()
        time.sleep(0.1)
        assert "ended" not in journal
        other.send(b"DELETE /jobs/job HTTP/1.1\r\nHost: test\r\n\r\n")
        assert other.response() == (200, b'{"status":"cancelled"}')
        journal.when("ended")
    assert journal.values["ended"] == "User cancelled"
