"""What type checkers know of the public names: mypy and pyright check this file, nothing runs it.

A change that makes a line here wrong changes the types that users see.
"""

from collections.abc import AsyncGenerator, Callable, Coroutine
from datetime import timedelta
from typing import Any, assert_type

import anyio

from hother.cancelable import (
    AnyOfSource,
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationSource,
    CancelationToken,
    OperationContext,
    OperationRegistry,
    OperationStatus,
    Registration,
    ThreadSafeRegistry,
    TimeoutCancelation,
    cancelable,
    cancelable_combine,
    cancelable_method,
    cancelable_stream,
    cancelable_with_condition,
    cancelable_with_signal,
    cancelable_with_token,
    current_operation,
    with_cancelable,
    with_current_operation,
    with_timeout,
)
from hother.cancelable.registry import (
    BlockingEventFeed,
    CancelResult,
    CancelState,
    Event,
    EventFeed,
    EventKind,
    OperationRecord,
    Page,
    RecordStatus,
    Statistics,
    TreeNode,
    WorkerRecord,
)
from hother.cancelable.sources import TimeoutSource
from hother.cancelable.streams import CancelableAsyncIterator, chunked_cancelable_stream


class Report(Cancelable):
    """A user's own kind of operation."""

    __slots__ = ()


def pages(path: str, *, first: int) -> list[int]:
    """Blocking work."""
    return [first]


class FileAppeared(CancelationSource):
    """A user's own source."""

    async def wait(self) -> str | None:
        """Return when the operation should end."""
        await anyio.sleep(1)
        return "the file is there"


async def factories(token: CancelationToken) -> None:
    """Every factory gives an operation of its own class, and takes the common options."""
    assert_type(Cancelable(name="report", operation_id="1", metadata={"pages": 3}, detached=True), Cancelable)
    assert_type(Cancelable.with_timeout(1.5), Cancelable)
    assert_type(Cancelable.with_timeout(timedelta(seconds=3), name="report", move_on=True), Cancelable)
    assert_type(Cancelable.with_token(token, timeout=3), Cancelable)
    assert_type(Cancelable.with_signal(2, 15), Cancelable)
    assert_type(Cancelable.with_condition(lambda: True, 0.5, "disk full"), Cancelable)
    assert_type(Cancelable.with_timeout(1).combine(Cancelable.with_token(token)), Cancelable)
    assert_type(Report.with_timeout(1), Report)
    assert_type(Report.with_token(token).on_start(print).on_complete(print), Report)


async def inside(operation: Cancelable) -> None:
    """The block gives the operation itself, and its methods have precise types."""
    async with operation as entered:
        assert_type(entered, Cancelable)
    assert_type(operation.token, CancelationToken)
    assert_type(operation.operation_id, str)
    assert_type(operation.is_running, bool)
    assert_type(operation.is_cancelled, bool)
    assert_type(operation.is_completed, bool)
    assert_type(operation.cancel_requested, bool)
    assert_type(operation.deadline, float | None)
    assert_type(operation.remaining(), float)
    assert_type(await operation.cancel(CancelationReason.SHUTDOWN, "bye"), bool)
    assert_type(operation.cancel_sync("bye"), bool)
    assert_type(await operation.cancel_and_wait(timeout=3), OperationContext)
    assert_type(await operation.run_in_thread(pages, "a", first=1), list[int])
    async with operation.shield(timeout=1) as scope:
        assert_type(scope, anyio.CancelScope)
    assert_type(current_operation(), Cancelable | None)


async def result(operation: Cancelable) -> int:
    """A function may return from inside the block, and need not return after it."""
    async with operation:
        return 1


def record(context: OperationContext) -> None:
    """The record says what it may lack."""
    assert_type(context.id, str)
    assert_type(context.name, str | None)
    assert_type(context.status, OperationStatus)
    assert_type(context.cancel_reason, CancelationReason | None)
    assert_type(context.cancel_message, str | None)
    assert_type(context.duration, timedelta | None)
    assert_type(context.to_dict(), dict[str, Any])


def errors(error: TimeoutCancelation) -> tuple[CancelationError, TimeoutError]:
    """A timeout is an error of this library and of the language."""
    assert_type(error.reason, CancelationReason)
    assert_type(error.message, str | None)
    assert_type(error.context, OperationContext | None)
    return error, error


async def tokens(token: CancelationToken) -> None:
    """Tokens say who won, and what was asked."""
    assert_type(CancelationToken.any_of(token, CancelationToken()), CancelationToken)
    assert_type(await token.cancel("enough"), bool)
    assert_type(token.cancel_sync(), bool)
    assert_type(token.wait_sync(1), bool)
    assert_type(token.is_cancelled, bool)
    assert_type(token.reason, CancelationReason | None)
    assert_type(token.on_cancel(print), Registration)


@cancelable
async def bare(number: int) -> str:
    """Decorated without arguments."""
    return str(number)


@cancelable(timeout=3, inject_param="operation")
async def called(number: int, *, operation: Cancelable | None = None) -> str:
    """Decorated with arguments."""
    return str(number)


