"""Sources that fire from threads, and sources whose own waiting is cut short."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, CancelationReason, CancelationSource, ConditionCancelation
from hother.cancelable.core import ErrorCancelation, Observer


class Armed(CancelationSource):
    """Keeps `fire` for the test to call."""

    fire: Callable[[str | None], object]

    async def wait(self) -> str | None:
        raise AssertionError("an armed source is not waited for")

    def arm(self, fire: Callable[[str | None], object]) -> Callable[[], object]:
        self.fire = fire
        return lambda: None


class Deliveries(Observer):
    """Notes the threads in which operations are interrupted."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def cancel_delivered(self, operation: Cancelable) -> None:
        self.threads.append(threading.get_ident())


async def test_firing_from_another_thread() -> None:
    """The loop is woken, and interrupts the body itself: no foreign thread touches the scope."""
    source, deliveries = Armed(), Deliveries()
    operation = Cancelable.with_source(source)
    operation._observers = (deliveries,)
    start = anyio.current_time()
    with anyio.fail_after(10), pytest.raises(ConditionCancelation, match="from a thread"):
        async with operation:
            thread = threading.Thread(target=source.fire, args=("from a thread",))
            thread.start()
            await anyio.sleep_forever()
    thread.join()
    assert anyio.current_time() - start < 5
    assert deliveries.threads == [threading.get_ident()]
    assert operation.context.cancel_reason is CancelationReason.CONDITION


class OfTask(CancelationSource):
    """Waits for a task that is cancelled."""

    async def wait(self) -> str | None:
        task = asyncio.ensure_future(asyncio.sleep(60))
        task.cancel()
        await task
        raise AssertionError("not reached")


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_source_whose_task_is_cancelled() -> None:
    """The source is broken: the operation ends with the reason ERROR and the interruption as cause."""
    operation = Cancelable.with_source(OfTask())
    with pytest.raises(ErrorCancelation, match="OfTask failed") as caught:
        async with operation:
            await anyio.sleep_forever()
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)
    assert operation.is_cancelled
    assert operation.context.cancel_reason is CancelationReason.ERROR
    assert operation.context.cause is caught.value.__cause__


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_source_whose_task_is_cancelled_in_a_group() -> None:
    """In a task group the error ends the group; it does not get lost as a cancellation would."""

    async def run() -> None:
        async with Cancelable.with_source(OfTask()):
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(run())
    (error,) = caught.value.exceptions
    assert isinstance(error, ErrorCancelation)


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_source_whose_task_is_cancelled_beside_a_body_that_ends() -> None:
    """A body that ends all the same keeps its result; the request stays on record."""
    async with Cancelable.with_source(OfTask()) as operation:
        with anyio.CancelScope(shield=True):
            while not operation.cancel_requested:
                await anyio.lowlevel.checkpoint()
    assert operation.is_completed
    assert operation.context.cancel_reason is CancelationReason.ERROR
