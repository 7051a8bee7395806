"""Callbacks of an operation: sync or async, in order, and harmless when they fail."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    ManualCancelation,
    OperationContext,
    OperationStatus,
    TimeoutCancelation,
    current_operation,
)


def _telling(told: list[str], operation: Cancelable) -> Cancelable:
    """Have an operation note each of its events."""
    return (
        operation.on_start(lambda context: told.append(f"start {context.status}"))
        .on_progress(lambda _, message, metadata: told.append(f"progress {message}"))
        .on_complete(lambda context: told.append(f"complete {context.status}"))
        .on_cancel(lambda context: told.append(f"cancel {context.status}"))
        .on_error(lambda context, error: told.append(f"error {context.status} {error!r}"))
    )


async def test_the_callbacks_of_an_operation_that_completes() -> None:
    """Start, progress, complete; and each method returns the operation for chaining."""
    told, operation = list[str](), Cancelable()
    assert _telling(told, operation) is operation
    assert told == []
    async with operation:
        assert told == ["start running"]
        await operation.report_progress("half")
        assert told == ["start running", "progress half"]
    assert told == ["start running", "progress half", "complete completed"]


async def test_the_callbacks_of_an_operation_that_is_cancelled() -> None:
    """When `on_cancel` runs the operation has ended, and the context says why."""
    told, reasons = list[str](), list[tuple[object, object, object]]()
    operation = _telling(told, Cancelable())
    operation.on_cancel(lambda each: reasons.append((each.cancel_reason, each.cancel_message, each.duration is None)))
    with pytest.raises(ManualCancelation):
        async with operation:
            await operation.cancel("stop")
            await anyio.sleep_forever()
    assert told == ["start running", "cancel cancelled"]
    assert reasons == [(CancelationReason.MANUAL, "stop", False)]


async def test_the_callbacks_of_an_operation_that_fails() -> None:
    """`on_error` gets the context and the very exception that leaves the block."""
    error, given = KeyError("missing"), list[tuple[OperationContext, BaseException]]()
    told = list[str]()
    operation = _telling(told, Cancelable()).on_error(lambda *args: given.append(args))
    with pytest.raises(KeyError) as caught:
        async with operation:
            raise error
    assert caught.value is error
    assert told == ["start running", "error failed KeyError('missing')"]
    assert given == [(operation.context, error)]


@pytest.mark.virtual_time
async def test_the_callbacks_of_an_operation_that_moves_on() -> None:
    """`on_cancel` runs as well where nothing is raised."""
    told = list[str]()
    async with _telling(told, Cancelable.with_timeout(5, move_on=True)):
        await anyio.sleep_forever()
    assert told == ["start running", "cancel cancelled"]


async def test_the_callbacks_of_an_operation_that_is_cancelled_from_outside() -> None:
    """The cancellation of an enclosing scope runs `on_cancel`, and goes on outwards."""
    told = list[str]()
    with anyio.CancelScope() as scope:
        async with _telling(told, Cancelable()) as operation:
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert told == ["start running", "cancel cancelled"]
    assert operation.context.cancel_reason is CancelationReason.EXTERNAL


async def test_callbacks_run_in_order_and_are_awaited() -> None:
    """Sync and async callbacks, partials and callable objects run one after the other, as they were registered."""
    told: list[str] = []

    async def slow(name: str, context: OperationContext) -> None:
        told.append(f"{name} begins")
        await anyio.lowlevel.checkpoint()
        told.append(f"{name} ends")

    class Callback:
        async def __call__(self, context: OperationContext) -> None:
            await slow("object", context)

    operation = (
        Cancelable()
        .on_start(functools.partial(slow, "first"))
        .on_start(lambda _: told.append("sync"))
        .on_start(Callback())
        .on_start(lambda context: slow("lambda", context))
    )
    async with operation:
        pass
    assert told == [
        "first begins",
        "first ends",
        "sync",
        "object begins",
        "object ends",
        "lambda begins",
        "lambda ends",
    ]


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("event", ["start", "progress", "complete", "cancel", "error"])
async def test_a_callback_that_fails_is_logged_and_harmless(
    event: str, asynchronous: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The failure is logged once with its traceback, the next callback runs, and the outcome is what it was."""
    told: list[str] = []

    def broken(*args: object) -> None:
        raise OSError("disk full")

    async def broken_async(*args: object) -> None:
        await anyio.lowlevel.checkpoint()
        broken()

    operation, twin = Cancelable(), Cancelable()
    for each in (operation, twin):
        register: Callable[[Callable[..., object]], Cancelable] = getattr(each, f"on_{event}")
        if each is operation:
            register(broken_async if asynchronous else broken)
        register(lambda *_: told.append(event))
        try:
            async with each:
                await each.report_progress("half")
                if event == "cancel":
                    await each.cancel("stop")
                    await anyio.sleep_forever()
                if event == "error":
                    raise KeyError("missing")
        except (KeyError, ManualCancelation):
            assert event in {"cancel", "error"}
    assert told == [event, event]
    assert operation.context.status is twin.context.status
    assert operation.context.error == twin.context.error
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("hother.cancelable", logging.ERROR)
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "disk full"
    assert "broken" in record.getMessage()


