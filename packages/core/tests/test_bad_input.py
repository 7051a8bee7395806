"""Wrong arguments and wrong use: a clear error at once, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import anyio.to_thread
import pytest

from hother.cancelable import Cancelable, CancelationSource, CancelationToken, ManualCancelation, current_operation

MAKERS = [
    pytest.param(lambda value: Cancelable(timeout=value), id="Cancelable"),
    pytest.param(Cancelable.with_timeout, id="with_timeout"),
    pytest.param(lambda value: Cancelable.with_token(CancelationToken(), timeout=value), id="with_token"),
]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("timeout", [0, 0.0, -1, -0.5, math.nan, -math.inf, timedelta(0), timedelta(seconds=-1)])
def test_timeouts_that_make_no_sense(make: Callable[[Any], Cancelable], timeout: object) -> None:
    """Zero, negative and NaN timeouts are ValueErrors that name the argument and show the value."""
    with pytest.raises(ValueError, match="timeout must be more than zero seconds, not "):
        make(timeout)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("timeout", ["3", True, False, [3], object(), 3j])
def test_timeouts_that_are_no_time_spans(make: Callable[[Any], Cancelable], timeout: object) -> None:
    """Strings, booleans and the like are TypeErrors that name the argument."""
    with pytest.raises(TypeError, match="timeout must be a number of seconds or a timedelta, not "):
        make(timeout)


def test_a_timeout_of_none_is_for_the_constructor_only() -> None:
    """`Cancelable(timeout=None)` has no timeout."""
    assert Cancelable(timeout=None).remaining() == math.inf


@pytest.mark.parametrize("wrong", [0, -1, math.nan, "3", None, True])
def test_limits_of_callbacks_that_make_no_sense(wrong: object) -> None:
    """`callback_timeout` is checked as timeouts are."""
    with pytest.raises((TypeError, ValueError), match="callback_timeout must be"):
        Cancelable(callback_timeout=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["parent", 3, CancelationToken(), Cancelable])
def test_a_parent_that_is_no_operation(wrong: object) -> None:
    """The parent must be an operation, and the error says so."""
    with pytest.raises(TypeError, match="parent must be a Cancelable, not "):
        Cancelable(parent=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["token", 3, Cancelable(), CancelationToken])
def test_a_token_that_is_no_token(wrong: object) -> None:
    """The token must be one, and None is not one for `with_token`."""
    for make in (Cancelable.with_token, lambda token: Cancelable(token=token)):
        with pytest.raises(TypeError, match="token must be a CancelationToken, not "):
            make(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("name", 3, "name must be a string, not 3"),
        ("operation_id", 3, "operation_id must be a string, not 3"),
        ("operation_id", "", "operation_id must not be empty; leave it out to have one made"),
        ("metadata", [], r"metadata must be a dict, not \[\]"),
    ],
)
def test_what_an_operation_is_called_must_be_text(option: str, value: Any, error: str) -> None:
    """A name or id that is no text, an empty id, and metadata that is no dict are refused at once."""
    with pytest.raises((TypeError, ValueError), match=error):
        Cancelable(**{option: value})


def test_factories_without_what_they_are_for() -> None:
    """`with_timeout(None)`, `with_token(None)` and `with_source(None)` would watch nothing: TypeErrors."""
    for make in (Cancelable.with_timeout, Cancelable.with_token, Cancelable.with_source):
        with pytest.raises(TypeError):
            make(None)  # type: ignore[arg-type]


class Fine(CancelationSource):
    """Never fires."""

    async def wait(self) -> str | None:
        await anyio.sleep_forever()
        return None


@pytest.mark.parametrize("wrong", ["source", 3, anyio.sleep_forever, Fine])
def test_a_source_that_is_no_source(wrong: object) -> None:
    """A source must be an instance of `CancelationSource`, wherever it is given."""
    for use in (
        Cancelable.with_source,
        Cancelable().add_source,
        lambda source: Cancelable(sources=[Fine(), source]),
    ):
        with pytest.raises(TypeError, match="source must be a CancelationSource, not "):
            use(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("event", ["on_start", "on_progress", "on_complete", "on_cancel", "on_error"])
@pytest.mark.parametrize("wrong", [None, 3, "callback"])
def test_a_callback_that_cannot_be_called(event: str, wrong: object) -> None:
    """A callback must be callable; the error comes at registration."""
    with pytest.raises(TypeError, match="a callback must be a function or coroutine function, not "):
        getattr(Cancelable(), event)(wrong)


def test_options_that_are_unknown() -> None:
    """A misspelt option is a TypeError."""
    with pytest.raises(TypeError, match="time_out"):
        Cancelable(time_out=3)  # type: ignore[call-arg]


async def test_an_operation_entered_while_it_runs() -> None:
    """The second entry raises and says what to do; the first goes on as if nothing had been."""
    async with Cancelable(name="report") as operation:
        with pytest.raises(RuntimeError, match=r"operation 'report' was entered before.*make a new one"):
            async with operation:
                raise AssertionError("never entered")
        assert operation.is_running
        assert current_operation() is operation
    assert operation.is_completed


async def test_an_operation_entered_again_after_its_end() -> None:
    """An operation runs once, however it ended."""
    token = CancelationToken()
    for outcome in (None, KeyError("failed")):
        operation = Cancelable.with_token(token)
        with contextlib.suppress(KeyError):
            async with operation:
                if outcome is not None:
                    raise outcome
        status = operation.context.status
        with pytest.raises(RuntimeError, match="was entered before"):
            await operation.__aenter__()
        assert operation.context.status is status
        assert not token._listeners
    assert current_operation() is None


async def test_an_operation_left_before_it_was_entered() -> None:
    """Leaving comes after entering; the operation can be used afterwards."""
    operation = Cancelable(name="report")
    with pytest.raises(RuntimeError, match="operation 'report' was not entered"):
        await operation.__aexit__(None, None, None)
    async with operation:
        pass
    assert operation.is_completed


async def test_an_operation_left_twice() -> None:
    """The second leaving raises and changes nothing of the record."""
    async with Cancelable(name="report") as operation:
        pass
    with pytest.raises(RuntimeError, match="operation 'report' was left before"):
        await operation.__aexit__(None, None, None)
    assert operation.is_completed


def test_an_operation_entered_without_a_loop() -> None:
    """Without an event loop the entry raises at once, registers nothing, and the operation can be used later."""
    token, started = CancelationToken(), list[object]()
    operation = Cancelable.with_token(token, timeout=5).on_start(started.append)
    with pytest.raises(RuntimeError, match="event loop"):
        operation.__aenter__().send(None)
    assert not token._listeners
    assert not operation.is_running
    assert started == []
    assert current_operation() is None

    async def main() -> None:
        async with operation:
            assert operation.is_running

    anyio.run(main)
    assert operation.is_completed


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_an_operation_entered_in_a_callback_of_the_loop() -> None:
    """No task runs in a callback of the loop, so there is nothing to interrupt: a RuntimeError, nothing registered."""
    token, done, errors = CancelationToken(), anyio.Event(), list[RuntimeError]()
    operation = Cancelable.with_token(token, timeout=5)

    def call_back() -> None:
        with pytest.raises(RuntimeError) as caught:
            operation.__aenter__().send(None)
        errors.append(caught.value)
        done.set()

    asyncio.get_running_loop().call_soon(call_back)
    await done.wait()
    assert len(errors) == 1
    assert not token._listeners
    assert not operation.is_running


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_an_operation_left_in_another_task() -> None:
    """Where the task that entered has ended, the one that leaves is told so, and no registration stays."""
    token, operations = CancelationToken(), list[Cancelable]()

    async def enter() -> None:
        operations.append(await Cancelable.with_token(token, timeout=60, name="report").__aenter__())

    await asyncio.create_task(enter())
    (operation,) = operations
    with pytest.raises(RuntimeError, match="operation 'report' was left in another task than the one that entered it"):
        await asyncio.create_task(operation.__aexit__(None, None, None))
    assert not operation.is_running
    assert not token._listeners
    assert not operation.cancel_sync()


@pytest.mark.virtual_time
@pytest.mark.parametrize("with_source", [False, True])
async def test_an_operation_left_in_another_task_harms_nobody(with_source: bool) -> None:
    """The task that entered goes on: no timer and no registration is left that could end it, and its scopes hold."""
    token, errors = CancelationToken(), list[str]()
    operation = Cancelable.with_token(token, timeout=5, name="report", sources=[Fine()] * with_source)

    async def leave() -> None:
        with pytest.raises(RuntimeError) as caught:
            await operation.__aexit__(None, None, None)
        errors.append(str(caught.value))

    with anyio.CancelScope() as surroundings:
        await operation.__aenter__()
        async with anyio.create_task_group() as group:
            group.start_soon(leave)
        assert "operation 'report' was left in another task than the one that entered it" in errors[0]
        assert not operation.is_running
        assert not token._listeners
        await token.cancel("nobody listens")
        await anyio.sleep(60)  # the deadline is gone, too
        with contextlib.suppress(RuntimeError):
            await operation.__aexit__(None, None, None)
    assert not surroundings.cancelled_caught
    assert current_operation() is None


async def test_a_deadline_moved_from_another_thread() -> None:
    """The loop's timers belong to the loop, so a worker thread is told so and moves nothing."""
    async with Cancelable.with_timeout(1e6) as operation:
        with pytest.raises(RuntimeError):
            await anyio.to_thread.run_sync(operation.reschedule, 5)
        assert operation.remaining() > 1000


