"""The operation: its states, its record, its own token, and being cancelled at any time of its life."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationSource,
    CancelationToken,
    ManualCancelation,
    OperationStatus,
    ParentCancelation,
    ShutdownCancelation,
    current_operation,
)
from hother.cancelable.core import has_listeners, ids, state


class Silent(CancelationSource):
    """Never fires."""

    async def wait(self) -> str | None:
        await anyio.sleep_forever()
        raise AssertionError("unreachable")


def _states(operation: Cancelable) -> tuple[bool, bool, bool, bool]:
    return operation.is_running, operation.is_completed, operation.is_cancelled, operation.cancel_requested


async def test_the_states_of_an_operation_that_completes() -> None:
    """Pending, running, completed: the flags and the status of the record go together."""
    operation = Cancelable()
    assert _states(operation) == (False, False, False, False)
    statuses = [operation.context.status]
    async with operation as entered:
        assert entered is operation
        assert _states(operation) == (True, False, False, False)
        statuses.append(operation.context.status)
    assert _states(operation) == (False, True, False, False)
    statuses.append(operation.context.status)
    assert statuses == [OperationStatus.PENDING, OperationStatus.RUNNING, OperationStatus.COMPLETED]


async def test_the_states_of_an_operation_that_is_cancelled() -> None:
    """Told to stop it still runs; interrupted it is cancelled."""
    with pytest.raises(ManualCancelation):
        async with Cancelable() as operation:
            await operation.cancel()
            assert _states(operation) == (True, False, False, True)
            await anyio.sleep_forever()
    assert _states(operation) == (False, False, True, True)
    assert operation.context.is_cancelled


async def test_the_states_of_an_operation_that_fails() -> None:
    """An exception of the body leaves as it is, and the record says what it was."""
    error = KeyError("missing")
    with pytest.raises(KeyError) as caught:
        async with Cancelable() as operation:
            raise error
    assert caught.value is error
    assert _states(operation) == (False, False, False, False)
    assert operation.context.status is OperationStatus.FAILED
    assert operation.context.error == "KeyError: 'missing'"


def test_ids_are_made_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making an operation makes no id, asking makes one for good, and a given one is kept."""
    made: list[str] = []

    def counted() -> str:
        made.append(ids.new_id())
        return made[-1]

    monkeypatch.setattr(state, "new_id", counted)
    operation = Cancelable(name="report")
    assert made == []
    assert [operation.operation_id, operation.context.id, operation.operation_id] == made * 3
    assert Cancelable(operation_id="mine").operation_id == "mine"
    assert len(made) == 1
    assert len({Cancelable().operation_id for _ in range(100)}) == 100


async def test_an_operation_shows_its_name_and_status() -> None:
    """The repr has the name, or else the id, and the status."""
    async with Cancelable(name="report") as operation:
        assert repr(operation) == "<Cancelable 'report' running>"
    assert repr(Cancelable(operation_id="r-3")) == "<Cancelable 'r-3' pending>"


async def test_every_factory_takes_the_common_options() -> None:
    """Name, id, metadata, parent, token, timeout and sources can be given to each factory."""
    parent, token = Cancelable(), CancelationToken()
    options: dict[str, Any] = {"name": "n", "operation_id": "i", "metadata": {"k": 1}, "parent": parent}
    made = [
        Cancelable(timeout=5, token=token, sources=[Silent()], **options),
        Cancelable.with_timeout(5, token=token, sources=[Silent()], **options),
        Cancelable.with_token(token, timeout=5, sources=[Silent()], **options),
        Cancelable.with_source(Silent(), timeout=5, token=token, **options),
    ]
    for operation in made:
        assert (operation.operation_id, operation.context.name, operation.context.metadata) == ("i", "n", {"k": 1})
        assert operation.parent is parent
        assert operation.remaining() == 5
    await token.cancel("all")
    for operation in made:
        with pytest.raises(ManualCancelation, match="all"):
            async with operation:
                await anyio.sleep_forever()


@pytest.mark.virtual_time
async def test_every_factory_can_move_on() -> None:
    """With `move_on` the block is left silently, and `is_cancelled` and the record tell."""
    token = CancelationToken()
    for operation in (
        Cancelable(timeout=1, move_on=True),
        Cancelable.with_timeout(1, move_on=True),
        Cancelable.with_token(token, timeout=1, move_on=True),
        Cancelable.with_source(Silent(), timeout=1, move_on=True),
    ):
        async with operation:
            await anyio.sleep_forever()
        assert operation.is_cancelled
        assert operation.context.cancel_reason is CancelationReason.TIMEOUT


async def test_moving_on_swallows_nothing_else() -> None:
    """An exception of the body, and the cancellation of an enclosing scope, leave all the same."""
    with pytest.raises(KeyError):
        async with Cancelable(move_on=True):
            raise KeyError
    with anyio.CancelScope() as scope:
        async with Cancelable(move_on=True):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught


