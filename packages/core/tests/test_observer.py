"""Observers follow every operation's life, and harm nobody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import anyio.to_thread
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationToken,
    Cause,
    Observer,
    add_observer,
    remove_observer,
)


class Following(Observer):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def operation_started(self, operation: Cancelable) -> None:
        self.told.append(("started", operation, operation.context.status.value))

    def progress_reported(self, operation: Cancelable, message: Any, metadata: dict[str, Any] | None) -> None:
        self.told.append(("progress", operation, message, metadata))

    def cancel_requested(self, operation: Cancelable, cause: Cause) -> None:
        self.told.append(("requested", operation, cause.reason, cause.message, threading.get_ident()))

    def cancel_delivered(self, operation: Cancelable) -> None:
        self.told.append(("delivered", operation, threading.get_ident()))

    def operation_ended(self, operation: Cancelable) -> None:
        self.told.append(("ended", operation, operation.context.status.value))


@pytest.fixture
def following() -> Iterator[Following]:
    """An observer of all operations for the length of a test."""
    observer = Following()
    add_observer(observer)
    yield observer
    with contextlib.suppress(ValueError):  # the test may have removed it
        remove_observer(observer)


async def test_the_life_of_an_operation_that_completes(following: Following) -> None:
    """Started, progress, ended; the context is final when the end is told."""
    async with Cancelable() as operation:
        await operation.report_progress("half", {"percent": 50})
        await operation.report_progress("more")
    assert following.told == [
        ("started", operation, "running"),
        ("progress", operation, "half", {"percent": 50}),
        ("progress", operation, "more", None),
        ("ended", operation, "completed"),
    ]


async def test_the_life_of_an_operation_that_is_cancelled(following: Following) -> None:
    """The request is told in the thread that makes it, its delivery on the loop, each once."""
    here, there = threading.get_ident(), list[int]()

    def cancel() -> None:
        there.append(threading.get_ident())
        operation.cancel_sync(CancelationReason.SHUTDOWN, "bye")
        operation.cancel_sync("again")

    async with Cancelable(move_on=True) as operation:
        await anyio.to_thread.run_sync(cancel)
        await anyio.sleep_forever()
    assert following.told == [
        ("started", operation, "running"),
        ("requested", operation, CancelationReason.SHUTDOWN, "bye", there[0]),
        ("delivered", operation, here),
        ("ended", operation, "cancelled"),
    ]


@pytest.mark.parametrize("how", ["token", "timeout", "before entry", "inside"])
async def test_every_way_to_cancel_is_told_once(following: Following, how: str) -> None:
    """Whichever way the request comes, it is told and delivered once, in this order."""
    token = CancelationToken()
    operation = Cancelable.with_token(token, timeout=0.01 if how == "timeout" else None, move_on=True)
    if how == "before entry":
        operation.cancel_sync()
    async with operation:
        if how == "token":
            await token.cancel()
        if how == "inside":
            await operation.cancel()
        await anyio.sleep_forever()
    events = [each[0] for each in following.told]
    assert events == ["started", "requested", "delivered", "ended"]
    assert {each[1] for each in following.told} == {operation}


async def test_the_life_of_an_operation_that_fails(following: Following) -> None:
    """A failure is an end like any other; the context has the error."""
    errors: list[str | None] = []

    class Reading(Observer):
        def operation_ended(self, operation: Cancelable) -> None:
            errors.append(operation.context.error)

    reading = Reading()
    add_observer(reading)
    try:
        with pytest.raises(KeyError):
            async with Cancelable() as operation:
                raise KeyError("missing")
    finally:
        remove_observer(reading)
    assert following.told == [("started", operation, "running"), ("ended", operation, "failed")]
    assert errors == ["KeyError: 'missing'"]


async def test_observers_are_told_before_callbacks_of_the_end(following: Following) -> None:
    """Who follows all operations knows of the end when the operation's own callbacks run."""
    seen: list[str] = []
    operation = Cancelable()
    operation.on_start(lambda _: seen.append(following.told[-1][0]))
    operation.on_complete(lambda _: seen.append(following.told[-1][0]))
    async with operation:
        pass
    assert seen == ["started", "ended"]