async def test_cancelling_with_wrong_arguments() -> None:
    """The arguments of `cancel`, `cancel_sync` and `cancel_and_wait` are checked before anything happens."""
    operation = Cancelable()
    for wrong in ((3,), ("one", "two"), (None,)):
        with pytest.raises(TypeError):
            await operation.cancel(*wrong)
        with pytest.raises(TypeError):
            operation.cancel_sync(*wrong)
        with pytest.raises(TypeError), anyio.fail_after(5):
            await operation.cancel_and_wait(None, *wrong)
    assert not operation.cancel_requested


async def test_cancelling_from_inside_a_callback() -> None:
    """A request from `on_start` counts, one from `on_cancel` comes too late, and neither is trouble."""
    answers: list[bool] = []
    operation = Cancelable()
    operation.on_start(lambda _: answers.append(operation.cancel_sync("from on_start")))
    operation.on_cancel(lambda _: answers.append(operation.cancel_sync("from on_cancel")))
    with pytest.raises(ManualCancelation, match="from on_start"):
        async with operation:
            await anyio.sleep_forever()
    assert answers == [True, False]


@pytest.mark.parametrize("error", [None, ValueError("as it is left")])
@pytest.mark.parametrize("with_source", [False, True])
async def test_an_operation_left_in_another_thread(with_source: bool, error: ValueError | None) -> None:
    """A loop in another thread cannot leave it, not even while the task that entered it runs, which is told later."""
    token, errors = CancelationToken(), list[RuntimeError]()
    operation = Cancelable.with_token(token, timeout=60, name="report", sources=[Fine()] * with_source)

    async def leave() -> None:
        with pytest.raises(RuntimeError) as caught:
            await operation.__aexit__(type(error) if error else None, error, None)
        errors.append(caught.value)

    await operation.__aenter__()
    thread = threading.Thread(target=anyio.run, args=(leave,))
    thread.start()
    thread.join()  # the loop stands still, in this task
    with pytest.raises(RuntimeError) as caught:
        await operation.__aexit__(None, None, None)
    for each in (*errors, caught.value):
        assert "operation 'report' was left in another task than the one that entered it" in str(each)
    assert len(errors) == 1
    assert not token._listeners
    assert current_operation() is None
