"""What users get wrong, and what looks wrong and is not: parameters, sources, observers, copies, static methods."""

from __future__ import annotations

import copy
import pickle
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import anyio
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationSource,
    CancelationToken,
    ConditionCancelation,
    cancelable,
    cancelable_method,
    current_operation,
)
from hother.cancelable.core import Observer, add_observer, remove_observer


async def test_each_call_has_its_own_metadata() -> None:
    """What one call notes in the metadata is seen neither by the next call nor in the decorator's own dict."""
    given = {"team": "red"}

    @cancelable(metadata=given)
    async def note(key: str, cancelable: Cancelable | None = None) -> dict[str, Any]:
        assert cancelable is not None
        cancelable.context.metadata[key] = True
        return cancelable.context.metadata

    assert await note("first") == {"team": "red", "first": True}
    assert await note("second") == {"team": "red", "second": True}
    assert given == {"team": "red"}


async def test_variable_parameters_receive_no_operation() -> None:
    """`*ops: Cancelable` and `**ops: Cancelable` take what the caller gives, and nothing else."""

    @cancelable
    async def gather(*cancelable: Cancelable, **more: Cancelable) -> tuple[Any, Any]:
        return cancelable, more

    operation = Cancelable()
    assert await gather() == ((), {})
    assert await gather(operation, key=operation) == ((operation,), {"key": operation})


class Open(CancelationSource):
    """Fires at once."""

    async def wait(self) -> str | None:
        return "open"


async def test_sources_from_an_iterator() -> None:
    """Any iterable of sources will do."""
    sources: Any = iter([Open()])
    with pytest.raises(ConditionCancelation, match="open"):
        async with Cancelable(sources=sources):
            await anyio.sleep_forever()


async def test_sources_from_an_iterator_serve_each_call() -> None:
    """A decorator keeps them for every call."""
    sources: Any = iter([Open()])

    @cancelable(sources=sources)
    async def wait() -> None:
        await anyio.sleep_forever()

    for _ in range(2):
        with anyio.fail_after(5), pytest.raises(ConditionCancelation, match="open"):
            await wait()


class Log(Observer):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def operation_started(self, operation: Cancelable) -> None:
        self.events.append("started")

    def progress_reported(self, operation: Cancelable, message: Any, metadata: dict[str, Any] | None) -> None:
        self.events.append("progress")

    def operation_ended(self, operation: Cancelable) -> None:
        self.events.append("ended")


async def test_observer_of_all_operations_and_of_this_one_is_told_once() -> None:
    """Being both brings no event twice."""
    log, operation = Log(), Cancelable()
    operation._observers = (log,)
    add_observer(log)
    try:
        async with operation:
            await operation.report_progress("half")
    finally:
        remove_observer(log)
    assert log.events == ["started", "progress", "ended"]


@pytest.mark.parametrize("make", [CancelationToken, Cancelable])
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_tokens_and_operations_cannot_be_duplicated(
    make: Callable[[], object], duplicate: Callable[[object], object]
) -> None:
    """Copying or pickling one is refused: nobody could cancel the copy."""
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        duplicate(make())


async def test_method_decorator_below_staticmethod() -> None:
    """A static method has no object; it works all the same, with arguments and without."""

    class Service:
        @staticmethod
        @cancelable_method
        async def none(cancelable: Cancelable | None = None) -> str | None:
            assert cancelable is not None
            return cancelable.context.name

        @staticmethod
        @cancelable_method
        async def one(number: int, cancelable: Cancelable | None = None) -> int:
            assert cancelable is not None
            return number

    assert await Service.none() == "none"
    assert await Service.one(3) == 3
    assert await Service().one(4) == 4


@pytest.mark.parametrize("decorate", [cancelable, cancelable_method])
@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_decorators_above_staticmethod_say_where_they_belong(decorate: Any, kind: Any) -> None:
    """The error tells the order of the decorators."""

    async def work(*_: object) -> None: ...

    with pytest.raises(TypeError, match="below @staticmethod and @classmethod"):
        decorate(kind(work))


async def _numbers(operation: Cancelable) -> AsyncGenerator[int]:
    async with operation:
        yield 0
        yield 1


async def test_current_operation_after_breaking_out_of_a_generator() -> None:
    """A generator that holds an operation and was closed leaves none behind."""
    operation = Cancelable()
    async with aclosing(_numbers(operation)) as items:
        async for _ in items:
            break
    assert not operation.is_running
    assert current_operation() is None
