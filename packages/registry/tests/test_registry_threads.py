"""A `ThreadSafeRegistry` in many threads, while operations start and end on several loops."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable
from hother.cancelable.registry import (
    CancelState,
    DuplicateOperation,
    Event,
    EventKind,
    OperationRegistry,
    ThreadSafeRegistry,
)

from .shared import work

ROUNDS = 60
SIDE_BY_SIDE = 5


def in_threads(*functions: Callable[[], object]) -> None:
    """Run functions at the same time, and raise what one of them raises."""
    errors: list[BaseException] = []

    def guarded(function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class Busy:
    """Programs that start and end operations, and those who look on."""

    def __init__(self) -> None:
        self.registry = OperationRegistry()
        self.view = ThreadSafeRegistry(self.registry)
        self.over = threading.Event()
        self.left = 2
        self.told: list[str] = []

    def program(self, backend: str) -> None:
        """Run operations on a loop: half of them end by themselves, half when they are told."""
        anyio.run(self._rounds, backend, backend=backend)
        self.left -= 1
        if not self.left:
            self.over.set()

    async def _rounds(self, backend: str) -> None:
        for turn in range(ROUNDS):
            async with anyio.create_task_group() as group:
                for number in range(SIDE_BY_SIDE):
                    group.start_soon(self._one, f"{backend} {turn} {number}", number % 2 == 0)

    async def _one(self, name: str, waits: bool) -> None:
        operation = Cancelable(name="waits" if waits else "passes", operation_id=name, move_on=True)
        self.view.register(operation)
        async with operation:
            await operation.report_progress("half", {"percent": 50})
            if waits:
                await anyio.sleep_forever()
            await anyio.lowlevel.checkpoint()

    def cancels(self) -> None:
        """Cancel whatever waits, again and again, and wait for each end."""
        while not self.over.is_set():
            for record in self.view.list_operations("running", name_pattern="waits"):
                result = self.view.cancel(record.id, message="enough", wait=20)
                assert result.state is CancelState.ENDED, result
                self.told.append(record.id)

    def looks(self) -> None:
        """Ask everything there is to ask, again and again."""
        while not self.over.is_set():
            for record in self.view.list_operations():
                assert not record.has_ended
                assert self.view.get(record.id) is not None
            page = self.view.page(3)
            while page.cursor is not None:
                page = self.view.page(3, page.cursor)
            statistics = self.view.get_statistics()
            assert statistics["total_started"] >= statistics["total_completed"]
            self.view.tree()
            self.view.get_history(10)
            self.view.cleanup_completed(older_than=3600)


def test_many_threads_and_two_loops() -> None:
    """Asking and cancelling from four threads while asyncio and trio run operations: none is lost, all are counted."""
    busy = Busy()
    feed = busy.view.events(timeout=0.001)
    programs = [functools.partial(busy.program, backend) for backend in ("asyncio", "trio")]
    in_threads(*programs, busy.cancels, busy.cancels, busy.looks, busy.looks)
    number = 2 * ROUNDS * SIDE_BY_SIDE
    statistics = busy.view.get_statistics()
    assert busy.view.list_operations() == []
    assert (statistics["total_started"], statistics["total_completed"]) == (number, number)
    assert statistics["ended_by_status"] == {"cancelled": 2 * ROUNDS * 3, "completed": 2 * ROUNDS * 2}
    assert statistics["ended_by_reason"] == {"manual": 2 * ROUNDS * 3}
    assert set(busy.told) == {record.id for record in busy.view.get_history(status="cancelled")}
    check_events(list(feed), number)


def check_events(events: list[Event], number: int) -> None:
    """Check that each operation has started and finished once, and that its events are in order."""
    assert [int(event.id) for event in events] == list(range(1, len(events) + 1))
    per_operation: dict[str, list[EventKind]] = {}
    for event in events:
        assert event.record is not None
        per_operation.setdefault(event.record.id, []).append(event.kind)
    assert len(per_operation) == number
    for kinds in per_operation.values():
        assert max(Counter(kinds).values()) == 1
        assert (kinds[0], kinds[-1]) == (EventKind.STARTED, EventKind.FINISHED)


def test_a_duplicate_id_from_many_threads() -> None:
    """Of many threads that register operations with the same id, one succeeds."""
    view, refused, turn = ThreadSafeRegistry(OperationRegistry()), list[str](), threading.Barrier(8)

    def register() -> None:
        operation = work(operation_id="1")
        turn.wait()
        try:
            view.register(operation)
        except DuplicateOperation as error:
            refused.append(str(error))

    in_threads(*[register] * 8)
    assert len(refused) == 7
    assert len(view.list_operations()) == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_loop_is_needed(backend: str) -> None:
    """The view works before, while and after a loop runs, with nothing to start."""
    view, operation = ThreadSafeRegistry(OperationRegistry()), work(operation_id="1")
    view.register(operation)
    assert len(view.list_operations()) == view.count() == len(view.page().records) == len(view.tree()) == 1
    assert view.cancel_operation("1", message="ahead")
    assert view.cancel_all() == 0

    async def main() -> None:
        async with operation:
            await anyio.sleep_forever()

    anyio.run(main, backend=backend)
    [record] = view.get_history()
    assert record.cancel_message == "ahead"
    assert view.cancel("1", wait=1).state is CancelState.ENDED
    view.clear_all()
    assert view.get_history() == []
