"""`BackgroundJobs` whose task is cancelled from outside: asyncio's own `Task.cancel()` leaves their thread behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Self

import anyio
import anyio.to_thread
import pytest
from starlette.background import BackgroundTasks

from hother.cancelable import CancelationReason, OperationStatus, current_operation
from hother.cancelable.integrations.fastapi import BackgroundJobs, JobNotFound, JobStatus
from hother.cancelable.integrations.fastapi.job import JobRun

native_tasks = pytest.mark.loops("asyncio", "eager", "uvloop")


class Work:
    """A plain function that says when it works, and comes back when it is told, or at the end of the block."""

    __name__ = "work"

    def __init__(self) -> None:
        self.working = threading.Event()
        self.go_on = threading.Event()
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        self.working.set()
        self.go_on.wait(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.go_on.set()

    async def begun(self) -> None:
        """Wait until it works."""
        assert await anyio.to_thread.run_sync(self.working.wait, 5)


async def start_and_leave(jobs: BackgroundJobs, function: Callable[[], object], begun: Callable[[], object]) -> str:
    """Start a job, and cancel its task when it has begun, as uvicorn does when its patience at shutdown is over."""
    tasks = BackgroundTasks()
    job_id = jobs.add(tasks, function)
    task = asyncio.create_task(tasks())
    assert await anyio.to_thread.run_sync(begun)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return job_id


async def ended(jobs: BackgroundJobs, job_id: str) -> JobStatus:
    """Wait for the end of a job that is told to stop by no further request."""
    with anyio.fail_after(5):
        await jobs._find(job_id).ended.wait_for_cancel()
    return jobs.status(job_id)


def facts(status: JobStatus) -> tuple[OperationStatus, bool, CancelationReason | None, bool]:
    """Return what the tests compare."""
    return status.status, status.has_ended, status.reason, status.cancel_requested


LEFT = (OperationStatus.RUNNING, False, CancelationReason.EXTERNAL, False)
ENDED = (OperationStatus.CANCELLED, True, CancelationReason.EXTERNAL, False)


@native_tasks
@pytest.mark.parametrize("keep", [0, 1])
async def test_thread_left_behind_still_runs(keep: int) -> None:
    """A job is running, and is not forgotten, until its thread has come back, however long its task has been gone."""
    jobs = BackgroundJobs(keep=keep)
    with Work() as work:
        job_id = await start_and_leave(jobs, work, work.working.wait)
        assert [facts(status) for status in jobs.list()] == [LEFT]
        job = jobs._find(job_id)
        work.go_on.set()
        with anyio.fail_after(5):
            await job.ended.wait_for_cancel()
            while len(jobs.list()) > keep:
                await anyio.sleep(0.001)
    assert facts(job.status()) == ENDED
    if keep == 0:
        with pytest.raises(JobNotFound):
            jobs.status(job_id)


@native_tasks
async def test_started_job_left_behind() -> None:
    """A job beside the request is no different, also where the one who cancels it has asked it to stop before."""
    jobs = BackgroundJobs()
    with Work() as work:
        job_id = jobs.start(work)
        await work.begun()
        assert (await jobs.cancel(job_id, "stop")).message == "stop"
        (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "background job work")
        task.cancel()
        await asyncio.wait((task,))
        status = jobs.status(job_id)
        assert (status.status, status.has_ended, status.cancel_requested) == (OperationStatus.RUNNING, False, True)
        work.go_on.set()
        status = await ended(jobs, job_id)
    assert (status.status, status.has_ended, status.cancel_requested) == (OperationStatus.CANCELLED, True, True)


@native_tasks
async def test_wait_for_around_a_job() -> None:
    """`asyncio.wait_for` leaves the thread behind, too."""
    jobs, tasks = BackgroundJobs(), BackgroundTasks()
    with Work() as work:
        job_id = jobs.add(tasks, work)
        waiting = asyncio.create_task(asyncio.wait_for(tasks(), 0.05))
        await work.begun()
        with pytest.raises(TimeoutError):
            await waiting
        assert facts(jobs.status(job_id)) == LEFT
        work.go_on.set()
        assert facts(await ended(jobs, job_id)) == ENDED


@native_tasks
async def test_cancel_waits_for_the_thread() -> None:
    """Who waits for the end of a job waits for a thread that was left behind, but no longer than asked."""
    jobs, answers = BackgroundJobs(), list[JobStatus]()
    with Work() as work:
        job_id = await start_and_leave(jobs, work, work.working.wait)
        assert facts(await jobs.cancel(job_id, wait=0.01)) == LEFT

        async def cancel() -> None:
            answers.append(await jobs.cancel(job_id, wait=20))

        async with anyio.create_task_group() as group:
            group.start_soon(cancel)
            await anyio.wait_all_tasks_blocked()
            assert answers == []
            work.go_on.set()
    assert [facts(status) for status in answers] == [ENDED]


@native_tasks
async def test_thread_left_behind_while_one_waits() -> None:
    """Who waits for the end of a job when its task goes waits on for its thread."""
    jobs, tasks, answers = BackgroundJobs(), BackgroundTasks(), list[JobStatus]()
    with Work() as work:
        job_id = jobs.add(tasks, work)
        task = asyncio.create_task(tasks())
        await work.begun()

        async def cancel() -> None:
            answers.append(await jobs.cancel(job_id, "stop", wait=20))

        async with anyio.create_task_group() as group:
            group.start_soon(cancel)
            await anyio.wait_all_tasks_blocked()
            task.cancel()
            await anyio.wait_all_tasks_blocked()
            assert (task.cancelled(), answers) == (True, [])
            work.go_on.set()
    assert [(status.status, status.has_ended) for status in answers] == [(OperationStatus.CANCELLED, True)]


@native_tasks
async def test_check_stops_a_thread_left_behind() -> None:
    """A thread that looks at its operation stops when its task has gone."""
    jobs, begun, stopped = BackgroundJobs(), threading.Event(), threading.Event()

    def work() -> None:
        operation = current_operation()
        assert operation is not None
        try:
            while True:
                operation.check()
                begun.set()
        finally:
            stopped.set()

    job_id = await start_and_leave(jobs, work, begun.wait)
    assert facts(await ended(jobs, job_id)) == ENDED
    assert stopped.is_set()


@native_tasks
async def test_thread_that_has_not_begun_never_does() -> None:
    """A job whose task goes while it waits for a free thread has ended at once, and its function never runs."""
    jobs, tasks = BackgroundJobs(), BackgroundTasks()
    limiter = anyio.to_thread.current_default_thread_limiter()
    total, limiter.total_tokens = limiter.total_tokens, 1
    try:
        with Work() as work:
            async with limiter:
                job_id = jobs.add(tasks, work)
                task = asyncio.create_task(tasks())
                await anyio.wait_all_tasks_blocked()
                assert jobs.status(job_id).status is OperationStatus.RUNNING
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert facts(jobs.status(job_id)) == ENDED
    finally:
        limiter.total_tokens = total
    (run,) = (task.func for task in tasks.tasks)
    assert isinstance(run, JobRun)  # a thread that anyio had handed the call, and that only now comes to it:
    assert run._run_here(work) == ()
    assert work.calls == 0


def test_thread_that_outlives_its_loop() -> None:
    """A thread that works on when the event loop has closed is running, and has ended when it comes back."""
    jobs, ids = BackgroundJobs(), list[str]()
    with Work() as work:

        async def main() -> None:
            ids.append(jobs.start(work))
            await work.begun()

        asyncio.run(main())
        assert facts(jobs.status(ids[0])) == LEFT
        work.go_on.set()
        assert jobs._find(ids[0]).ended.wait_sync(5)
    assert facts(jobs.status(ids[0])) == ENDED
