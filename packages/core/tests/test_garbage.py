"""What an operation leaves behind: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationSource,
    CancelationToken,
    ManualCancelation,
    ParentCancelation,
    current_operation,
)
from hother.cancelable.core import Disarm, Fire

Watch = Callable[[object], None]
Ending = Callable[[Watch], Awaitable[None]]


class SleepingSource(CancelationSource):
    """Has a task of its own."""

    async def wait(self) -> str | None:
        await anyio.sleep_forever()
        return None


class ArmedSource(CancelationSource):
    """Holds on to the operation until it is disarmed."""

    def __init__(self) -> None:
        self.fire: Fire | None = None

    def arm(self, fire: Fire) -> Disarm:
        self.fire = fire
        return self._disarm

    async def wait(self) -> str | None:
        raise NotImplementedError

    def _disarm(self) -> None:
        self.fire = None


def _watch_all(watch: Watch, operation: Cancelable) -> Cancelable:
    watch(operation)
    watch(operation.token)
    return operation


async def _stop(operation: Cancelable) -> None:
    await operation.cancel("enough")
    await anyio.sleep_forever()


async def _ends_normally(watch: Watch) -> None:
    async with _watch_all(watch, Cancelable()):
        await checkpoint()


async def _ends_within_its_deadline(watch: Watch) -> None:
    async with _watch_all(watch, Cancelable.with_timeout(3600)):
        await checkpoint()


async def _times_out(watch: Watch) -> None:
    try:
        async with _watch_all(watch, Cancelable.with_timeout(0.001)):
            await anyio.sleep_forever()
    except CancelationError as error:
        watch(error)


async def _is_cancelled(watch: Watch) -> None:
    try:
        async with _watch_all(watch, Cancelable.with_timeout(3600)) as operation:
            await _stop(operation)
    except CancelationError as error:
        watch(error)
        assert error.context is operation.context


async def _is_cancelled_by_a_token(watch: Watch) -> None:
    token = CancelationToken()
    watch(token)
    try:
        async with _watch_all(watch, Cancelable.with_token(token)):
            await token.cancel()
            await anyio.sleep_forever()
    except CancelationError as error:
        watch(error)


async def _moves_on(watch: Watch) -> None:
    async with _watch_all(watch, Cancelable(move_on=True)) as operation:
        await _stop(operation)


async def _checks(watch: Watch) -> None:
    try:
        async with _watch_all(watch, Cancelable()) as operation:
            await operation.cancel()
            operation.check()
    except CancelationError as error:
        watch(error)


async def _fails(watch: Watch) -> None:
    class Failure(Exception):
        pass

    try:
        async with _watch_all(watch, Cancelable()) as operation:
            await operation.cancel()
            raise Failure
    except Failure as error:
        watch(error)


async def _ends_with_its_parent(watch: Watch) -> None:
    try:
        async with _watch_all(watch, Cancelable()) as parent, _watch_all(watch, Cancelable()):
            await _stop(parent)
    except CancelationError as error:
        watch(error)


async def _ends_by_a_link(watch: Watch) -> None:
    parent = _watch_all(watch, Cancelable())
    await parent.cancel()
    try:
        async with _watch_all(watch, Cancelable(parent=parent)):
            await anyio.sleep_forever()
    except ParentCancelation as error:
        watch(error)


async def _ends_from_outside(watch: Watch) -> None:
    with anyio.CancelScope() as scope:
        async with _watch_all(watch, Cancelable()):
            scope.cancel()
            await anyio.sleep_forever()


async def _has_a_source_with_a_task(watch: Watch) -> None:
    source = SleepingSource()
    watch(source)
    async with _watch_all(watch, Cancelable.with_source(source)):
        await anyio.wait_all_tasks_blocked()


async def _has_sources(watch: Watch) -> None:
    armed = ArmedSource()
    watch(armed)
    async with _watch_all(watch, Cancelable(sources=[SleepingSource(), armed], move_on=True)):
        assert armed.fire is not None
        armed.fire("pressed")
        await anyio.sleep_forever()
    assert armed.fire is None


async def _has_callbacks(watch: Watch) -> None:
    operation = _watch_all(watch, Cancelable(move_on=True))
    operation.on_start(watch).on_cancel(lambda context: checkpoint()).on_progress(lambda *_: None)
    async with operation:
        await operation.report_progress("half")
        await _stop(operation)


async def _has_a_shield(watch: Watch) -> None:
    async with _watch_all(watch, Cancelable(move_on=True)) as operation, operation.shield(timeout=60) as scope:
        watch(scope)
        await operation.cancel()


async def _has_a_group(watch: Watch) -> None:
    # A child that a group interrupts would be in a cycle of anyio's own on asyncio, so this one ends by itself.
    async def child() -> None:
        async with _watch_all(watch, Cancelable(move_on=True)) as operation:
            await _stop(operation)

    async with _watch_all(watch, Cancelable()), anyio.create_task_group() as group:
        group.start_soon(child)


ENDINGS: list[Ending] = [
    _ends_normally,
    _ends_within_its_deadline,
    _times_out,
    _is_cancelled,
    _is_cancelled_by_a_token,
    _moves_on,
    _checks,
    _fails,
    _ends_with_its_parent,
    _ends_by_a_link,
    _ends_from_outside,
    _has_a_source_with_a_task,
    _has_sources,
    _has_callbacks,
    _has_a_shield,
    _has_a_group,
]


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Turn the garbage collector off, so that what is in a cycle lives on."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def _run(ending: Ending, watch: Watch) -> None:
    await ending(watch)
    await checkpoint()  # the event loop lets go of callbacks that have run


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("ending", ENDINGS)
async def test_everything_dies_at_once(ending: Ending) -> None:
    """Operation, token and exception are freed when the last reference goes: nothing of ours is in a cycle."""
    watched: list[tuple[str, weakref.ref[object]]] = []

    def watch(each: object) -> None:
        if type(each).__weakrefoffset__:
            watched.append((type(each).__name__, weakref.ref(each)))

    await _run(ending, watch)
    assert watched
    assert [name for name, ref in watched if ref() is not None] == []


async def _ends_by_its_operation() -> None:
    async with Cancelable() as operation:
        await operation.cancel()
        await checkpoint()


@pytest.mark.loops("asyncio", "eager", "uvloop")
@pytest.mark.usefixtures("no_collector")
async def test_a_task_that_it_ends_dies_at_once() -> None:
    """The exception that ends a task, which the task holds, does not hold the task."""
    task = asyncio.create_task(_ends_by_its_operation())
    with contextlib.suppress(ManualCancelation):
        await task
    ended = weakref.ref(task)
    del task
    await checkpoint()
    assert ended() is None


def _is_ours(each: object) -> bool:
    return type(each).__module__.startswith("hother.cancelable")


@pytest.mark.parametrize("ending", ENDINGS)
async def test_collector_finds_nothing_of_ours(ending: Ending) -> None:
    """The garbage collector has nothing of ours to break up."""
    await _run(ending, lambda _: None)  # what is made once and kept, is made here
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await _run(ending, lambda _: None)
        gc.collect()
        found = [repr(each) for each in gc.garbage if _is_ours(each)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert found == []


def _surroundings() -> dict[str, Any]:
    """Everything that an operation could have left its mark on."""
    seen: dict[str, Any] = {
        "tasks": {task.id for task in anyio.get_running_tasks()},
        "variables": dict(contextvars.copy_context().items()),
        "operation": current_operation(),
        "deadline": anyio.current_effective_deadline(),
    }
    try:
        loop: Any = asyncio.get_running_loop()
    except RuntimeError:
        import trio

        seen["timers"] = trio.lowlevel.current_statistics().seconds_to_next_deadline
    else:
        task = asyncio.current_task()
        assert task is not None
        seen["count"] = task.cancelling()
        seen["callbacks"] = [callback for callback, _ in task._callbacks or ()]
        seen["timers"] = [handle for handle in getattr(loop, "_scheduled", ()) if not handle.cancelled()]
    return seen


@pytest.mark.parametrize("ending", ENDINGS)
async def test_surroundings_are_as_before(ending: Ending) -> None:
    """After the block there is no task, timer, context variable or native cancellation that was not there before."""
    await anyio.wait_all_tasks_blocked()
    before = _surroundings()
    await _run(ending, lambda _: None)
    await anyio.wait_all_tasks_blocked()
    assert _surroundings() == before
