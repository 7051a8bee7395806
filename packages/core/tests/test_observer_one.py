"""Observers of one operation, and what they are told of it."""

from __future__ import annotations

import anyio
import anyio.to_thread
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    Observer,
    OperationStatus,
    add_observer,
    remove_observer,
)
from hother.cancelable.core import facts_of, observe, request_cancel, stop_observing


class Noting(Observer):
    """Notes the steps of operations."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Cancelable]] = []

    def operation_started(self, operation: Cancelable) -> None:
        self.told.append(("started", operation))

    def cancel_delivered(self, operation: Cancelable) -> None:
        self.told.append(("delivered", operation))

    def operation_ended(self, operation: Cancelable) -> None:
        self.told.append(("ended", operation))


async def test_one_operation_is_observed() -> None:
    """An observer of one operation is told of that one, and of no other."""
    noting, operation = Noting(), Cancelable()
    observe(operation, noting)
    async with operation, Cancelable():
        pass
    assert noting.told == [("started", operation), ("ended", operation)]


async def test_from_the_midst() -> None:
    """An observer may come while the operation runs, and go again."""
    noting, leaving, operation = Noting(), Noting(), Cancelable()
    observe(operation, leaving)
    async with operation:
        observe(operation, noting)
        stop_observing(operation, leaving)
    assert (noting.told, leaving.told) == ([("ended", operation)], [("started", operation)])


async def test_nothing_is_told_twice() -> None:
    """Who observes an operation twice, and all operations as well, is told of each step once."""
    noting, operation = Noting(), Cancelable(move_on=True)
    add_observer(noting)
    try:
        observe(operation, noting)
        observe(operation, noting)
        async with operation:
            await operation.cancel()
            await anyio.sleep_forever()
    finally:
        remove_observer(noting)
    assert [event for event, _ in noting.told] == ["started", "delivered", "ended"]
    stop_observing(operation, noting)
    stop_observing(operation, noting)


async def test_an_operation_that_is_left_in_another_task() -> None:
    """Its end is told as well, since it runs no more."""
    noting, operation = Noting(), Cancelable()
    observe(operation, noting)

    async def leave() -> None:
        with pytest.raises(RuntimeError, match="was left in another task"):
            await operation.__aexit__(None, None, None)

    await operation.__aenter__()
    async with anyio.create_task_group() as group:
        group.start_soon(leave)
    with pytest.raises(RuntimeError):  # its own task closes what it has opened
        await operation.__aexit__(None, None, None)
    assert noting.told == [("started", operation), ("ended", operation)]


async def test_facts_of_an_operation_that_runs() -> None:
    """The facts are those of the record, as they are now; the metadata is the user's own."""
    metadata = {"pages": 3}
    async with Cancelable(operation_id="above"):
        operation = Cancelable(name="job", metadata=metadata)
        name, parent, status, attached, cause, error = facts_of(operation)
        assert (name, parent, status, cause, error) == ("job", None, OperationStatus.PENDING, None, None)
        assert attached is metadata
        async with operation:
            assert facts_of(operation)[1:3] == ("above", OperationStatus.RUNNING)
        assert facts_of(operation)[2] is OperationStatus.COMPLETED
        assert facts_of(Cancelable())[3] is None


async def test_facts_follow_the_record() -> None:
    """Metadata that was attached to the record is among the facts."""
    operation = Cancelable()
    operation.context.metadata["pages"] = 3
    assert facts_of(operation)[3] == {"pages": 3}


async def test_facts_of_ends() -> None:
    """The facts have the request while it is under way, and why the operation has ended, or its error."""
    operation = Cancelable(move_on=True)
    async with operation:
        operation.cancel_sync(CancelationReason.SHUTDOWN, "bye")
        cause = facts_of(operation)[4]
        assert cause is not None
        assert cause[:2] == (CancelationReason.SHUTDOWN, "bye")
        await anyio.sleep_forever()
    assert facts_of(operation)[4] is cause
    with anyio.CancelScope() as scope:
        async with Cancelable() as operation:
            scope.cancel()
            await anyio.sleep_forever()
    cause = facts_of(operation)[4]
    assert cause is not None
    assert cause.reason is CancelationReason.EXTERNAL
    with pytest.raises(KeyError):
        async with Cancelable() as operation:
            raise KeyError("page")
    assert facts_of(operation)[4:] == (None, "KeyError: 'page'")


async def test_a_request_in_the_name_of_somebody() -> None:
    """A request that is passed on names who has made it, and is told to the loop from wherever it comes."""
    for thread in (False, True):
        operation = Cancelable(move_on=True)
        async with operation:
            arguments = operation.token, CancelationReason.SIGNAL, "SIGTERM", "worker 7"
            if thread:
                assert await anyio.to_thread.run_sync(request_cancel, *arguments, abandon_on_cancel=True) is True
            else:
                assert request_cancel(*arguments) is True
            assert request_cancel(operation.token, CancelationReason.MANUAL, "late", None) is False
            await anyio.sleep_forever()
        context = operation.context
        assert (context.cancel_reason, context.cancel_message) == (CancelationReason.SIGNAL, "SIGTERM")
        assert context.cancel_origin == "worker 7"


async def test_a_request_in_nobodys_name() -> None:
    """Without a name the request is that of the task or thread that makes it, as with any other."""
    first, second = Cancelable(), Cancelable()
    await first.cancel()
    request_cancel(second.token, CancelationReason.MANUAL, None, None)
    assert second.token.origin == first.token.origin


async def test_a_request_leaves_the_interruption_to_the_loop() -> None:
    """It may be made in a signal handler, in the midst of the loop: the operation is interrupted by the loop."""
    noting, operation = Noting(), Cancelable(move_on=True)
    observe(operation, noting)
    async with operation:
        request_cancel(operation.token, CancelationReason.MANUAL, None, None)
        assert noting.told == [("started", operation)]
        await anyio.sleep_forever()
    assert [event for event, _ in noting.told] == ["started", "delivered", "ended"]


async def test_pending() -> None:
    """An operation is pending until it is entered, and never again."""
    operation = Cancelable()
    assert operation.is_pending
    async with operation:
        assert not operation.is_pending
    assert not operation.is_pending
