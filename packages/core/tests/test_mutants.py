"""What no other test of core sees, as mutation testing and coverage have shown."""

from __future__ import annotations

import inspect
import pickle
import threading

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationToken,
    ManualCancelation,
    Observer,
    ParentCancelation,
    current_operation,
)
from hother.cancelable.core import observe
from hother.cancelable.core.listeners import ThreadWaiter

from .shared import count


async def test_others_on_the_token_of_an_operation_hear_of_a_shared_one() -> None:
    """A shared token that ends an operation is heard by all who wait on that operation's own token."""
    shared, heard = CancelationToken(), list[CancelationToken]()
    async with Cancelable.with_token(shared, move_on=True) as operation:
        operation.token.on_cancel(heard.append)
        linked = CancelationToken.any_of(operation.token)
        await shared.cancel("for all")
        assert heard == [operation.token]
        assert linked.message == "for all"
        await anyio.sleep(60)
    assert operation.is_cancelled


async def test_an_exception_of_the_check_of_a_parent_elsewhere() -> None:
    """A child outside the scope of its parent that raises what the parent's check raises ends by the parent."""
    parent, child = Cancelable(name="parent", move_on=True), Cancelable()

    async def check() -> None:
        async with child:
            await anyio.wait_all_tasks_blocked()
            parent.token.cancel_sync("stop")  # its link comes later than this check
            parent.check()

    with pytest.RaisesGroup(ManualCancelation):
        async with anyio.create_task_group() as group, parent:
            group.start_soon(check)
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
            await anyio.sleep(60)
    assert child.is_cancelled
    assert child.context.cancel_reason is CancelationReason.PARENT
    assert child.context.cause is parent.context


async def test_the_check_of_an_operation_that_has_ended_by_both() -> None:
    """After its end `check` tells of the operation's own request, though an enclosing one has ended it."""
    with anyio.CancelScope() as scope:
        async with Cancelable() as operation:
            await operation.cancel("own")
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert operation.context.cancel_reason is CancelationReason.EXTERNAL
    with pytest.raises(ManualCancelation, match="own"):
        operation.check()


async def test_a_generator_that_is_taken_over_by_a_task_outside_its_parent() -> None:
    """A step that another task takes, outside the parent of the generator's operation, is ended by that parent too."""
    parent, items = Cancelable(move_on=True), count(3)
    left: list[BaseException] = []

    async def go_on() -> None:
        try:
            async for _ in items:
                await parent.cancel("stop")
        except ParentCancelation as error:
            left.append(error)

    async with anyio.create_task_group() as group, parent:
        assert await anext(items) == 0
        with anyio.CancelScope(shield=True):
            assert current_operation() is parent
            group.start_soon(go_on)
            await anyio.wait_all_tasks_blocked()
    assert [type(error) for error in left] == [ParentCancelation]


def test_how_often_a_condition_is_asked() -> None:
    """Without an interval a condition is asked ten times a second."""
    assert inspect.signature(Cancelable.with_condition).parameters["check_interval"].default == 0.1


@pytest.mark.parametrize("metadata", [None, {"n": 1}, {"lock": threading.Lock()}], ids=["none", "plain", "unpicklable"])
async def test_an_exception_travels_whatever_the_user_put_into_its_record(metadata: dict[str, object] | None) -> None:
    """An exception is pickled with its record, and without what the user put there if that cannot be pickled."""
    error = CancelationError("bare")
    if metadata is not None:
        with pytest.raises(ManualCancelation) as caught:
            async with Cancelable(name="job", metadata=metadata) as operation:
                await operation.cancel("stop")
                await anyio.sleep(60)
        error = caught.value
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.message, copy.reason, str(copy)) == (error.message, error.reason, str(error))
    assert (copy.context is None) is (metadata is None)
    assert copy.context is None or copy.context.metadata == (metadata if metadata == {"n": 1} else {})


async def test_the_check_in_a_thread_of_nobody() -> None:
    """In a thread that anyio knows nothing of `check` asks the operation alone."""
    answers: list[str] = []
    async with Cancelable() as operation:

        def ask() -> None:
            operation.check()
            answers.append("goes on")

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert answers == ["goes on"]


async def test_the_observers_of_the_parts_of_an_operation() -> None:
    """An operation that is combined of others is observed by those who observe one of them, once."""
    ended: list[Cancelable] = []

    class Ended(Observer):
        """Notes what has ended."""

        def operation_ended(self, operation: Cancelable) -> None:
            ended.append(operation)

    observer, parts = Ended(), (Cancelable(), Cancelable())
    for part in parts:
        observe(part, observer)
    async with parts[0].combine(parts[1]) as whole:
        pass
    assert ended == [whole]


async def test_an_error_that_has_no_text() -> None:
    """An exception whose text cannot be made goes on record by its class."""

    class Mute(Exception):
        """Has no text."""

        def __str__(self) -> str:
            raise ValueError

    operation = Cancelable()
    with pytest.raises(Mute):
        async with operation:
            raise Mute
    assert operation.context.error == "Mute"


def test_a_thread_that_waits_for_ever() -> None:
    """Without a timeout a thread waits as long as it takes."""

    class Flag:
        """Stands for the lock of a waiting thread."""

        def acquire(self, timeout: float) -> bool:
            assert timeout == -1
            return True

    waiter = ThreadWaiter()
    waiter._flag = Flag()  # type: ignore[assignment] # pyright: ignore[reportAttributeAccessIssue]
    assert waiter.wait(None)
