"""Which exceptions are also `asyncio.CancelledError`s, and what becomes of those."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any, Self

import anyio
import anyio.to_thread
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationToken,
    ManualCancelation,
    TimeoutCancelation,
)

on_asyncio = pytest.mark.loops("asyncio", "eager", "uvloop")

Report = dict[str, Any]


class _Reports(list[Report]):
    """What the loop's exception handler is told while one test runs."""

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _, report: self.append(report))
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.set_exception_handler(None)


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def _block(message: str = "stop", name: str | None = "job") -> None:
    async with Cancelable(name=name) as operation:
        await operation.cancel(message)
        await anyio.sleep_forever()


async def _caught() -> CancelationError:
    try:
        await _block()
    except CancelationError as error:
        return error
    raise AssertionError("nothing left the block")


async def _ended(task: asyncio.Task[Any]) -> None:
    """Wait for the end of a task without watching it."""
    while not task.done():
        await asyncio.sleep(0)
    await asyncio.sleep(0)


@pytest.mark.parametrize("thread_before", [False, True])
def test_native_except_clause_in_the_main_task(thread_before: bool) -> None:
    """Around a block in the main task `except asyncio.CancelledError` works, also after work in a thread."""

    async def main() -> BaseException:
        if thread_before:
            await anyio.to_thread.run_sync(int)
        try:
            async with Cancelable.with_timeout(0.001):
                await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            return error
        raise AssertionError("nothing was caught")

    for error in (asyncio.run(main()), anyio.run(main)):
        assert isinstance(error, TimeoutCancelation)
        assert isinstance(error, TimeoutError)
        assert error.reason is CancelationReason.TIMEOUT


@on_asyncio
async def test_native_except_clause_lets_plain_errors_pass() -> None:
    """In a watched task the same clause does not catch, so nothing is lost where somebody waits for it."""

    async def work() -> None:
        try:
            await _block()
        except asyncio.CancelledError:
            raise AssertionError("this would have been swallowed") from None

    with pytest.raises(ManualCancelation):
        await asyncio.create_task(work())


@on_asyncio
async def test_both_flavours_look_the_same() -> None:
    """The two flavours share name, module, text and attributes; only one is a `CancelledError`."""
    native = await _caught()
    plain = await asyncio.create_task(_caught())
    assert isinstance(native, asyncio.CancelledError)
    assert not isinstance(plain, asyncio.CancelledError)
    for attribute in ("__name__", "__qualname__", "__module__", "__doc__"):
        assert getattr(type(native), attribute) == getattr(type(plain), attribute)
    assert type(plain) is ManualCancelation
    assert isinstance(native, ManualCancelation)
    assert (str(native), repr(native), native.args) == (str(plain), repr(plain), plain.args)


@on_asyncio
async def test_one_class_serves_all_of_a_reason() -> None:
    """The second flavour of a class is made once."""
    assert type(await _caught()) is type(await _caught())


