"""What an operation costs, counted without a clock: this fails on every machine when a hot path does more than before.

To renew the limits, run this on 3.11 and on a later version and take the numbers that it prints, with a little more:
`uv run pytest tests/test_hot_path_counts.py -rP | grep "at most"`
"""

from __future__ import annotations

import asyncio
import gc
import sys

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationToken

from . import hot_paths
from .counting import CountingLoop, Work, by_function, instructions, new_objects_alone, scheduled

LIMITS: list[tuple[Work, int, int, int]] = [
    # a path, its instructions on 3.11 and on later versions, and what it schedules on the event loop
    (hot_paths.with_timeout, 587, 547, 1),
    (hot_paths.no_source, 432, 410, 0),
    (hot_paths.with_token, 606, 564, 0),
    (hot_paths.combined, 1492, 1377, 1),
    (hot_paths.registered, 873, 811, 0),
    (hot_paths.nested, 951, 900, 0),
    (hot_paths.cancel_and_move_on, 672, 628, 3),
    (hot_paths.cancel_and_raise, 835, 779, 3),
    (hot_paths.create_token, 6, 6, 0),
    (hot_paths.report_progress, 25, 25, 0),
    (hot_paths.stream, 3670, 3640, 0),
    (hot_paths.request, 368, 344, 0),
    (hot_paths.watched_request, 730, 702, 5),
]
HELD = 10
"""How many blocks of memory a live operation may hold above a bare scope."""
CROWD = 200

OF_THIS_VERSION = [(path, counts[sys.version_info >= (3, 12)], calls) for path, *counts, calls in LIMITS]

each_path = pytest.mark.parametrize("limits", OF_THIS_VERSION, ids=lambda limits: limits[0].__name__)


@each_path
def test_instructions_of_a_hot_path(limits: tuple[Work, int, int]) -> None:
    """A hot path executes no more bytecode of the packages than its limit; the report names who executes it."""
    path, limit, _ = limits

    async def count() -> None:
        await warm(path)
        executed = await instructions(path)
        print(f"{path.__name__}: {executed} instructions of at most {limit}")
        assert executed <= limit, (await by_function(path)).most_common(12)

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(count())


@each_path
def test_what_a_hot_path_schedules(limits: tuple[Work, int, int]) -> None:
    """A hot path schedules no more callbacks and timers on the event loop than its limit, so it starts no task."""
    path, _, limit = limits

    async def count() -> None:
        await warm(path)
        found = await scheduled(path)
        print(f"{path.__name__}: {found} callbacks of at most {limit}")
        assert found <= limit

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(count())


@pytest.mark.loops("asyncio", "trio")
async def test_blocks_that_a_live_operation_holds() -> None:
    """A live operation holds only so many blocks of memory more than a bare scope."""
    with new_objects_alone():
        await held(True)
        held_by_operations = await held(True) - await held(False)
    print(f"a live operation: {held_by_operations / CROWD:.2f} blocks of at most {HELD}")
    assert held_by_operations <= HELD * CROWD


@pytest.mark.loops("asyncio", "trio")
async def test_blocks_that_a_finished_operation_leaves() -> None:
    """Operations that have ended leave nothing on a token that lives on."""
    token = CancelationToken()
    left: list[int] = []
    with new_objects_alone():
        for _ in range(4):
            gc.collect()
            before = sys.getallocatedblocks()
            for _ in range(CROWD):
                async with Cancelable.with_token(token):
                    pass
            gc.collect()
            left.append(sys.getallocatedblocks() - before)
    print(f"finished operations: {min(left)} blocks of at most {CROWD // 10}")
    assert min(left) <= CROWD // 10  # what a loop keeps for itself is of its own making


async def warm(path: Work) -> None:
    """Take a path until everything that is made once was made."""
    for _ in range(5):
        await path()


async def held(operations: bool) -> int:
    """Return how many blocks of memory a crowd of tasks holds, each in an operation or in a bare scope."""

    async def in_operation() -> None:
        async with Cancelable():
            await anyio.sleep_forever()

    async def in_scope() -> None:
        with anyio.CancelScope():
            await anyio.sleep_forever()

    gc.collect()
    before = sys.getallocatedblocks()
    async with anyio.create_task_group() as group:
        for _ in range(CROWD):
            group.start_soon(in_operation if operations else in_scope)
        await anyio.wait_all_tasks_blocked()
        gc.collect()
        found = sys.getallocatedblocks() - before
        group.cancel_scope.cancel()
    return found