async def test_the_arguments_of_progress() -> None:
    """Progress callbacks get the operation's id, the message as it is, and the metadata or None."""
    given: list[tuple[Any, ...]] = []

    async def note(*args: Any) -> None:
        given.append(args)

    operation = Cancelable(operation_id="op").on_progress(note).on_progress(lambda *args: given.append(args))
    message = object()
    async with operation:
        await operation.report_progress("half", {"percent": 50})
        await operation.report_progress(message)
    assert given == [("op", "half", {"percent": 50})] * 2 + [("op", message, None)] * 2


async def test_progress_without_anybody_who_listens() -> None:
    """Reporting costs nothing and does nothing where nobody registered, also before and after the block."""
    operation = Cancelable()
    await operation.report_progress("before")
    async with operation:
        await operation.report_progress("during", {"percent": 1})
    await operation.report_progress("after")


@pytest.mark.virtual_time
async def test_on_cancel_may_await() -> None:
    """A callback for cancel runs shielded: neither the operation's own cancellation nor one from outside cuts it."""
    told: list[str] = []

    async def clean_up(context: OperationContext) -> None:
        await anyio.sleep(4)
        told.append(f"cleaned up after {context.cancel_reason}")

    with pytest.raises(TimeoutCancelation):
        async with Cancelable.with_timeout(1).on_cancel(clean_up):
            await anyio.sleep_forever()
    with anyio.move_on_after(1) as scope:
        async with Cancelable().on_cancel(clean_up):
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert told == ["cleaned up after timeout", "cleaned up after external"]


@pytest.mark.virtual_time
@pytest.mark.parametrize(("options", "seconds"), [({}, 5), ({"callback_timeout": 2}, 2)])
async def test_on_cancel_has_a_limit(options: dict[str, Any], seconds: float, caplog: pytest.LogCaptureFixture) -> None:
    """After `callback_timeout` seconds, five unless given, the callbacks are cut off, which is logged."""
    told: list[str] = []

    async def linger(context: OperationContext) -> None:
        told.append("begins")
        await anyio.sleep(seconds - 0.5)
        told.append("goes on")
        await anyio.sleep_forever()

    operation = Cancelable(name="report", **options).on_cancel(linger).on_cancel(lambda _: told.append("next"))
    start = anyio.current_time()
    with pytest.raises(ManualCancelation):
        async with operation:
            await operation.cancel()
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(seconds)
    assert told == ["begins", "goes on"]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"'report': its callbacks for cancel were cut off after {seconds} s" in record.getMessage()


async def test_callbacks_see_the_operation() -> None:
    """`on_start` runs inside the operation, `on_complete` after it."""
    seen: list[Cancelable | None] = []
    operation = Cancelable()
    operation.on_start(lambda _: seen.append(current_operation()))
    operation.on_complete(lambda _: seen.append(current_operation()))
    async with operation:
        pass
    assert seen == [operation, None]


@pytest.mark.parametrize("move_on", [False, True])
async def test_a_callback_of_start_is_interrupted_like_the_body(move_on: bool) -> None:
    """One cancelled while `on_start` waits tells `on_cancel` and raises, as no block can be skipped from its start."""
    told: list[str] = []
    operation = Cancelable(move_on=move_on).on_cancel(lambda context: told.append(context.cancel_message or ""))

    async def stop(context: OperationContext) -> None:
        await operation.cancel("in on_start")
        await anyio.sleep_forever()

    with pytest.raises(ManualCancelation, match="in on_start"):
        async with operation.on_start(stop):
            told.append("body")
    assert told == ["in on_start"]
    assert operation.context.status is OperationStatus.CANCELLED


async def test_a_callback_may_enter_an_operation_of_its_own() -> None:
    """Work in a callback for cancel can be an operation, which the ended one no longer reaches."""
    told: list[str] = []

    async def clean_up(context: OperationContext) -> None:
        async with Cancelable(name="clean-up") as inner:
            await anyio.lowlevel.checkpoint()
        told.append(f"{inner.context.status} {inner.parent}")

    with pytest.raises(ManualCancelation):
        async with Cancelable().on_cancel(clean_up) as operation:
            await operation.cancel()
            await anyio.sleep_forever()
    assert told == ["completed None"]


async def test_nothing_is_logged_above_debug(caplog: pytest.LogCaptureFixture) -> None:
    """Completing, cancelling, failing, nesting and reporting leave the log of users empty."""
    caplog.set_level(logging.DEBUG, "asyncio")  # says which selector it uses
    caplog.set_level(logging.INFO)
    told = list[str]()
    async with _telling(told, Cancelable()) as outer:
        await outer.report_progress("half")
        async with _telling(told, Cancelable(move_on=True)) as inner:
            await inner.cancel(CancelationReason.SHUTDOWN, "bye")
            await anyio.sleep_forever()
        with pytest.raises(KeyError):
            async with _telling(told, Cancelable()):
                raise KeyError
        async with _telling(told, Cancelable.with_timeout(0.001, move_on=True)):
            await anyio.sleep_forever()
        await inner.cancel()
    assert len(told) == 9
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
