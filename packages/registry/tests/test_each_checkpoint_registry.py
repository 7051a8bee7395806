"""Each public async function of the package, cancelled at each of its suspension points."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable
from hother.cancelable.registry import OperationRegistry
from hother.cancelable.testing import Way, cancel_at_each_checkpoint

Function = Callable[[OperationRegistry], Awaitable[object]]


async def registering(registry: OperationRegistry) -> None:
    """Operations that are listed while they run."""
    async with Cancelable(name="outer") as outer:
        await registry.register(outer)
        async with Cancelable(name="inner") as inner:
            await registry.register(inner)
            await checkpoint()
            await registry.unregister(inner.operation_id)
        await checkpoint()


async def reading(registry: OperationRegistry) -> None:
    """Everything that can be asked."""
    async with Cancelable(name="job") as job:
        await registry.register(job)
        await checkpoint()
        assert await registry.get_operation(job.operation_id) is job
        await registry.get(job.operation_id)
        await registry.list_operations()
        await registry.page(10)
        await registry.count()
        await registry.tree()
        await registry.get_statistics()
        await registry.workers()
        await registry.health()
        await registry.position()
        await checkpoint()
    await registry.get_history()
    await registry.cleanup_completed()


async def cancelling(registry: OperationRegistry) -> None:
    """One task ends the operations of others, and waits until they have ended."""
    jobs = [Cancelable(move_on=True) for _ in range(3)]

    async def work(job: Cancelable) -> None:
        async with job:
            await registry.register(job)
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(work, job)
        while await registry.count() < 3:
            await checkpoint()
        await registry.cancel(jobs[0].operation_id, wait=60)
        await registry.cancel_operation(jobs[1].operation_id)
        await registry.cancel_all()


async def following(registry: OperationRegistry) -> None:
    """A feed of events."""
    feed = registry.events()
    async with anyio.create_task_group() as group:
        group.start_soon(anext, feed)
        await checkpoint()
        async with Cancelable() as job:
            await registry.register(job)
            await checkpoint()


FUNCTIONS: list[Function] = [registering, reading, cancelling, following]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
async def test_it_survives_cancellation_everywhere(function: Function) -> None:
    """Nothing is left behind, nor listed as running, at whichever point and in whichever way."""

    async def nothing_runs(registry: OperationRegistry) -> None:
        assert await registry.count(status="running") == 0

    # anyio 4.16 takes back a native request to cancel the host of a task group whose child's scope was just cancelled
    ways = ["token", "timeout"] if function is cancelling else list(Way)
    done = await cancel_at_each_checkpoint(function, fresh=OperationRegistry, invariant=nothing_runs, ways=ways)
    assert done.points
    assert done.missed <= done.runs / 5  # where tasks run side by side their order may be another one


async def test_closing_survives_cancellation_everywhere() -> None:
    """A registry that is closed while it is cancelled."""

    async def use(registry: OperationRegistry) -> None:
        await checkpoint()
        await registry.clear_all()
        await registry.close()
        await checkpoint()

    await cancel_at_each_checkpoint(use, fresh=OperationRegistry)


async def test_global_registration_survives_cancellation_everywhere() -> None:
    """Operations of the registry of the process are gone from it wherever they are cancelled."""
    registry = OperationRegistry.get_instance()

    async def use() -> None:
        async with Cancelable(register_globally=True):
            await checkpoint()
            await checkpoint()

    async def nothing_runs() -> None:
        assert await registry.count(status="running") == 0

    await cancel_at_each_checkpoint(use, invariant=nothing_runs)