async def test_cancel_ends_the_operation_and_its_children_only() -> None:
    """Of two operations on one token, cancelling the first ends it and what runs below it, never the second."""
    shared = CancelationToken()
    ended: list[str] = []

    async def run(name: str, started: anyio.Event) -> None:
        async with Cancelable.with_token(shared, name=name, move_on=True) as operation:
            operations[name] = operation
            async with Cancelable(name=f"{name}'s child"):
                started.set()
                try:
                    await anyio.sleep_forever()
                finally:
                    ended.append(name)

    operations: dict[str, Cancelable] = {}
    async with anyio.create_task_group() as group:
        for name in ("first", "second"):
            started = anyio.Event()
            group.start_soon(run, name, started)
            await started.wait()
        assert await operations["first"].cancel("only you")
        await anyio.wait_all_tasks_blocked()
        assert ended == ["first"]
        assert not shared.is_cancelled
        assert not operations["second"].cancel_requested
        await shared.cancel("all of you")
    assert ended == ["first", "second"]
    assert operations["second"].context.cancel_message == "all of you"


async def test_the_token_of_an_operation_ends_it() -> None:
    """`operation.token` can be handed out: cancelling it is cancelling the operation."""
    with pytest.raises(ManualCancelation, match="from outside"):
        async with Cancelable() as operation:
            assert operation.token is operation.token
            assert operation.token.cancel_sync("from outside")
            assert not await operation.cancel("too late")
            await anyio.sleep_forever()
    assert operation.token.message == "from outside"


async def test_cancel_before_entry() -> None:
    """An operation cancelled before it is entered runs up to its first checkpoint, and tells the reason."""
    for cancelled_by_token in (False, True):
        token, steps = CancelationToken(), list[str]()
        operation = Cancelable.with_token(token)
        assert (token if cancelled_by_token else operation).cancel_sync("too early")
        assert operation.cancel_requested is not cancelled_by_token  # its tokens are linked at entry
        with pytest.raises(ManualCancelation, match="too early"):
            async with operation:
                assert operation.cancel_requested
                steps.append("entered")
                await anyio.lowlevel.checkpoint()
                steps.append("went on")
        assert steps == ["entered"]


async def test_cancel_after_exit() -> None:
    """An operation that has ended takes no request: False, and the record stays."""
    token = CancelationToken()
    async with Cancelable.with_token(token) as operation:
        pass
    assert not await operation.cancel("too late")
    assert not operation.cancel_sync("too late")
    await token.cancel("too late")
    assert not operation.cancel_requested
    assert not operation.token.is_cancelled
    assert not has_listeners(operation.token)
    assert operation.is_completed
    assert operation.context.cancel_reason is None


async def test_cancel_twice() -> None:
    """The second request returns False and changes nothing."""
    with pytest.raises(ShutdownCancelation, match="first"):
        async with Cancelable() as operation:
            assert await operation.cancel(CancelationReason.SHUTDOWN, "first")
            assert not await operation.cancel("second")
            assert not operation.cancel_sync(CancelationReason.ERROR, "third")
            await anyio.sleep_forever()
    assert operation.context.cancel_message == "first"
    assert not await operation.cancel("fourth")


async def test_a_cancel_that_interrupted_nothing_is_kept_in_the_record() -> None:
    """A body that ends without being interrupted is completed; `cancel_requested` and the reason tell the rest."""
    async with Cancelable() as operation:
        await operation.cancel("nobody heard")
    assert operation.is_completed
    assert operation.cancel_requested
    assert operation.context.cancel_message == "nobody heard"


async def test_a_child_in_a_task_of_its_own_ends_with_a_given_parent() -> None:
    """`parent=` links operations that do not enclose each other; the child tells whose end it was."""
    parent = Cancelable(name="parent")
    errors: list[ParentCancelation] = []

    async def child() -> None:
        with pytest.raises(ParentCancelation) as caught:
            async with Cancelable(name="child", parent=parent) as operation:
                assert operation.context.parent_id == parent.operation_id
                await anyio.sleep_forever()
        errors.append(caught.value)

    async with anyio.create_task_group() as group:
        group.start_soon(child)
        await anyio.wait_all_tasks_blocked()
        await parent.cancel("bye")
    assert [error.message for error in errors] == ["bye"]
    assert current_operation() is None


async def test_wrap_looks_for_a_cancellation_before_each_call() -> None:
    """A wrapped function is called with its arguments, until the operation is told to stop."""
    calls: list[tuple[int, str]] = []

    async def work(number: int, *, word: str = "x") -> int:
        """Say something."""
        calls.append((number, word))
        return number + 1

    with pytest.raises(ManualCancelation):
        async with Cancelable() as operation:
            wrapped = operation.wrap(work)
            assert wrapped.__name__ == "work"
            assert await wrapped(1, word="y") == 2
            await operation.cancel()
            await wrapped(2)
    assert calls == [(1, "y")]


async def test_wrapping_gives_a_function_that_looks_for_a_cancellation() -> None:
    """`async with cancel.wrapping() as wrap` calls what it is given, until the operation is told to stop."""
    calls: list[int] = []

    async def work(number: int) -> int:
        calls.append(number)
        return number + 1

    with pytest.raises(ManualCancelation):
        async with Cancelable() as operation, operation.wrapping() as wrap:
            assert await wrap(work, 1) == 2
            assert await wrap(work, number=2) == 3
            await operation.cancel()
            await wrap(work, 3)
    assert calls == [1, 2]
