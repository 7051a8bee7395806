"""Decorators on coroutine functions: they run each call as an operation and change nothing else."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationToken,
    TimeoutCancelation,
    cancelable,
    cancelable_combine,
    cancelable_method,
    cancelable_with_token,
    current_operation,
    with_cancelable,
    with_current_operation,
)

from .shared import here


async def test_the_bare_form() -> None:
    """`@cancelable` runs each call as an operation of its own, named after the function."""
    seen: list[Cancelable] = []

    @cancelable
    async def double(number: int) -> int:
        seen.append(here())
        return 2 * number

    assert await double(21) == 42
    assert await double(number=4) == 8
    assert [each.context.name for each in seen] == ["double", "double"]
    assert seen[0] is not seen[1]
    assert all(each.is_completed for each in seen)
    assert current_operation() is None


@pytest.mark.virtual_time
async def test_the_called_form() -> None:
    """`@cancelable(...)` takes the options of an operation; each call has its own deadline."""

    @cancelable(timeout=5, name="slow work", metadata={"kind": "test"})
    async def work(seconds: float, cancelable: Cancelable | None = None) -> Cancelable | None:
        assert cancelable is not None
        assert (cancelable.context.name, cancelable.context.metadata) == ("slow work", {"kind": "test"})
        await anyio.sleep(seconds)
        return cancelable

    for _ in range(2):
        finished = await work(4)
        assert finished is not None
        assert finished.is_completed
    with pytest.raises(TimeoutCancelation, match="slow work"):
        await work(6)


async def test_the_called_form_without_arguments() -> None:
    """`@cancelable()` is the same as the bare form."""

    @cancelable()
    async def name() -> str | None:
        return here().context.name

    assert await name() == "name"


@pytest.mark.virtual_time
async def test_a_function_that_moves_on() -> None:
    """With `move_on` a call that was cancelled returns None."""

    @cancelable(timeout=5, move_on=True)
    async def work() -> str:
        await anyio.sleep_forever()
        return "done"

    assert await work() is None


async def test_an_exception_of_the_function_passes() -> None:
    """What the function raises arrives as it is."""
    error = KeyError("missing")

    @cancelable
    async def work() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        await work()
    assert caught.value is error


def test_a_decorated_function_looks_like_itself() -> None:
    """Kind, name, qualified name, module, docstring and annotations are those of the function."""

    async def work(number: int, *args: str, flag: bool = False, **kwargs: float) -> list[int]:
        """Do something."""
        return [number]

    for decorate in (
        cancelable,
        cancelable(timeout=5),
        cancelable_method,
        cancelable_method(timeout=5),
        cancelable_with_token(CancelationToken()),
        cancelable_combine(Cancelable()),
        with_cancelable(Cancelable()),
        with_cancelable(Cancelable(), inject=True),
        with_current_operation,
        with_current_operation(),
    ):
        decorated: Any = decorate(work)
        assert inspect.iscoroutinefunction(decorated)
        assert inspect.signature(decorated) == inspect.signature(work)
        assert decorated.__wrapped__ is work
        for attribute in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__"):
            assert getattr(decorated, attribute) == getattr(work, attribute)


async def test_a_method_is_named_after_its_class() -> None:
    """`cancelable_method` names operations after the object's class, subclasses included, and the method."""

    class Service:
        @cancelable_method
        async def fetch(self, number: int, cancelable: Cancelable | None = None) -> tuple[Service, int, str | None]:
            assert cancelable is not None
            assert cancelable is here()
            return self, number, cancelable.context.name

        @cancelable_method(name="given")
        async def given(self) -> str | None:
            return here().context.name

        @classmethod
        @cancelable_method(timeout=5)
        async def create(cls, cancelable: Cancelable | None = None) -> str | None:
            return None if cancelable is None else cancelable.context.name

    class Special(Service):
        pass

    service, special = Service(), Special()
    assert await service.fetch(1) == (service, 1, "Service.fetch")
    assert await special.fetch(number=2) == (special, 2, "Special.fetch")
    assert await Service.fetch(service, 3) == (service, 3, "Service.fetch")
    assert await service.given() == "given"
    assert await Service.create() == "Service.create"
    assert await special.create() == "Special.create"
    assert list(inspect.signature(service.fetch).parameters) == ["number"]


def plain(number: int) -> int:
    """Do something without any await."""
    return number


def generator(number: int) -> Any:
    """Yield something without any await."""
    yield number


async def stream(number: int) -> Any:
    """Yield something."""
    yield number


@pytest.mark.parametrize("function", [plain, generator, 3, int], ids=["plain", "generator", "number", "class"])
def test_what_is_no_coroutine_function_is_refused(function: Any) -> None:
    """Decorating anything else is a TypeError at once that names it and says what to do."""
    for decorate in (
        cancelable,
        cancelable(timeout=5),
        cancelable_method,
        cancelable_method(),
        cancelable_with_token(CancelationToken()),
        cancelable_combine(Cancelable()),
        with_cancelable(Cancelable()),
        with_current_operation,
        with_current_operation(),
    ):
        with pytest.raises(TypeError, match=r"is no coroutine function: .*run_in_thread"):
            decorate(function)


@pytest.mark.parametrize("decorator", [cancelable, cancelable_method, cancelable_with_token])
def test_wrong_options_are_refused_when_the_decorator_is_made(decorator: Callable[..., Any]) -> None:
    """A wrong option shows where it is written, not at the first call."""
    args = (CancelationToken(),) if decorator is cancelable_with_token else ()
    for wrong in (0, -1, math.nan, timedelta(0)):
        with pytest.raises(ValueError, match="timeout must be"):
            decorator(*args, timeout=wrong)
    with pytest.raises(TypeError, match="timeout must be"):
        decorator(*args, timeout="3")
    with pytest.raises(TypeError, match="parent must be"):
        decorator(*args, parent=3)
    with pytest.raises(TypeError, match="time_out"):
        decorator(*args, time_out=3)


def test_wrong_operations_and_tokens_are_refused_when_the_decorator_is_made() -> None:
    """What is no token or no operation is a TypeError at once."""
    with pytest.raises(TypeError, match="token must be a CancelationToken"):
        cancelable_with_token(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a Cancelable"):
        with_cancelable(3)  # type: ignore[arg-type]
