"""Decorators that hand a function an operation that others have entered."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from hother.cancelable import (
    Cancelable,
    ManualCancelation,
    with_cancelable,
    with_current_operation,
)

from .shared import here


async def test_a_function_under_an_operation_entered_elsewhere() -> None:
    """`with_cancelable` makes an operation the current one inside the function, and the former one afterwards."""
    operation = Cancelable(name="shared")

    @with_cancelable(operation)
    async def work(number: int) -> int:
        assert here() is operation
        async with Cancelable() as inner:
            assert inner.parent is operation
        return number

    async with operation, Cancelable() as other:
        assert await work(7) == 7
        assert here() is other
        await operation.cancel("enough")
        with pytest.raises(ManualCancelation, match="enough") as caught:
            await work(8)
        assert caught.value.context is operation.context


async def test_an_operation_entered_elsewhere_can_be_injected() -> None:
    """With `inject=True` the function gets it, too, by the given name; without it nothing is injected."""
    operation = Cancelable()

    @with_cancelable(operation, inject=True)
    async def injected(cancelable: Cancelable | None = None) -> Cancelable | None:
        return cancelable

    @with_cancelable(operation, inject=True, inject_param="op")
    async def renamed(op: Any = None) -> Any:
        return op

    @with_cancelable(operation)
    async def left_alone(cancelable: Cancelable | None = None) -> Cancelable | None:
        return cancelable

    async with operation:
        assert await injected() is operation
        assert await renamed() is operation
        assert await left_alone() is None
    assert list(inspect.signature(injected).parameters) == []
    assert list(inspect.signature(left_alone).parameters) == ["cancelable"]


async def test_a_function_gets_the_operation_that_it_is_called_in() -> None:
    """`with_current_operation` injects the innermost operation, or None outside any; bare and called."""

    @with_current_operation
    async def bare(number: int, operation: Cancelable | None) -> tuple[int, Cancelable | None]:
        return number, operation

    @with_current_operation(inject_param="op")
    async def called(op: Any, number: int) -> tuple[Any, int]:
        return op, number

    in_any_way: tuple[Any, Any] = (bare, called)
    assert await in_any_way[0](1) == (1, None)
    async with Cancelable(), Cancelable() as inner:
        assert await in_any_way[0](1) == (1, inner)
        assert await in_any_way[1](number=2) == (inner, 2)
        assert await in_any_way[1](2) == (inner, 2)


async def stream(number: int) -> Any:
    """Yield something."""
    yield number


def test_generator_functions_are_refused_where_they_make_no_sense() -> None:
    """`with_cancelable` and `with_current_operation` decorate coroutine functions only."""
    for decorate in (with_cancelable(Cancelable()), with_current_operation):
        with pytest.raises(TypeError, match="is no coroutine function"):
            decorate(stream)
