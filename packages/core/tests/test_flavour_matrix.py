"""An operation's exception arrives wherever errors arrive, on every loop, and harms nobody else on its way."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationReason, ManualCancelation

T = TypeVar("T")
Options = dict[str, Any]


class Work:
    """One operation that is told to stop in its block, and what its surroundings saw."""

    def __init__(self, backend: str, options: Options) -> None:
        self.operation = Cancelable(name="job")
        self.backend, self.options = backend, options
        self.reports: list[dict[str, Any]] = []

    async def block(self) -> None:
        async with self.operation as operation:
            await operation.cancel("stop")
            await anyio.sleep_forever()

    async def start_then_block(self, *, task_status: TaskStatus[None]) -> None:
        task_status.started()
        await self.block()

    async def block_then_start(self, *, task_status: TaskStatus[None]) -> None:
        await self.block()
        task_status.started()

    async def start_in_the_block(self, *, task_status: TaskStatus[None]) -> None:
        async with self.operation as operation:
            await checkpoint()
            task_status.started()
            await operation.cancel("stop")
            await anyio.sleep_forever()


Row = Callable[[Work], Coroutine[Any, Any, object]]
"""Runs the block somewhere and raises what arrives there."""

ROWS: list[tuple[Row, bool | None, bool]] = []
"""Each with the flavour (True where it is also a `CancelledError` on asyncio), and whether it runs on trio, too."""


def _row(*, native: bool | None, trio: bool = True) -> Callable[[Row], Row]:
    def add(row: Row) -> Row:
        ROWS.append((row, native, trio))
        return row

    return add


async def _sleep() -> None:
    await anyio.sleep_forever()


async def _arrived(awaitable: Awaitable[object]) -> BaseException:
    try:
        await awaitable
    except BaseException as error:
        return error
    raise AssertionError("the error has vanished")


async def _ended(task: asyncio.Task[Any]) -> None:
    """Wait for the end of a task without watching it."""
    while not task.done():
        await asyncio.sleep(0)
    await asyncio.sleep(0)


@_row(native=True)
async def _main_task(work: Work) -> None:
    await work.block()


@_row(native=True)
async def _main_task_after_a_thread(work: Work) -> None:
    await anyio.to_thread.run_sync(int)  # anyio puts a callback of its own on the main task for it
    await work.block()


@_row(native=True)
async def _main_task_in_fail_after(work: Work) -> None:
    with anyio.fail_after(60):
        await work.block()


@_row(native=True)
async def _main_task_in_group_body(work: Work) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(_sleep)
        await work.block()


@_row(native=True, trio=False)
async def _main_task_in_native_timeout(work: Work) -> None:
    async with asyncio.timeout(60):
        await work.block()


@_row(native=True, trio=False)
async def _main_task_in_native_group_body(work: Work) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_sleep())
        await work.block()


@_row(native=None, trio=False)  # a task of its own on Python 3.11, the caller's since
async def _wait_for(work: Work) -> None:
    await asyncio.wait_for(work.block(), 60)


@_row(native=False, trio=False)
async def _task_awaited(work: Work) -> None:
    await asyncio.create_task(work.block())


@_row(native=True, trio=False)
async def _task_awaited_late(work: Work) -> None:
    task = asyncio.create_task(work.block())
    await _ended(task)
    await task


@_row(native=True, trio=False)
async def _task_asked_late(work: Work) -> None:
    task = asyncio.create_task(work.block())
    await _ended(task)
    task.result()


@_row(native=True, trio=False)
async def _task_never_awaited(work: Work) -> None:
    task = asyncio.create_task(work.block())
    await _ended(task)
    assert work.reports == []
    del task
    gc.collect()
    raise work.reports.pop()["exception"]


@_row(native=True, trio=False)
async def _task_handles_it(work: Work) -> None:
    caught: list[BaseException] = []

    async def handle() -> None:
        caught.append(await _arrived(work.block()))

    await _ended(asyncio.create_task(handle()))
    raise caught.pop()


@_row(native=False, trio=False)
async def _task_with_a_callback(work: Work) -> None:
    seen: list[asyncio.Task[None]] = []
    task = asyncio.create_task(work.block())
    task.add_done_callback(seen.append)
    await _ended(task)
    seen[0].result()


@_row(native=False, trio=False)
async def _gather(work: Work) -> None:
    await asyncio.gather(work.block(), asyncio.sleep(0))


@_row(native=False, trio=False)
async def _gather_returning(work: Work) -> None:
    error, other = await asyncio.gather(work.block(), asyncio.sleep(0, "fine"), return_exceptions=True)
    assert other == "fine"
    assert isinstance(error, BaseException)
    raise error


@_row(native=False, trio=False)
async def _native_shield(work: Work) -> None:
    await asyncio.shield(work.block())


@_row(native=False, trio=False)
async def _native_wait(work: Work) -> None:
    (task,), pending = await asyncio.wait([asyncio.create_task(work.block())])
    assert not pending
    task.result()


@_row(native=False, trio=False)
async def _as_completed(work: Work) -> None:
    (first,) = asyncio.as_completed([work.block()])
    await first


@_row(native=False, trio=False)
async def _native_group(work: Work) -> None:
    async def group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_sleep())
            group.create_task(work.block())

    # On Python 3.11 a group leaves its task counting one native cancellation when a child fails, so it has its own.
    await asyncio.create_task(group())


@_row(native=False)
async def _group(work: Work) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(_sleep)
        group.start_soon(work.block)


@_row(native=False)
async def _start_before_started(work: Work) -> None:
    async with anyio.create_task_group() as group:
        await group.start(work.block_then_start)


@_row(native=False)
async def _start_after_started(work: Work) -> None:
    async with anyio.create_task_group() as group:
        await group.start(work.start_then_block)


@_row(native=False)
async def _start_with_started_in_the_block(work: Work) -> None:
    async with anyio.create_task_group() as group:
        await group.start(work.start_in_the_block)


@_row(native=False)
async def _portal(work: Work) -> None:
    async with anyio.from_thread.BlockingPortal() as portal:
        await anyio.to_thread.run_sync(portal.call, work.block)


@_row(native=False)
async def _portal_task(work: Work) -> None:
    def start(portal: anyio.from_thread.BlockingPortal) -> None:
        portal.start_task_soon(work.block).result(10)

    async with anyio.from_thread.BlockingPortal() as portal:
        await anyio.to_thread.run_sync(start, portal)


@_row(native=False)
async def _portal_with_a_loop_of_its_own(work: Work) -> None:
    def call() -> None:
        with anyio.from_thread.start_blocking_portal(work.backend, work.options) as portal:
            portal.call(work.block)

    await anyio.to_thread.run_sync(call)


@_row(native=False)
async def _from_thread(work: Work) -> None:
    await anyio.to_thread.run_sync(anyio.from_thread.run, work.block)


@_row(native=False, trio=False)
async def _coroutine_threadsafe(work: Work) -> None:
    loop = asyncio.get_running_loop()
    await anyio.to_thread.run_sync(lambda: asyncio.run_coroutine_threadsafe(work.block(), loop).result(10))


def _eager_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.SelectorEventLoop()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]
    return loop


COLUMNS: dict[str, tuple[str, Options]] = {
    "asyncio.run": ("asyncio", {"loop_factory": asyncio.SelectorEventLoop}),
    "anyio.run": ("asyncio", {}),
    "trio": ("trio", {}),
}
if sys.version_info >= (3, 12):
    COLUMNS["eager"] = ("asyncio", {"loop_factory": _eager_loop})
if sys.platform != "win32":
    import uvloop

    COLUMNS["uvloop"] = ("asyncio", {"loop_factory": uvloop.new_event_loop})


def _run(column: str, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a program the way that a column of the matrix says."""
    backend, options = COLUMNS[column]
    if backend == "trio" or not options:
        return anyio.run(main, backend=backend)
    with asyncio.Runner(**options) as runner:
        return runner.run(main())


