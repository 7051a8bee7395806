"""A deadline of trio's, which only the scope knows of, and what others read of it meanwhile."""

from __future__ import annotations

import threading

import anyio
import pytest
import trio
import trio.testing

from hother.cancelable import Cancelable, CancelationReason, ParentCancelation, TimeoutCancelation


class Asking(trio.abc.Instrument):
    """Has another thread ask for a cause as soon as the deadline has passed, before any task hears of it."""

    def __init__(self, operation: Cancelable) -> None:
        self.operation = operation
        self.answers: list[CancelationReason | None] = []

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        scope = self.operation._scope
        if not self.answers and scope is not None and scope.cancel_called:
            thread = threading.Thread(target=self._ask)
            thread.start()
            thread.join()

    def _ask(self) -> None:
        self.answers.append(self.operation.token.reason)


async def _beside(parent: Cancelable, started: anyio.Event) -> None:
    with pytest.raises(ParentCancelation):
        async with Cancelable(parent=parent):
            started.set()
            await anyio.sleep_forever()


def test_another_thread_asks_when_the_deadline_has_passed() -> None:
    """It learns of the timeout, and leaves it to the loop to interrupt those that hang on the operation."""

    async def main() -> list[CancelationReason | None]:
        operation, started = Cancelable.with_timeout(0.05), anyio.Event()
        asking = Asking(operation)
        async with anyio.create_task_group() as group:
            group.start_soon(_beside, operation, started)
            with pytest.raises(TimeoutCancelation):
                async with operation:
                    await started.wait()
                    trio.lowlevel.add_instrument(asking)
                    await anyio.sleep_forever()
            trio.lowlevel.remove_instrument(asking)
        return asking.answers

    assert anyio.run(main, backend="trio") == [CancelationReason.TIMEOUT]


def test_another_loop_asks_whose_clock_is_ahead() -> None:
    """What another loop of trio thinks the time to be says nothing of the deadline."""

    async def main() -> tuple[bool, bool]:
        async with Cancelable.with_timeout(60) as operation:
            clock = trio.testing.MockClock()
            clock.jump(1e12)

            async def ask() -> bool:
                return operation.cancel_requested

            answer = await anyio.to_thread.run_sync(lambda: trio.run(ask, clock=clock))
        return answer, operation.is_completed

    assert anyio.run(main, backend="trio") == (False, True)
