"""What `cancel_at_each_checkpoint` finds, on every loop."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from inspect import getsourcelines
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable.testing import Way, cancel_at_each_checkpoint

from . import kit_cases

Function = Callable[[], Awaitable[Any]]

ALL_WAYS = "cancelled natively or by a token or by a timeout, it"


@pytest.fixture(autouse=True)
def _tidy() -> Iterator[None]:
    kit_cases.RELEASE.clear()
    yield
    kit_cases.tidy_up()


async def report_on(function: Function, **options: Any) -> str:
    """Return what the kit has to say against a function."""
    with pytest.raises(AssertionError) as caught:
        await cancel_at_each_checkpoint(function, **options)
    return str(caught.value)


def line_of(function: Function, text: str) -> int:
    """Return the number of the line of a function that holds some text."""
    lines, first = getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


async def test_a_function_that_is_right_passes() -> None:
    """Children, limits, shields and clean-up are fine; the points of children count."""
    done = await cancel_at_each_checkpoint(kit_cases.right)
    assert done.points >= 5
    assert (done.runs, done.missed) == (3 * done.points, 0)


CASES: list[tuple[Function, str]] = [
    (kit_cases.swallows, "swallowed the cancellation: it came in, and the function returned"),
    (kit_cases.raises, "raised ConnectionError: lost at "),
    (kit_cases.leaves_a_registration, "left the callback 'print' on <CancelationToken "),
    (kit_cases.leaves_a_context_variable, "left the context variable 'USER' set to 'me'"),
]


@pytest.mark.parametrize(("function", "finding"), CASES, ids=[function.__name__ for function, _ in CASES])
async def test_each_kind_of_fault_is_named_with_its_line(function: Function, finding: str) -> None:
    """The report tells function, point, file and line, the line itself, the ways, and what was wrong."""
    report = await report_on(function)
    line = line_of(function, "await checkpoint()")
    assert report.startswith(f"{function.__name__}() does not survive cancellation at 1 of its 1 suspension points\n")
    assert re.search(
        rf"  point 1 of 1, .*kit_cases\.py:{line} in {function.__name__}\n    > await checkpoint\(\)\n", report
    )
    assert f"    {ALL_WAYS}\n      {finding}" in report


@pytest.mark.virtual_time
@pytest.mark.parametrize("function", [kit_cases.hangs, kit_cases.ignores])
async def test_a_clean_up_without_end_is_cut_off(function: Function) -> None:
    """After the limit the report says where the function sits, the run is ended, and the next one goes on."""
    report = await report_on(function, ways=["native", "token"], limit=0.1)
    where = line_of(function, "await anyio.sleep")
    assert re.search(rf"had not ended 0\.1 s after it was cancelled: it waits at .*kit_cases\.py:{where} in", report)
    assert "natively or by a token" in report
    with anyio.fail_after(10):
        await anyio.sleep(1)


async def test_a_task_left_running_is_named_with_its_line() -> None:
    """A task that outlives the function shows up with its name and where it waits."""
    report = await report_on(kit_cases.leaves_a_task)
    assert re.search(r"left the task '(poller|.*poll)' running, at .*:\d+ in ", report)


async def test_a_signal_handler_left_in_place_is_named() -> None:
    """A handler that is not put back shows up with the name of its signal."""
    report = await report_on(kit_cases.leaves_a_signal_handler, ways=["native"])
    assert "left another handler for SIGUSR1" in report


async def test_a_thread_left_at_work_is_named() -> None:
    """Threads have until the limit to end."""
    report = await report_on(kit_cases.leaves_a_thread, limit=0.02)
    assert "left the thread 'worker' working" in report


async def test_a_worker_left_at_work_is_named() -> None:
    """So do the workers of the loop's pool; that they wait for another job is no work."""
    kit_cases.RELEASE.set()
    await cancel_at_each_checkpoint(kit_cases.leaves_a_worker)
    run = 0

    async def leave() -> None:
        nonlocal run
        run += 1
        if run > 1:
            kit_cases.RELEASE.clear()
        await kit_cases.leaves_a_worker()

    report = await report_on(leave, limit=0.02, ways=["token"])
    assert re.search(r"left the thread '(AnyIO worker thread|.* from .*)' working", report)


async def test_a_generator_left_to_the_garbage_collector_is_named() -> None:
    """A loop that is left in the middle must close its generator; that trio warns of it is part of the report."""
    report = await report_on(kit_cases.leaves_a_generator)
    assert "left the async generator 'numbers' to the garbage collector" in report


async def test_a_generator_left_open_is_named() -> None:
    """So must one that is held on to."""
    report = await report_on(kit_cases.leaves_a_generator_open)
    assert "left the async generator 'numbers' open" in report
    for generator in kit_cases.BACKGROUND:
        await generator.aclose()  # type: ignore[attr-defined]


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_a_request_taken_back_is_reported() -> None:
    """On asyncio a request to cancel that is not one's own must not be taken back."""
    report = await report_on(kit_cases.uncancels, ways=["native"])
    assert "took back the request to cancel with Task.uncancel()" in report


async def test_a_result_that_came_first_is_no_fault() -> None:
    """A function that the cancellation did not reach any more may return what it has."""

    async def shielded() -> str:
        with anyio.CancelScope(shield=True):
            await checkpoint()
        return "a result"

    done = await cancel_at_each_checkpoint(shielded, ways=["token", "timeout"])
    assert done.points == 1


async def test_points_in_children_are_named() -> None:
    """Tasks that the function starts have points of their own; the report says so."""

    async def child() -> None:
        reset = kit_cases.USER.set("child")
        try:
            await checkpoint()
        except BaseException:
            broken.append(True)
            raise
        finally:
            kit_cases.USER.reset(reset)

    broken: list[bool] = []

    async def parent() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(child)

    report = await report_on(parent, fresh=broken.clear, invariant=lambda: not broken, ways=["native"])
    assert re.search(r"point \d of \d, .*test_testing_checkpoints\.py:\d+ in .*child, in a task that it has", report)


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_a_second_cancellation_hits_the_clean_up() -> None:
    """With "twice" asyncio's one cancellation is followed by another; trio's lasts anyway."""
    open_files: list[str] = []

    async def write() -> None:
        open_files.append("file")
        try:
            await checkpoint()
        except BaseException:
            await checkpoint()
            open_files.clear()
            raise
        open_files.clear()

    await cancel_at_each_checkpoint(write, invariant=lambda: not open_files, ways=["native"])
    report = await report_on(write, invariant=lambda: not open_files, ways=[Way.TWICE])
    assert "cancelled natively, twice, it\n      broke the invariant" in report