@on_asyncio
@pytest.mark.parametrize("duplicate", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
async def test_copies_are_plain(duplicate: Callable[[CancelationError], CancelationError]) -> None:
    """A copy and a pickle of either flavour are plain, and say the same."""
    for error in (await _caught(), await asyncio.create_task(_caught())):
        again = duplicate(error)
        assert type(again) is ManualCancelation
        assert (again.reason, again.message, str(again)) == (error.reason, error.message, str(error))
        assert again.context is not None
        assert error.context is not None
        assert again.context.to_dict() == error.context.to_dict()


@on_asyncio
async def test_unseen_error_is_reported_once() -> None:
    """A task that ends by it and is forgotten is reported, with its name and the exception, when it is collected."""
    with _Reports() as reports:
        task = asyncio.create_task(_block("nobody looks"), name="forgotten")
        await _ended(task)
        assert reports == []
        del task
        gc.collect()
        (report,) = reports
        assert report["message"] == "Task 'forgotten' was ended by an exception that was never retrieved"
        assert isinstance(report["exception"], ManualCancelation)
        assert report["exception"].message == "nobody looks"
        del report
        reports.clear()
        gc.collect()
        assert reports == []


@on_asyncio
async def test_seen_errors_are_not_reported() -> None:
    """Neither an error that its task handles is reported, nor one that somebody takes from the task later."""
    with _Reports() as reports:
        handled = asyncio.create_task(_caught())
        awaited, asked = asyncio.create_task(_block()), asyncio.create_task(_block())
        for task in (handled, awaited, asked):
            await _ended(task)
        with pytest.raises(ManualCancelation):
            await awaited
        with pytest.raises(ManualCancelation):
            asked.exception()
        del handled, awaited, asked, task
        gc.collect()
        assert reports == []


@on_asyncio
async def test_handled_error_is_not_blamed_for_a_later_cancellation() -> None:
    """A task that handled the error and is cancelled natively afterwards ends by that, and nothing is reported."""
    kept: list[CancelationError] = []

    async def work() -> None:
        kept.append(await _caught())
        await asyncio.sleep(60)

    with _Reports() as reports:
        task = asyncio.create_task(work())
        while not kept:
            await asyncio.sleep(0)
        task.cancel("enough")
        await _ended(task)
        assert isinstance(kept[0], asyncio.CancelledError)
        kept.clear()
        gc.collect()
        assert reports == []
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert caught.value.args == ("enough",)


@on_asyncio
async def test_second_look_at_a_task_is_not_blank() -> None:
    """Asyncio gives the exception of a cancelled task away once; whoever comes later still gets its text."""
    task = asyncio.create_task(_block())
    await _ended(task)
    with pytest.raises(ManualCancelation):
        await task
    with pytest.raises(asyncio.CancelledError, match="operation 'job' was cancelled"):
        await task
    (gathered,) = await asyncio.gather(task, return_exceptions=True)
    assert str(gathered) == "operation 'job' was cancelled (manual): stop"


@on_asyncio
async def test_late_gather_still_has_the_text() -> None:
    """A task that nobody watched and that is gathered after its end gives no blank `CancelledError`."""
    with _Reports():
        task = asyncio.create_task(_block())
        await _ended(task)
        (gathered,) = await asyncio.gather(task, return_exceptions=True)
        del task
        gc.collect()
    assert str(gathered) == "operation 'job' was cancelled (manual): stop"


@on_asyncio
async def test_long_lived_task_keeps_nothing_of_the_operations_in_it() -> None:
    """However many operations end in a task that nobody watches, none of their errors lives on, no callbacks add up."""
    alive, callbacks = list[bool](), list[int]()

    async def work() -> None:
        for _ in range(20):
            error = weakref.ref(await _caught())
            await asyncio.sleep(0)  # Python 3.11 keeps what a coroutine has returned until the task's next step
            alive.append(error() is not None)
            callbacks.append(len(_this_task()._callbacks or ()))

    await _ended(asyncio.create_task(work()))
    assert alive == [False] * 20
    assert callbacks == [0] * 20


@on_asyncio
async def test_token_check_is_plain() -> None:
    """`token.check()` raises the plain class in every task."""
    token = CancelationToken()
    await token.cancel()
    with pytest.raises(ManualCancelation) as caught:
        token.check()
    assert type(caught.value) is ManualCancelation


@pytest.mark.loops("trio")
async def test_trio_has_one_flavour() -> None:
    """On trio what leaves is always plain."""
    assert type(await _caught()) is ManualCancelation


def test_main_task_without_asyncio_stays_plain_in_a_thread() -> None:
    """An operation on trio in a thread, beside an asyncio loop in the main one, is not taken for asyncio's."""

    async def main() -> CancelationError:
        return await anyio.to_thread.run_sync(lambda: anyio.run(_caught, backend="trio"))

    assert type(anyio.run(main)) is ManualCancelation