@cancelable
async def generator(count: int) -> AsyncGenerator[int, None]:
    """Decorated, and still an async generator function."""
    for number in range(count):
        yield number


@cancelable_with_token(CancelationToken())
@cancelable_with_signal(2)
@cancelable_with_condition(lambda: False, 0.5)
@cancelable_combine(Cancelable.with_timeout(1), Cancelable())
async def stacked(number: int) -> str:
    """Decorated with all that take arguments."""
    return str(number)


@with_current_operation
async def ambient(number: int) -> str:
    """Decorated to receive what it runs in."""
    return str(number)


class Service:
    """An object with a decorated method."""

    @cancelable_method(timeout=3)
    async def fetch(self, number: int) -> str:
        """Decorated, and still a method."""
        return str(number)


async def decorators(operation: Cancelable) -> None:
    """Decorators leave the types of what they wrap as they are."""
    accepts: Callable[[int], Coroutine[Any, Any, str]] = bare
    assert_type(await accepts(1), str)
    assert_type(await bare(1), str)
    assert_type(await called(1), str)
    assert_type(generator(3), AsyncGenerator[int, None])
    assert_type(await stacked(1), str)
    assert_type(await ambient(1), str)
    assert_type(await Service().fetch(1), str)
    assert_type(await with_cancelable(operation)(bare)(1), str)
    assert_type(await with_timeout(1.5, bare(1)), str)
    assert_type(await operation.wrap(bare)(number=1), str)


def custom_sources() -> None:
    """A class with one coroutine is a source."""
    assert_type(Cancelable.with_source(FileAppeared(), name="watch"), Cancelable)
    assert_type(Cancelable().add_source(FileAppeared()), Cancelable)
    either = FileAppeared() | TimeoutSource(3)
    assert_type(either & AnyOfSource([FileAppeared()]), CancelationSource)
    of_one_kind = [FileAppeared(), FileAppeared()]
    assert_type(Cancelable(sources=of_one_kind), Cancelable)
    assert_type(Cancelable.with_condition(lambda: of_one_kind, timedelta(seconds=1)), Cancelable)


async def streams(operation: Cancelable) -> None:
    """Streams keep the types of their items."""
    assert_type(cancelable_stream(generator(3), operation, timeout=3), CancelableAsyncIterator[int])
    assert_type(operation.stream(generator(3), item_timeout=timedelta(seconds=1)), CancelableAsyncIterator[int])
    async for number in operation.stream(generator(3)):
        assert_type(number, int)
    async for numbers in chunked_cancelable_stream(generator(3), 2, max_wait=1):
        assert_type(numbers, list[int])


async def registries(registry: OperationRegistry, operation: Cancelable) -> None:
    """The registry hands out records, and takes what its filters are by name."""
    assert_type(OperationRegistry.get_instance(), OperationRegistry)
    assert_type(OperationRegistry(history_limit=5).install(), OperationRegistry)
    await registry.register(operation)
    assert_type(await registry.unregister("1"), bool)
    assert_type(await registry.list_operations("running", name_pattern="load-*", min_age=3), list[OperationRecord])
    assert_type(await registry.list_operations([RecordStatus.RUNNING, "pending"]), list[OperationRecord])
    assert_type(await registry.list_operations(OperationStatus.RUNNING, cancelling=True), list[OperationRecord])
    assert_type(await registry.page(20, None, status="running", worker="a"), Page)
    assert_type(await registry.count(parent_id="1", min_age=timedelta(hours=1)), int)
    assert_type(await registry.tree(), list[TreeNode])
    assert_type(await registry.get("1"), OperationRecord | None)
    assert_type(await registry.get_operation("1"), Cancelable | None)
    assert_type(await registry.cancel("1", CancelationReason.SHUTDOWN, "bye", wait=5), CancelResult)
    assert_type((await registry.cancel("1")).state, CancelState)
    assert_type(await registry.cancel_operation("1"), bool)
    assert_type(await registry.cancel_all("running", message="bye", name_pattern="load-*"), int)
    assert_type(await registry.get_history(5, "failed", since=3.5), list[OperationRecord])
    assert_type(await registry.get_statistics(), Statistics)
    assert_type(await registry.cleanup_completed(timedelta(hours=1)), int)
    assert_type(await registry.workers(), list[WorkerRecord])
    assert_type(registry.events(), EventFeed)
    async for event in registry.events(after="3"):
        assert_type(event, Event)
        assert_type(event.kind, EventKind)
        assert_type(event.record, OperationRecord | None)


def registries_in_threads(registry: ThreadSafeRegistry, operation: Cancelable) -> None:
    """The view for threads gives the same, without `await`."""
    assert_type(ThreadSafeRegistry.get_instance(), ThreadSafeRegistry)
    registry.register(operation)
    assert_type(registry.list_operations("running", cancelling=True), list[OperationRecord])
    assert_type(registry.cancel("1", wait=timedelta(seconds=5)), CancelResult)
    assert_type(registry.get_statistics(), Statistics)
    assert_type(registry.events(timeout=3), BlockingEventFeed)
    for event in registry.events():
        assert_type(event, Event)