async def test_nested_operations_are_told_apart(following: Following) -> None:
    """Every operation is followed, inner ones too."""
    async with Cancelable() as outer, Cancelable() as inner:
        pass
    assert [(event, operation) for event, operation, _ in following.told] == [
        ("started", outer),
        ("started", inner),
        ("ended", inner),
        ("ended", outer),
    ]


async def test_an_observer_that_fails_is_logged_and_harmless(
    following: Following, caplog: pytest.LogCaptureFixture
) -> None:
    """Each failure is logged with its traceback; operations and other observers go on."""

    class Broken(Observer):
        def operation_started(self, operation: Cancelable) -> None:
            raise OSError("started")

        def progress_reported(self, operation: Cancelable, message: Any, metadata: dict[str, Any] | None) -> None:
            raise OSError("progress")

        def cancel_requested(self, operation: Cancelable, cause: Cause) -> None:
            raise OSError("requested")

        def cancel_delivered(self, operation: Cancelable) -> None:
            raise OSError("delivered")

        def operation_ended(self, operation: Cancelable) -> None:
            raise OSError("ended")

    broken, last = Broken(), Following()
    add_observer(broken)
    add_observer(last)
    try:
        async with Cancelable(move_on=True) as operation:
            await operation.report_progress("half")
            await operation.cancel()
            await anyio.sleep_forever()
    finally:
        remove_observer(broken)
        remove_observer(last)
    events = ["started", "progress", "requested", "delivered", "ended"]
    assert [each[0] for each in following.told] == [each[0] for each in last.told] == events
    assert [str(each.exc_info[1]) for each in caplog.records if each.exc_info] == events
    assert {(each.name, each.levelno) for each in caplog.records} == {("hother.cancelable", logging.ERROR)}


async def test_an_observer_that_was_removed_is_told_nothing_more(following: Following) -> None:
    """After `remove_observer` not even the end of a running operation is told."""
    async with Cancelable():
        remove_observer(following)
    assert [each[0] for each in following.told] == ["started"]


async def test_an_observer_that_comes_late_is_told_the_rest() -> None:
    """One that is added while an operation runs hears of its further life."""
    following = Following()
    async with Cancelable() as operation:
        add_observer(following)
        await operation.report_progress("half")
    remove_observer(following)
    assert [each[0] for each in following.told] == ["progress", "ended"]


def test_what_is_no_observer_is_refused() -> None:
    """Only instances of `Observer` can be added."""
    for wrong in (None, 3, Following):
        with pytest.raises(TypeError, match="the observer must be an Observer, not "):
            add_observer(wrong)  # type: ignore[arg-type]


def test_an_observer_is_added_once() -> None:
    """Adding one again is a ValueError, and so is removing one that was not added."""
    following = Following()
    with pytest.raises(ValueError, match="is no observer"):
        remove_observer(following)
    add_observer(following)
    try:
        with pytest.raises(ValueError, match="is an observer already"):
            add_observer(following)
    finally:
        remove_observer(following)
    with pytest.raises(ValueError, match="is no observer"):
        remove_observer(following)


async def test_an_observer_need_not_care_for_everything() -> None:
    """The base class has an empty method for each event."""
    plain = Observer()
    add_observer(plain)
    try:
        async with Cancelable(move_on=True) as operation:
            await operation.report_progress("half")
            await operation.cancel()
            await anyio.sleep_forever()
        plain.operation_stuck(operation, "report")
    finally:
        remove_observer(plain)
    assert operation.is_cancelled


@pytest.mark.loops("asyncio", "eager", "uvloop")  # trio refuses to end a task with its scope open
async def test_an_operation_that_is_left_in_another_task_has_ended(following: Following) -> None:
    """Observers hear of that end, too, or they would follow it for ever."""
    operation = Cancelable()
    await asyncio.create_task(operation.__aenter__())
    with pytest.raises(RuntimeError, match="left in another task"):
        await operation.__aexit__(None, None, None)
    assert following.told[-1] == ("ended", operation, "failed")
