"""Cancelling background jobs by their id: what happens, and what the answer says."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from starlette.background import BackgroundTasks

from hother.cancelable import Cancelable, CancelationReason, CancelationToken, OperationStatus
from hother.cancelable.core import Observer, add_observer, remove_observer
from hother.cancelable.integrations.fastapi import BackgroundJobs

from .job_statuses import status_of


@pytest.mark.parametrize("beside", [True, False], ids=["start", "add"])
async def test_cancel_a_running_job(beside: bool) -> None:
    """Cancelling ends a job silently at its next checkpoint, and its status never says so before it has ended."""
    jobs, tasks, cleaned, cleanup = BackgroundJobs(), BackgroundTasks(), anyio.Event(), anyio.Event()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await cleanup.wait()
            cleaned.set()

    async with anyio.create_task_group() as group:
        job_id = jobs.start(work) if beside else jobs.add(tasks, work)
        group.start_soon(tasks)
        await anyio.wait_all_tasks_blocked()
        told: dict[str, Any] = {"cancel_requested": True, "reason": CancelationReason.MANUAL, "message": "enough"}
        assert await jobs.cancel(job_id, "enough") == status_of(job_id, OperationStatus.RUNNING, **told)
        await anyio.wait_all_tasks_blocked()
        assert jobs.status(job_id) == status_of(job_id, OperationStatus.RUNNING, **told)
        cleanup.set()
        assert await jobs.cancel(job_id, "again", wait=5) == jobs.status(job_id)
        assert jobs.status(job_id) == status_of(job_id, OperationStatus.CANCELLED, has_ended=True, **told)
        assert cleaned.is_set()


@pytest.mark.virtual_time
async def test_cancel_waits_no_longer_than_asked() -> None:
    """A job that takes longer to end than one waits for it still runs, as the answer says, and ends in its own time."""
    jobs, started = BackgroundJobs(), anyio.current_time()

    async def work() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(10)
        await anyio.sleep(10)

    job_id = jobs.start(work)
    await anyio.sleep(1)
    status = await jobs.cancel(job_id, wait=2)
    assert anyio.current_time() - started == pytest.approx(3)
    assert (status.status, status.cancel_requested, status.has_ended) == (OperationStatus.RUNNING, True, False)
    status = await jobs.cancel(job_id, wait=50)
    assert anyio.current_time() - started == pytest.approx(10)
    assert (status.status, status.cancel_requested, status.has_ended) == (OperationStatus.CANCELLED, True, True)


@pytest.mark.parametrize("wait", [None, 1000])
async def test_job_that_has_not_begun_never_begins(wait: float | None) -> None:
    """A job that is cancelled before the response is out has ended at once, and those after it run."""
    jobs, tasks, ran = BackgroundJobs(), BackgroundTasks(), list[str]()

    async def work(name: str) -> None:
        ran.append(name)

    first, second = jobs.add(tasks, work, "first"), jobs.add(tasks, work, "second")
    status = await jobs.cancel(first, "not needed", wait=wait)
    told: dict[str, Any] = {"cancel_requested": True, "reason": CancelationReason.MANUAL, "message": "not needed"}
    assert status == status_of(first, OperationStatus.CANCELLED, has_ended=True, **told)
    await tasks()
    assert ran == ["second"]
    assert jobs.status(first) == status
    assert jobs.status(second).status is OperationStatus.COMPLETED


async def test_observers_hear_of_jobs_that_begin() -> None:
    """Who follows all operations, as a registry does, hears nothing of a job that never begins."""
    jobs, tasks, started = BackgroundJobs(), BackgroundTasks(), list[str]()

    class Starts(Observer):
        def operation_started(self, operation: Cancelable) -> None:
            started.append(operation.operation_id)

    async def work() -> None:
        """Do nothing."""

    first, second = jobs.add(tasks, work), jobs.add(tasks, work)
    assert (await jobs.cancel(first)).has_ended
    observer = Starts()
    add_observer(observer)
    try:
        await tasks()
    finally:
        remove_observer(observer)
    assert started == [second]


async def test_cancel_after_the_end() -> None:
    """A job that has ended stays as it was, whoever cancels it then."""
    stop = CancelationToken()
    jobs, tasks = BackgroundJobs(stop), BackgroundTasks()

    async def work() -> None:
        """Do nothing."""

    job_id = jobs.add(tasks, work)
    await tasks()
    ended = status_of(job_id, OperationStatus.COMPLETED, has_ended=True)
    assert await jobs.cancel(job_id, wait=5) == ended
    assert not await jobs.token(job_id).cancel()
    await stop.cancel()
    assert jobs.status(job_id) == ended


async def test_result_is_not_thrown_away() -> None:
    """A job that came to its end although it was cancelled is completed; the request is told beside."""
    jobs, tasks = BackgroundJobs(), BackgroundTasks()

    async def work() -> None:
        await jobs.cancel(job_id, "too late")

    job_id = jobs.add(tasks, work)
    await tasks()
    told: dict[str, Any] = {"cancel_requested": True, "reason": CancelationReason.MANUAL, "message": "too late"}
    assert jobs.status(job_id) == status_of(job_id, OperationStatus.COMPLETED, has_ended=True, **told)


async def test_job_cannot_wait_for_its_own_end() -> None:
    """A job that cancels itself and waits for that is told so."""
    jobs, tasks = BackgroundJobs(), BackgroundTasks()

    async def work() -> None:
        with pytest.raises(RuntimeError, match="cannot wait in its own body"):
            await jobs.cancel(job_id, wait=5)

    job_id = jobs.add(tasks, work)
    await tasks()
    assert jobs.status(job_id) == status_of(job_id, OperationStatus.COMPLETED, has_ended=True)
