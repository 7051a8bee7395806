"""Signal handlers that list and cancel, whatever the program is doing at that moment."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, Cause
from hother.cancelable.core import Observer
from hother.cancelable.registry import EventKind, OperationRegistry, ThreadSafeRegistry
from hother.cancelable.registry.waiting import Flag

from .shared import listed, work

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")


@contextmanager
def handling(number: int, handler: Callable[[], object]) -> Generator[None]:
    """Have a function called at each signal."""
    before = signal.signal(number, lambda *_: handler())
    try:
        yield
    finally:
        signal.signal(number, before)


async def test_a_handler_cancels() -> None:
    """A handler lists operations and cancels one; the loop wakes up and the operation ends."""
    registry, operation = OperationRegistry(), work("job")
    view, seen = ThreadSafeRegistry(registry), list[Any]()
    await listed(registry, operation)

    def handle() -> None:
        [record] = view.list_operations(name_pattern="job")
        seen.append(view.cancel(record.id, message="by signal").state.value)

    with handling(signal.SIGUSR1, handle):
        async with operation:
            signal.raise_signal(signal.SIGUSR1)
            await anyio.sleep_forever()
    assert seen == ["requested"]
    assert operation.context.cancel_message == "by signal"


async def test_a_handler_does_not_touch_the_loop() -> None:
    """In a handler the operation is not interrupted: that is left to the loop, in whose midst the handler may be."""
    registry, told = OperationRegistry(), list[str]()

    class Listening(Observer):
        def cancel_requested(self, operation: Cancelable, cause: Cause) -> None:
            told.append("requested")

        def cancel_delivered(self, operation: Cancelable) -> None:
            told.append("delivered")

    operation = work(operation_id="1")
    operation._observers = (Listening(),)
    await listed(registry, operation)
    with handling(signal.SIGUSR1, lambda: ThreadSafeRegistry(registry).cancel("1")):
        async with operation:
            signal.raise_signal(signal.SIGUSR1)
            assert told == ["requested"]
            await anyio.sleep_forever()
    assert told == ["requested", "delivered"]


async def test_events_of_a_handler() -> None:
    """Readers hear of what a handler has done, on the loop and in a thread."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    view, feed, heard = ThreadSafeRegistry(registry), registry.events(), list[EventKind]()
    await listed(registry, operation)
    blocking = view.events(timeout=20)
    thread = threading.Thread(target=lambda: heard.extend(next(blocking).kind for _ in range(4)))
    thread.start()
    with handling(signal.SIGUSR1, lambda: view.cancel("1")):
        async with operation:
            signal.raise_signal(signal.SIGUSR1)
            await anyio.sleep_forever()
    kinds = [(await anext(feed)).kind for _ in range(4)]
    thread.join()
    assert kinds == heard == ["started", "cancel_requested", "cancel_delivered", "finished"]


async def test_handlers_in_the_midst_of_everything() -> None:
    """A handler that asks everything and cancels, at random moments, blocks nothing and leaves the numbers right."""
    registry = OperationRegistry()
    view, calls = ThreadSafeRegistry(registry), list[int]()
    feed = registry.events()

    def handle() -> None:
        calls.append(len(view.list_operations()))
        view.page(2)
        view.get_statistics()
        view.get_history(3)
        view.cancel_all(message="by signal")
        pending = work()
        view.register(pending)
        view.unregister(pending.operation_id)
        view.cleanup_completed(older_than=3600)

    chance, ended = random.Random(6), 0
    with handling(signal.SIGALRM, handle), anyio.fail_after(25):
        while len(calls) < 200:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 5e-4))
            async with work() as operation:
                await registry.register(operation)
                await operation.report_progress("half")
                await registry.page()
                await registry.get_statistics()
                await anyio.lowlevel.checkpoint()
            ended += 1
            while registry.engine.tracker.feed.after(feed._position or "0"):
                await anext(feed)
        signal.setitimer(signal.ITIMER_REAL, 0)
    statistics = await registry.get_statistics()
    assert (statistics["active_operations"], statistics["total_completed"]) == (0, ended)
    assert {0, 1} <= set(calls)


def test_a_handler_sets_a_flag_that_its_thread_waits_for() -> None:
    """The flag that readers in threads wait for can be set by a handler in that thread, and more than once."""
    flag = Flag()
    with handling(signal.SIGALRM, flag.set):
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert flag.wait(20)
    flag.set()
    flag.set()
    assert flag.wait(0)
    assert not flag.wait(0.001)