def _native_cancellations(work: Work) -> int:
    if work.backend == "trio":
        return 0
    asyncio.get_running_loop().set_exception_handler(lambda _, report: work.reports.append(report))
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def _beside_a_bystander(row: Row, work: Work) -> tuple[BaseException, int]:
    """Run one row in the main task, beside a task that has nothing to do with it."""
    done, bystander = anyio.Event(), list[str]()
    before = _native_cancellations(work)

    async def stand_by() -> None:
        try:
            await done.wait()
            bystander.append("unharmed")
        finally:
            bystander.append("ended")

    async with anyio.create_task_group() as group:
        group.start_soon(stand_by)
        error = await _arrived(row(work))
        await checkpoint()
        assert bystander == []
        done.set()
    assert bystander == ["unharmed", "ended"]
    gc.collect()
    assert work.reports == []
    return error, _native_cancellations(work) - before


def _cells() -> list[Any]:
    return [
        pytest.param(row, column, native and column != "trio", id=f"{row.__name__.strip('_')}-{column}")
        for row, native, trio in ROWS
        for column in COLUMNS
        if trio or column != "trio"
    ]


@pytest.mark.parametrize(("row", "column", "native"), _cells())
def test_error_arrives(row: Row, column: str, native: bool | None, caplog: pytest.LogCaptureFixture) -> None:
    """Wherever a block runs its exception arrives with all it says, as a plain one unless nobody watches the task."""
    work = Work(*COLUMNS[column])
    error, uncounted = _run(column, lambda: _beside_a_bystander(row, work))
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    assert isinstance(error, ManualCancelation)
    assert type(error).__name__ == "ManualCancelation"
    assert str(error) == "operation 'job' was cancelled (manual): stop"
    assert (error.reason, error.message) == (CancelationReason.MANUAL, "stop")
    assert error.context is work.operation.context
    assert work.operation.is_cancelled
    assert native is None or isinstance(error, asyncio.CancelledError) is native
    assert uncounted == 0
    assert caplog.records == []


@pytest.mark.parametrize("column", COLUMNS)
def test_error_ends_the_program(column: str) -> None:
    """What leaves the main task ends the program, as any error does."""
    work = Work(*COLUMNS[column])
    with pytest.raises(ManualCancelation, match="operation 'job' was cancelled") as caught:
        _run(column, work.block)
    assert caught.value.context is work.operation.context
