"""Decorators on async generator functions: each iteration is an operation that interrupts the generator alone."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
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
    TimeoutCancelation,
    cancelable,
    cancelable_combine,
    cancelable_method,
    cancelable_with_token,
    current_operation,
)

from .shared import count, here


async def test_a_generator_yields_what_it_yields() -> None:
    """All items arrive in order, and outside the generator its operation is not the current one."""
    items: list[int] = []
    async for item in count(5):
        assert current_operation() is None
        items.append(item)
    assert items == [0, 1, 2, 3, 4]
    assert [item async for item in count(0)] == []


def test_a_decorated_generator_function_is_still_one() -> None:
    """Kind, name and signature stay, with every decorator that takes generator functions."""

    async def stream(number: int, op: Cancelable | None = None) -> AsyncIterator[int]:
        """Yield something."""
        yield number

    for decorate in (
        cancelable,
        cancelable(timeout=5),
        cancelable_method,
        cancelable_with_token(CancelationToken()),
        cancelable_combine(Cancelable()),
    ):
        decorated: Any = decorate(stream)
        assert inspect.isasyncgenfunction(decorated)
        assert not inspect.iscoroutinefunction(decorated)
        assert (decorated.__name__, decorated.__doc__) == ("stream", "Yield something.")
        assert list(inspect.signature(decorated).parameters) == ["number"]
        assert inspect.isasyncgen(decorated(1))


async def test_each_iteration_is_an_operation_of_its_own() -> None:
    """An iteration is one operation from its first item to its end, named after the function."""
    seen: list[Cancelable] = []

    @cancelable
    async def stream() -> AsyncGenerator[int, None]:
        for number in range(3):
            seen.append(here())
            yield number

    for _ in range(2):
        async for _item in stream():
            assert seen[-1].is_running
    assert [each is seen[0] for each in seen] == [True] * 3 + [False] * 3
    assert seen[3] is seen[5]
    assert seen[0].context.name == "stream"
    assert all(each.is_completed for each in seen)


async def test_a_method_that_generates() -> None:
    """`cancelable_method` names the operation of a generator method after class and method."""

    class Service:
        @cancelable_method
        async def stream(self, to: int) -> AsyncGenerator[tuple[Service, str | None], None]:
            for _ in range(to):
                yield self, here().context.name

    service = Service()
    assert [item async for item in service.stream(2)] == [(service, "Service.stream")] * 2


@pytest.mark.virtual_time
async def test_a_timeout_ends_the_generator() -> None:
    """A generator that waits too long is interrupted, cleans up, and the consumer gets the reason."""
    told: list[str] = []

    @cancelable(timeout=5)
    async def stream() -> AsyncGenerator[int, None]:
        try:
            yield 1
            await anyio.sleep(10)
            yield 2
        finally:
            told.append("cleaned up")

    items: list[int] = []
    with pytest.raises(TimeoutCancelation) as caught:
        async for item in stream():
            items.append(item)  # noqa: PERF401
    assert items == [1]
    assert told == ["cleaned up"]
    assert caught.value.context is not None
    assert caught.value.context.cancel_reason is CancelationReason.TIMEOUT


@pytest.mark.virtual_time
async def test_a_consumer_slower_than_the_timeout_is_not_interrupted() -> None:
    """The consumer's own waiting is never cut, however long it takes."""

    @cancelable(timeout=5)
    async def stream() -> AsyncGenerator[int, None]:
        yield 1

    items: list[int] = []
    start = anyio.current_time()
    async with aclosing(stream()) as iterator:
        async for item in iterator:
            await anyio.sleep(100)
            items.append(item)
            break
    assert items == [1]
    assert anyio.current_time() - start == pytest.approx(100)


async def test_a_consumer_is_not_interrupted_by_a_token() -> None:
    """A request that comes while the consumer works is told to the generator at its next step."""
    token, told = CancelationToken(), list[str]()

    @cancelable_with_token(token)
    async def stream() -> AsyncGenerator[int, None]:
        try:
            for number in range(10):
                yield number
                await anyio.lowlevel.checkpoint()
        finally:
            told.append("cleaned up")

    with pytest.raises(ManualCancelation, match="stop"):
        async for item in stream():
            assert item == 0
            await token.cancel("stop")
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            told.append("consumed")
    assert told == ["consumed", "cleaned up"]
    assert not token._listeners


@pytest.mark.virtual_time
async def test_a_generator_that_moves_on() -> None:
    """With `move_on` the iteration just ends when the time is up."""

    @cancelable(timeout=5, move_on=True)
    async def stream() -> AsyncGenerator[int, None]:
        yield 1
        await anyio.sleep_forever()

    assert [item async for item in stream()] == [1]


async def test_an_exception_in_the_generator_passes() -> None:
    """What the generator raises arrives as it is."""
    error = KeyError("missing")
    seen: list[Cancelable] = []

    @cancelable
    async def stream() -> AsyncGenerator[int, None]:
        seen.append(here())
        yield 1
        raise error

    with pytest.raises(KeyError) as caught:
        async for _ in stream():
            pass
    assert caught.value is error
    assert seen[0].context.error == "KeyError: 'missing'"


async def test_an_enclosing_scope_ends_the_generator() -> None:
    """The cancellation of a scope around the consumer goes through the generator as it is."""
    seen: list[Cancelable] = []

    @cancelable
    async def stream() -> AsyncGenerator[int, None]:
        seen.append(here())
        yield 1
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        async for _ in stream():
            scope.cancel()
    assert scope.cancelled_caught
    assert seen[0].is_cancelled
    assert seen[0].context.cancel_reason is CancelationReason.EXTERNAL


async def test_a_generator_inside_an_operation_is_its_child() -> None:
    """The consumer's operation is the parent, and ends the generator with it."""
    seen: list[Cancelable] = []

    @cancelable
    async def stream() -> AsyncGenerator[int, None]:
        seen.append(here())
        yield 1
        await anyio.sleep_forever()

    with pytest.raises(ManualCancelation, match="all") as caught:
        async with Cancelable() as outer:
            async for _ in stream():
                assert current_operation() is outer
                await outer.cancel("all")
    assert caught.value.context is outer.context
    assert seen[0].parent is outer
    assert seen[0].context.cancel_reason is CancelationReason.PARENT


async def test_a_generator_with_a_source() -> None:
    """A source that waits in a task ends the generator, whichever step it is in."""

    class Gate(CancelationSource):
        def __init__(self) -> None:
            self.event = anyio.Event()

        async def wait(self) -> str | None:
            await self.event.wait()
            return "open"

    gate = Gate()

    @cancelable(sources=[gate], move_on=True)
    async def stream() -> AsyncGenerator[int, None]:
        yield 1
        yield 2
        await anyio.sleep_forever()

    items: list[int] = []
    async for item in stream():
        items.append(item)
        await anyio.lowlevel.checkpoint()
        if item == 2:
            gate.event.set()
    assert items == [1, 2]


async def test_callbacks_of_a_generator() -> None:
    """A combined operation brings its callbacks: they run once for each iteration, not for each step."""
    told: list[str] = []
    part = (
        Cancelable()
        .on_start(lambda _: told.append("start"))
        .on_complete(lambda _: told.append("complete"))
        .on_cancel(lambda _: told.append("cancel"))
    )

    @cancelable_combine(part)
    async def stream() -> AsyncGenerator[int, None]:
        yield 1
        yield 2

    assert [item async for item in stream()] == [1, 2]
    assert told == ["start", "complete"]
