"""Sources that hold a scope open across their own `yield`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import anyio
import pytest

from hother.cancelable import Cancelable, cancelable_stream, current_operation


async def _in_scope() -> AsyncGenerator[int, None]:
    with anyio.CancelScope():
        yield 1


async def _in_group() -> AsyncGenerator[int, None]:
    async with anyio.create_task_group():
        yield 1


async def _in_operation() -> AsyncGenerator[int, None]:
    async with Cancelable():
        yield 1


@pytest.mark.parametrize(
    "source",
    [
        _in_scope,
        pytest.param(_in_group, marks=pytest.mark.loops("asyncio", "eager", "uvloop")),  # trio itself breaks down
        _in_operation,
    ],
)
async def test_a_source_that_holds_a_scope_open(source: Callable[[], AsyncGenerator[int, None]]) -> None:
    """It cannot be iterated in steps; the error says what can be done, and scopes around it are unharmed."""
    with anyio.fail_after(5):
        async with Cancelable(name="above") as above:
            with pytest.raises(RuntimeError, match=r"'stream' holds a cancel scope or task group.*max_wait"):
                await anext(cancelable_stream(source()))
            assert current_operation() is above
        async with Cancelable() as operation:
            assert [number async for number in operation.stream(source())] == [1]


async def test_a_group_of_errors_in_the_clean_up() -> None:
    """It reaches the consumer; only a group of nothing but what has closed the source is no error."""

    async def source(error: BaseException) -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            raise BaseExceptionGroup("clean-up", [GeneratorExit(), error])

    stream = cancelable_stream(source(OSError("gone")))
    assert await anext(stream) == 1
    with pytest.raises(BaseExceptionGroup, match="clean-up"):
        await stream.aclose()
    stream = cancelable_stream(source(GeneratorExit()))
    assert await anext(stream) == 1
    await stream.aclose()
    assert stream.operation.is_completed
