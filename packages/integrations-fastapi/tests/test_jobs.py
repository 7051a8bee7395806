"""`BackgroundJobs`: jobs run beside their requests, as operations of their own, and can be looked up and cancelled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from starlette.background import BackgroundTasks
from starlette.types import Receive, Scope, Send

from hother.cancelable import (
    Cancelable,
    DisconnectCancelation,
    ManualCancelation,
    OperationStatus,
    current_operation,
)
from hother.cancelable.integrations.fastapi import BackgroundJobs

from .hand_made import LEFT, NO_BODY, Channel
from .job_statuses import status_of


async def test_added_job_runs_after_the_response() -> None:
    """A background task begins when the response is out, with its arguments, and its status tells how far it is."""
    jobs, tasks, seen = BackgroundJobs(), BackgroundTasks(), list[object]()

    async def work(number: int, *, word: str) -> None:
        seen.extend((number, word, jobs.status(job_id)))

    job_id = jobs.add(tasks, work, 1, word="two")
    assert jobs.status(job_id) == status_of(job_id, OperationStatus.PENDING)
    await tasks()
    assert seen == [1, "two", status_of(job_id, OperationStatus.RUNNING)]
    assert jobs.status(job_id) == status_of(job_id, OperationStatus.COMPLETED, has_ended=True)


async def test_started_job_runs_beside() -> None:
    """A started job works while the one who started it goes on."""
    jobs, working, finish = BackgroundJobs(), anyio.Event(), anyio.Event()

    async def work(event: anyio.Event, *, until: anyio.Event) -> None:
        event.set()
        await until.wait()

    job_id = jobs.start(work, working, until=finish)
    await working.wait()
    assert jobs.status(job_id) == status_of(job_id, OperationStatus.RUNNING)
    finish.set()
    await anyio.wait_all_tasks_blocked()
    assert jobs.status(job_id) == status_of(job_id, OperationStatus.COMPLETED, has_ended=True)


async def test_job_is_an_operation_of_its_own() -> None:
    """A job has the name and id that its operation has, and nothing above it ends it."""
    jobs, above, finish = BackgroundJobs(), Cancelable(name="above"), anyio.Event()
    seen: list[Cancelable | None] = []

    async def work() -> None:
        seen.append(current_operation())
        await finish.wait()

    with pytest.raises(ManualCancelation):
        async with above:
            job_id = jobs.start(work)
            await anyio.wait_all_tasks_blocked()
            await above.cancel()
            await anyio.sleep_forever()
    assert jobs.status(job_id) == status_of(job_id, OperationStatus.RUNNING)
    (operation,) = seen
    assert operation is not None
    assert (operation.operation_id, operation.context.name, operation.parent) == (job_id, "work", None)
    assert jobs.token(job_id) is operation.token
    finish.set()
    await anyio.wait_all_tasks_blocked()
    assert operation.is_completed


@pytest.mark.parametrize("beside", [True, False], ids=["start", "add"])
async def test_client_that_leaves_ends_no_job(beside: bool) -> None:
    """Behind the middleware, a job and what it enters go on when the client of its request has left."""
    jobs, tasks, channel = BackgroundJobs(), BackgroundTasks(), Channel(NO_BODY)
    working, finish, ids = anyio.Event(), anyio.Event(), list[str]()

    async def work() -> None:
        async with Cancelable():
            working.set()
            await finish.wait()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        ids.append(jobs.start(work) if beside else jobs.add(tasks, work))
        async with anyio.create_task_group() as group:
            group.start_soon(tasks)  # before the response is complete, while the client still counts
            with pytest.raises(DisconnectCancelation):
                async with Cancelable():
                    await working.wait()
                    channel.push(LEFT)
                    await anyio.sleep_forever()
            finish.set()

    await channel.run(app)
    await anyio.wait_all_tasks_blocked()
    assert jobs.status(ids[0]) == status_of(ids[0], OperationStatus.COMPLETED, has_ended=True)


class Instances:
    """Things that can be called, which are no functions."""

    def __init__(self, seen: list[int]) -> None:
        self._seen = seen

    async def __call__(self, number: int) -> None:
        """Await something."""
        await anyio.lowlevel.checkpoint()
        self._seen.append(number)

    async def method(self, number: int) -> None:
        """Do the same."""
        await self(number)

    def plain(self, number: int) -> None:
        """Do the same in a thread."""
        assert current_operation() is not None
        with pytest.raises(anyio.NoEventLoopError):
            anyio.get_current_task()
        self._seen.append(number)


KINDS: dict[str, tuple[str, Callable[[Instances], Callable[[int], object]]]] = {
    "instance": ("Instances", lambda instance: instance),
    "method": ("method", lambda instance: instance.method),
    "partial": ("method", lambda instance: partial(instance.method)),
    "partial instance": ("Instances", lambda instance: partial(instance)),
    "plain method": ("plain", lambda instance: instance.plain),
    "lambda": ("<lambda>", lambda instance: lambda number: instance.method(number)),
}


@pytest.mark.parametrize(("name", "make"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("beside", [True, False], ids=["start", "add"])
async def test_kinds_of_functions(name: str, make: Callable[[Any], Callable[[int], object]], beside: bool) -> None:
    """Whatever can be called is run: on the loop if it is a coroutine function, else in a thread."""
    seen: list[int] = []
    jobs, tasks, function = BackgroundJobs(), BackgroundTasks(), make(Instances(seen))
    job_id = jobs.start(function, 7) if beside else jobs.add(tasks, function, 7)
    await tasks()
    while not jobs.status(job_id).has_ended:
        await anyio.sleep(0.001)
    assert (seen, jobs.status(job_id).name) == ([7], name)
    assert jobs.status(job_id).status is OperationStatus.COMPLETED


async def test_signature_is_the_function_s() -> None:
    """Type checkers see a function's own parameters, and any keyword is the function's, whatever it is called."""
    jobs, tasks, seen = BackgroundJobs(), BackgroundTasks(), list[object]()

    def work(function: int, limiter: str, abandon_on_cancel: bool) -> None:
        seen.extend((function, limiter, abandon_on_cancel))

    jobs.add(tasks, work, function=1, limiter="x", abandon_on_cancel=True)
    if TYPE_CHECKING:
        jobs.add(tasks, work, "1", "x", True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        jobs.start(work, 1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await tasks()
    assert seen == [1, "x", True]
