"""Callbacks change nothing of how an operation ended, however they are interrupted themselves."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, ManualCancelation, OperationContext, OperationStatus


async def test_on_error_in_a_cancelled_scope() -> None:
    """An async `on_error` runs to its end in a scope that is cancelled already, and the error leaves the block."""
    told: list[str] = []

    async def tell(context: OperationContext, error: BaseException) -> None:
        told.append("begins")
        await anyio.lowlevel.checkpoint()
        told.append(f"{context.status} {error!r}")

    operation = Cancelable().on_error(tell)
    with anyio.CancelScope() as scope:
        with pytest.raises(ValueError, match="kept"):
            async with operation:
                scope.cancel()
                raise ValueError("kept")
    assert told == ["begins", "failed ValueError('kept')"]
    assert operation.context.error == "ValueError: kept"


async def test_on_complete_in_a_cancelled_scope() -> None:
    """An async `on_complete` runs to its end in a scope that is cancelled already."""
    told: list[str] = []

    async def tell(context: OperationContext) -> None:
        await anyio.lowlevel.checkpoint()
        told.append(context.status)

    operation = Cancelable().on_complete(tell)
    with anyio.CancelScope() as scope:
        async with operation:
            scope.cancel()
        told.append("after")
        await anyio.lowlevel.checkpoint()
        told.append("never")
    assert told == ["completed", "after"]
    assert scope.cancelled_caught
    assert operation.is_completed


@pytest.mark.virtual_time
@pytest.mark.parametrize("event", ["complete", "error"])
async def test_callbacks_in_a_cancelled_scope_have_a_limit(event: str, caplog: pytest.LogCaptureFixture) -> None:
    """They are cut off after `callback_timeout` seconds, and the body's own end still counts."""
    told: list[str] = []

    async def linger(*_: object) -> None:
        told.append("begins")
        await anyio.sleep_forever()

    operation = Cancelable(callback_timeout=2).on_complete(linger).on_error(linger)
    start = anyio.current_time()
    raised: ValueError | None = None
    with anyio.CancelScope() as scope:
        try:
            async with operation:
                scope.cancel()
                if event == "error":
                    raise ValueError
        except ValueError as error:
            raised = error
    assert anyio.current_time() - start == pytest.approx(2)
    assert told == ["begins"]
    assert (raised is not None) == (event == "error")
    assert operation.context.status == ("failed" if event == "error" else "completed")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def _raise_cancelled(*_: object) -> None:
    raise asyncio.CancelledError


async def _raise_cancelled_later(*_: object) -> None:
    await asyncio.sleep(0)
    raise asyncio.CancelledError


async def _await_cancelled(*_: object) -> None:
    task = asyncio.ensure_future(asyncio.sleep(60))
    task.cancel()
    await task


_cancelled_callbacks = pytest.mark.parametrize("callback", [_raise_cancelled, _raise_cancelled_later, _await_cancelled])


def _followed(callback: Any, told: list[str]) -> Cancelable:
    """Return an operation that calls a callback for each event, and then notes the event."""
    return (
        (Cancelable().on_start(callback).on_progress(callback).on_complete(callback))
        .on_cancel(callback)
        .on_error(callback)
        .on_start(lambda _: told.append("start"))
        .on_progress(lambda _, message, metadata: told.append("progress"))
        .on_complete(lambda _: told.append("complete"))
        .on_cancel(lambda _: told.append("cancel"))
        .on_error(lambda context, error: told.append("error"))
    )


@pytest.mark.loops("asyncio", "eager", "uvloop")
@_cancelled_callbacks
async def test_cancelled_error_of_a_callback_is_a_failure(callback: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged like any other: the body goes on, the operation completes, the next callback is called."""
    told: list[str] = []
    async with _followed(callback, told) as operation:
        await operation.report_progress("half")
        told.append("body")
    assert told == ["start", "progress", "body", "complete"]
    assert operation.is_completed
    assert not operation.cancel_requested
    assert len(caplog.records) == 3
    assert all("failed" in record.getMessage() for record in caplog.records)


@pytest.mark.loops("asyncio", "eager", "uvloop")
@_cancelled_callbacks
async def test_cancelled_error_of_a_callback_at_another_end(callback: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An error or a cancelation of the body leaves the block as it would without the callback."""
    told: list[str] = []
    failed, cancelled = _followed(callback, told), _followed(callback, told)
    with pytest.raises(ValueError, match="kept"):
        async with failed:
            raise ValueError("kept")
    with pytest.raises(ManualCancelation, match="stop"):
        async with cancelled:
            await cancelled.cancel("stop")
            await anyio.sleep_forever()
    assert told == ["start", "error", "start", "cancel"]
    assert (failed.context.status, cancelled.context.status) == (OperationStatus.FAILED, OperationStatus.CANCELLED)
    assert len(caplog.records) == 4
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_native_cancel_during_a_callback_passes(caplog: pytest.LogCaptureFixture) -> None:
    """A `task.cancel()` while an async `on_complete` waits ends the task, and is not taken for its failure."""
    began, told = anyio.Event(), list[str]()

    async def linger(_: object) -> None:
        began.set()
        await anyio.sleep_forever()

    operation = Cancelable().on_complete(linger).on_complete(lambda _: told.append("next"))

    async def run() -> None:
        async with operation:
            pass
        told.append("after")

    task = asyncio.ensure_future(run())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert told == []
    assert operation.is_completed
    assert not caplog.records
