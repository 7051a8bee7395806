"""How background jobs end: by an error, at shutdown, and before they began."""

import asyncio
import gc
import logging
from typing import Annotated

import anyio
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.responses import PlainTextResponse
from starlette.background import BackgroundTask

from hother.cancelable import Cancelable, CancelationReason, CancelationToken, OperationStatus
from hother.cancelable.integrations.fastapi import BackgroundJobs

from .hand_made import NO_BODY, Channel

REASON, STATUS = CancelationReason, OperationStatus


async def nothing() -> None:
    """Do nothing."""


async def for_ever() -> None:
    """Never end."""
    await anyio.sleep_forever()


async def fail() -> None:
    """Fail."""
    raise ValueError("bad report")


async def test_error_of_an_added_job() -> None:
    """It is kept in the status and goes the way of all errors of background tasks."""
    jobs, tasks = BackgroundJobs(), BackgroundTasks()
    job_id = jobs.add(tasks, fail)
    with pytest.raises(ValueError, match="bad report"):
        await tasks()
    status = jobs.status(job_id)
    assert (status.status, status.error, status.has_ended) == (STATUS.FAILED, "ValueError: bad report", True)
    assert (status.reason, status.cancel_requested) == (None, False)


async def test_error_of_a_started_job(caplog: pytest.LogCaptureFixture) -> None:
    """It is kept in the status and logged once, with its traceback."""
    jobs = BackgroundJobs()
    job_id = jobs.start(fail)
    await anyio.wait_all_tasks_blocked()
    status = jobs.status(job_id)
    assert (status.status, status.error, status.has_ended) == (STATUS.FAILED, "ValueError: bad report", True)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("hother.cancelable", logging.ERROR)
    assert record.getMessage() == f"background job 'fail' ({job_id}) failed"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


@pytest.mark.virtual_time
async def test_own_timeout_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """A job that lets its own operation's exception out has failed, and nobody else hears of it."""
    jobs = BackgroundJobs()

    async def work() -> None:
        async with Cancelable.with_timeout(5, name="step"):
            await anyio.sleep(10)

    job_id = jobs.start(work)
    await anyio.sleep(6)
    gc.collect()
    status = jobs.status(job_id)
    assert (status.status, status.reason) == (STATUS.FAILED, None)
    assert status.error == "TimeoutCancelation: operation 'step' was cancelled (timeout): not done within 5 s"
    assert len(caplog.records) == 1


async def test_token_ends_all_jobs() -> None:
    """At shutdown the shared token ends what runs; what waits, and what comes later, never begins."""
    stop = CancelationToken()
    jobs, tasks = BackgroundJobs(stop), BackgroundTasks()
    running, waiting = jobs.start(for_ever), jobs.add(tasks, fail)
    await anyio.wait_all_tasks_blocked()
    await stop.cancel(REASON.SHUTDOWN, "the server stops")
    assert jobs.status(waiting).has_ended
    assert not jobs.status(running).has_ended
    later = [jobs.start(fail), jobs.add(tasks, fail)]
    await tasks()
    await anyio.wait_all_tasks_blocked()
    for job_id in (running, waiting, *later):
        status = jobs.status(job_id)
        assert (status.status, status.has_ended, status.cancel_requested) == (STATUS.CANCELLED, True, True)
        assert (status.reason, status.message) == (REASON.SHUTDOWN, "the server stops")


def test_end_of_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    """When the event loop closes, jobs are cancelled from outside; also those whose task has not run at all."""
    jobs, ids = BackgroundJobs(), list[str]()

    async def main() -> None:
        ids.append(jobs.start(for_ever))
        await anyio.sleep(0)
        ids.append(jobs.start(for_ever))

    for backend in ("asyncio", "trio"):
        anyio.run(main, backend=backend)
    gc.collect()
    for status in map(jobs.status, ids):
        assert (status.status, status.has_ended) == (STATUS.CANCELLED, True)
        assert (status.reason, status.cancel_requested) == (REASON.EXTERNAL, False)
    assert caplog.records == []


def dropping_app(jobs: BackgroundJobs, ids: list[str]) -> FastAPI:
    """Return an app whose endpoints add jobs that never run."""
    app = FastAPI()

    async def add(background_tasks: BackgroundTasks) -> None:  # a worker thread would let go of it a moment later
        background_tasks.add_task(nothing)
        ids.append(jobs.add(background_tasks, nothing))

    @app.get("/raises")
    async def raises(added: Annotated[None, Depends(add)]) -> None:
        raise HTTPException(400)

    @app.get("/own")
    async def own(added: Annotated[None, Depends(add)]) -> PlainTextResponse:
        return PlainTextResponse("own", background=BackgroundTask(nothing))

    return app


@pytest.mark.parametrize("path", ["/raises", "/own"])
async def test_job_whose_background_tasks_never_run(path: str) -> None:
    """Where the background tasks are thrown away, a job in them has ended, and is no longer waited for."""
    jobs, ids, channel = BackgroundJobs(), list[str](), Channel(NO_BODY, path=path)
    await channel.run_alone(dropping_app(jobs, ids))
    gc.collect()
    status = jobs.status(ids[0])
    assert (status.status, status.has_ended, status.cancel_requested) == (STATUS.CANCELLED, True, False)
    assert (status.reason, status.message) == (REASON.EXTERNAL, "dropped before it began: nothing runs it any more")
    assert await jobs.cancel(ids[0], "too late", wait=5) == status


async def test_job_behind_one_that_failed() -> None:
    """Starlette runs no background task after one that failed; a job among those has ended, too."""
    jobs, tasks = BackgroundJobs(), BackgroundTasks()
    jobs.add(tasks, fail)
    job_id = jobs.add(tasks, nothing)
    with pytest.raises(ValueError, match="bad report"):
        await tasks()
    assert jobs.status(job_id).status is STATUS.PENDING
    del tasks
    gc.collect()
    assert (jobs.status(job_id).status, jobs.status(job_id).reason) == (STATUS.CANCELLED, REASON.EXTERNAL)


async def test_cancelled_job_that_is_dropped_keeps_its_request() -> None:
    """A job that was cancelled before it began, and is then thrown away, tells of the request."""
    stop = CancelationToken()
    jobs, tasks = BackgroundJobs(stop, keep=2), BackgroundTasks()
    first, second = jobs.add(tasks, nothing), jobs.add(tasks, nothing)
    await jobs.cancel(first, "enough")
    await stop.cancel("stop")
    del tasks
    gc.collect()
    assert (jobs.status(first).message, jobs.status(second).message) == ("enough", "stop")
    assert len(jobs.list()) == 2


async def test_response_that_is_sent_twice() -> None:
    """Background tasks that run a second time do not run their jobs again."""
    jobs, tasks, ran = BackgroundJobs(), BackgroundTasks(), list[int]()

    async def work() -> None:
        ran.append(1)

    job_id = jobs.add(tasks, work)
    await tasks()
    await tasks()
    assert ran == [1]
    assert [status.id for status in jobs.list()] == [job_id]


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_started_jobs_are_held(caplog: pytest.LogCaptureFixture) -> None:
    """Asyncio holds its tasks weakly; a job that nothing else refers to is not collected, however long it waits."""
    jobs = BackgroundJobs()

    async def work() -> None:
        await asyncio.get_running_loop().create_future()

    job_id = jobs.start(work)
    await anyio.wait_all_tasks_blocked()
    gc.collect()
    assert jobs.status(job_id).status is STATUS.RUNNING
    assert (await jobs.cancel(job_id, wait=5)).has_ended
    assert caplog.records == []
