"""`BackgroundJobs` and threads: jobs that run in one, and endpoints that are plain functions."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from starlette.background import BackgroundTasks

from hother.cancelable import CancelationReason, OperationStatus, current_operation
from hother.cancelable.integrations.fastapi import BackgroundJobs, JobStatus


async def ended(jobs: BackgroundJobs, job_id: str) -> JobStatus:
    """Wait for the end of a job in a thread, which no other task can see coming."""
    with anyio.fail_after(5):
        while not (status := jobs.status(job_id)).has_ended:
            await anyio.sleep(0.001)
    return status


async def test_check_stops_a_job_in_a_thread() -> None:
    """A job that is a plain function ends where it calls `current_operation().check()`."""
    jobs, working, stopped = BackgroundJobs(), threading.Event(), threading.Event()

    def work() -> None:
        operation = current_operation()
        assert operation is not None
        try:
            while True:
                operation.check()
                working.set()
        finally:
            stopped.set()

    job_id = jobs.start(work)
    await anyio.to_thread.run_sync(working.wait)
    status = await jobs.cancel(job_id, "stop", wait=5)
    assert stopped.is_set()
    assert (status.status, status.has_ended, status.message) == (OperationStatus.CANCELLED, True, "stop")
    assert status.error is None


async def test_thread_that_never_checks_still_runs() -> None:
    """No thread can be killed: as long as it works, the job is running, and has ended when it comes back."""
    jobs, working, go_on = BackgroundJobs(), threading.Event(), threading.Event()

    def work() -> None:
        working.set()
        go_on.wait()

    job_id = jobs.start(work)
    try:
        await anyio.to_thread.run_sync(working.wait)
        status = await jobs.cancel(job_id, wait=0.05)
        assert (status.status, status.cancel_requested, status.has_ended) == (OperationStatus.RUNNING, True, False)
    finally:
        go_on.set()
    assert (await ended(jobs, job_id)).status is OperationStatus.CANCELLED


async def test_plain_function_that_returns_a_coroutine() -> None:
    """A job whose thread has ended runs on where its function gave something to await."""
    jobs, tasks, awaiting, go_on = BackgroundJobs(), BackgroundTasks(), anyio.Event(), anyio.Event()

    async def work() -> None:
        awaiting.set()
        await go_on.wait()

    job_id = jobs.add(tasks, lambda: work())
    async with anyio.create_task_group() as group:
        group.start_soon(tasks)
        await awaiting.wait()
        assert (jobs.status(job_id).status, jobs.status(job_id).has_ended) == (OperationStatus.RUNNING, False)
        go_on.set()
    assert (jobs.status(job_id).status, jobs.status(job_id).has_ended) == (OperationStatus.COMPLETED, True)


async def test_scope_waits_for_the_thread() -> None:
    """A scope that is cancelled leaves no thread behind; until it is back, the job is running."""
    jobs, tasks, working, go_on = BackgroundJobs(), BackgroundTasks(), threading.Event(), threading.Event()

    def work() -> None:
        working.set()
        go_on.wait(30)

    job_id = jobs.add(tasks, work)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(tasks)
            assert await anyio.to_thread.run_sync(working.wait, 5)
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
            status = jobs.status(job_id)
            assert (status.status, status.has_ended) == (OperationStatus.RUNNING, False)
            go_on.set()
    finally:
        go_on.set()
    status = jobs.status(job_id)
    assert (status.status, status.reason) == (OperationStatus.CANCELLED, CancelationReason.EXTERNAL)
    assert status.has_ended


@pytest.mark.parametrize("beside", [True, False], ids=["start", "add"])
async def test_from_a_worker_thread(beside: bool) -> None:
    """An endpoint that is a plain function adds and starts jobs all the same, and its job runs on the event loop."""
    jobs, tasks, seen = BackgroundJobs(), BackgroundTasks(), list[Any]()

    async def work() -> None:
        await anyio.lowlevel.checkpoint()
        seen.append(threading.current_thread())

    def endpoint() -> str:
        return jobs.start(work) if beside else jobs.add(tasks, work)

    job_id = await anyio.to_thread.run_sync(endpoint)
    await tasks()
    assert (await ended(jobs, job_id)).status is OperationStatus.COMPLETED
    assert seen == [threading.current_thread()]


async def test_cancel_from_a_worker_thread() -> None:
    """The token cancels a job from any thread, one that has not begun at once."""
    jobs, tasks, ran = BackgroundJobs(), BackgroundTasks(), list[str]()

    async def work() -> None:
        ran.append("begun")
        await anyio.sleep_forever()

    running, waiting = jobs.start(work), jobs.add(tasks, work)
    await anyio.wait_all_tasks_blocked()

    def endpoint() -> list[JobStatus]:
        for job_id in (running, waiting):
            assert jobs.token(job_id).cancel_sync("from a thread")
        return jobs.list()

    first, second = await anyio.to_thread.run_sync(endpoint)
    assert (first.cancel_requested, second.cancel_requested) == (True, True)
    assert (second.status, second.has_ended) == (OperationStatus.CANCELLED, True)
    assert (await ended(jobs, running)).message == "from a thread"
    await tasks()
    assert ran == ["begun"]


async def test_thread_cancels_while_the_job_begins() -> None:
    """A job that was told to stop between the decision that it begins and its first line does nothing any more."""
    jobs, tasks, ran = BackgroundJobs(), BackgroundTasks(), list[str]()

    async def work() -> None:
        ran.append("begun")

    job_id = jobs.add(tasks, work)
    job = jobs._find(job_id)
    assert job.begins()
    assert (job.status().status, job.status().has_ended) == (OperationStatus.PENDING, False)
    await jobs.token(job_id).cancel()
    assert (job.status().status, job.status().has_ended) == (OperationStatus.PENDING, False)
    await tasks()
    assert ran == []
    assert (job.status().status, job.status().reason) == (OperationStatus.CANCELLED, CancelationReason.MANUAL)


def test_start_needs_an_event_loop() -> None:
    """A thread that no event loop has started is told where to start jobs, and nothing is left of the attempt."""
    jobs = BackgroundJobs()

    async def work() -> None:
        raise AssertionError

    with pytest.raises(RuntimeError, match=r"call start\(\) in a coroutine, or in a thread of FastAPI"):
        jobs.start(work)
    assert jobs.list() == []


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_many_threads_end_at_once() -> None:
    """Exactly as many jobs are remembered as asked, also where many threads and tasks end at the same moment."""
    jobs, tasks, count = BackgroundJobs(keep=3), list[asyncio.Task[None]](), 20
    begun, go_on = threading.Semaphore(0), threading.Event()

    def work() -> None:
        begun.release()
        go_on.wait(30)

    try:
        for _ in range(count):
            background = BackgroundTasks()
            jobs.add(background, work)
            tasks.append(asyncio.create_task(background()))
        for _ in range(count):
            assert await anyio.to_thread.run_sync(begun.acquire, True, 5)
        for task in tasks:
            task.cancel()
    finally:
        go_on.set()
    await asyncio.wait(tasks)
    with anyio.fail_after(5):
        while len(jobs.list()) > 3:
            await anyio.sleep(0.001)
    assert [status.has_ended for status in jobs.list()] == [True] * 3
