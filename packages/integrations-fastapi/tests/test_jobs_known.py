"""How long background jobs are remembered, and what is no job."""

import gc
import pickle
from typing import Any

import anyio
import pytest
from starlette.background import BackgroundTasks

from hother.cancelable.integrations.fastapi import BackgroundJobs, JobNotFound


async def nothing() -> None:
    """Do nothing."""


async def for_ever() -> None:
    """Never end."""
    await anyio.sleep_forever()


@pytest.mark.parametrize("keep", [0, 1, 3])
async def test_ended_jobs_are_forgotten(keep: int) -> None:
    """Only so many that have ended are remembered, the oldest go first; those that still run are never forgotten."""
    jobs = BackgroundJobs(keep=keep)
    running = jobs.start(for_ever)
    ended = list[str]()
    for _ in range(4):
        ended.append(jobs.start(nothing))
        await anyio.wait_all_tasks_blocked()
    assert [status.id for status in jobs.list()] == [running, *ended[4 - keep :]]
    for job_id in ended[: 4 - keep]:
        with pytest.raises(JobNotFound):
            jobs.status(job_id)
    status = await jobs.cancel(running, wait=5)
    assert (status.id, status.has_ended) == (running, True)
    assert (running in [status.id for status in jobs.list()]) is (keep > 0)


async def test_dropped_jobs_are_forgotten() -> None:
    """A job that was thrown away before it began counts among those that have ended."""
    jobs = BackgroundJobs(keep=1)
    first = jobs.add(BackgroundTasks(), nothing)
    second = jobs.add(BackgroundTasks(), nothing)
    gc.collect()
    assert [status.id for status in jobs.list()] == [second]
    with pytest.raises(JobNotFound):
        jobs.token(first)


async def test_unknown_id() -> None:
    """An id that is not known is an error that names it, and that another process can be sent."""
    jobs = BackgroundJobs()
    for ask in (jobs.status, jobs.token):
        with pytest.raises(JobNotFound, match="no background job has the id 'x1'"):
            ask("x1")
    with pytest.raises(LookupError) as raised:
        await jobs.cancel("x1", wait=5)
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (type(copy), copy.job_id, str(copy)) == (JobNotFound, "x1", str(raised.value))


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"keep": -1}, ValueError, "keep must be zero or more jobs, not -1"),
        ({"keep": 1.5}, TypeError, "keep must be a whole number of jobs, not 1.5"),
        ({"keep": True}, TypeError, "keep must be a whole number of jobs, not True"),
        ({"token": "stop"}, TypeError, "token must be a CancelationToken, not 'stop'"),
    ],
)
def test_bad_options(options: dict[str, Any], error: type[Exception], text: str) -> None:
    """A bad option is an error at once."""
    with pytest.raises(error, match=text):
        BackgroundJobs(**options)


async def test_bad_functions() -> None:
    """What cannot be run is an error at once, and leaves no job behind."""

    async def generator() -> Any:
        yield 1

    jobs, tasks, coroutine = BackgroundJobs(), BackgroundTasks(), nothing()
    give: Any = jobs
    try:
        for call in (give.start, lambda function: give.add(tasks, function)):
            with pytest.raises(TypeError, match="must be callable, not 'work'"):
                call("work")
            with pytest.raises(TypeError, match=r"give the function and its arguments apart, as in (start|add)\("):
                call(coroutine)
            with pytest.raises(TypeError, match="nobody would iterate"):
                call(generator)
        with pytest.raises(TypeError, match="background_tasks must be the BackgroundTasks of the request"):
            give.add(nothing, 1)
    finally:
        coroutine.close()
    assert (jobs.list(), tasks.tasks) == ([], [])


@pytest.mark.parametrize(("wait", "error"), [(0, ValueError), (-1, ValueError), ("3", TypeError)])
async def test_bad_arguments_of_cancel(wait: Any, error: type[Exception]) -> None:
    """A bad wait, or message, is an error at once, and the job goes on."""
    jobs = BackgroundJobs()
    message: Any = 7
    job_id = jobs.start(for_ever)
    await anyio.wait_all_tasks_blocked()
    with pytest.raises(error, match="wait"):
        await jobs.cancel(job_id, wait=wait)
    with pytest.raises(TypeError, match="message"):
        await jobs.cancel(job_id, message)
    assert not jobs.status(job_id).cancel_requested
    await jobs.cancel(job_id, wait=5)
