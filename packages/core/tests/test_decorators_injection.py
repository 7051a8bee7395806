"""Injection: a parameter receives the operation, and callers need not know of it."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any, Optional, Union

import pytest

import hother.cancelable
from hother.cancelable import Cancelable, cancelable, cancelable_method, current_operation


def _names(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


async def test_a_parameter_is_found_by_its_name() -> None:
    """A parameter called `cancelable` needs no annotation, and no default."""

    @cancelable
    async def with_default(number, cancelable=None):  # type: ignore[no-untyped-def]
        return number, cancelable is current_operation()

    @cancelable
    async def without_default(number, cancelable):  # type: ignore[no-untyped-def]
        return number, cancelable is current_operation()

    functions: list[Callable[..., Any]] = [with_default, without_default]
    for function in functions:
        assert await function(1) == (1, True)
        assert await function(number=1) == (1, True)
        assert _names(function) == ["number"]


async def test_a_parameter_is_found_by_another_name() -> None:
    """`inject_param` names the parameter; one called `cancelable` is then the caller's own."""

    @cancelable(inject_param="op")
    async def work(cancelable: str, op: Any = None) -> tuple[str, bool]:
        return cancelable, op is current_operation()

    assert await work("mine") == ("mine", True)
    assert _names(work) == ["cancelable"]


async def test_without_a_name_only_annotations_count() -> None:
    """`inject_param=None` leaves a parameter called `cancelable` alone unless it is annotated."""

    @cancelable(inject_param=None)
    async def work(cancelable: str = "mine") -> str:
        return cancelable

    assert await work() == "mine"
    assert _names(work) == ["cancelable"]


async def test_a_function_without_such_a_parameter_is_left_alone() -> None:
    """Nothing is injected where nothing asks for it, also not into `**kwargs`."""

    @cancelable
    async def work(*args: object, **kwargs: object) -> tuple[tuple[object, ...], dict[str, object]]:
        return args, kwargs

    assert await work(1, a=2) == ((1,), {"a": 2})
    assert _names(work) == ["args", "kwargs"]


def _annotated(annotation: Any) -> Callable[..., Any]:
    async def work(number: int, op=None) -> Any:  # type: ignore[no-untyped-def]
        return number, op is not None and op is current_operation()

    work.__annotations__["op"] = annotation
    return cancelable(work)


@pytest.mark.parametrize(
    "annotation",
    [
        Cancelable,
        Cancelable | None,
        Optional[Cancelable],  # noqa: UP045
        Union[None, Cancelable, str],  # noqa: UP007
        "Cancelable",
        "Cancelable | None",
        "None | Cancelable",
        "Optional[Cancelable]",
        "typing.Optional[Cancelable]",
        "Union[Cancelable, None]",
        "hother.cancelable.Cancelable",
        "hother.cancelable.Cancelable | None",
        "Optional[hother.cancelable.Cancelable]",
        "'Cancelable'",
        typing.Annotated[Cancelable, "injected"],
    ],
    ids=str,
)
async def test_a_parameter_is_found_by_its_annotation(annotation: Any) -> None:
    """`Cancelable`, optional or in a union, as an object or as a string, under its full name or annotated."""
    work = _annotated(annotation)
    assert await work(1) == (1, True)
    assert _names(work) == ["number"]


@pytest.mark.parametrize(
    "annotation",
    [
        int,
        "int",
        "str | None",
        "MyCancelable",
        "CancelableThing",
        list[Cancelable],
        "list[Cancelable]",
        "type[Cancelable]",
    ],
    ids=str,
)
async def test_other_annotations_are_left_alone(annotation: Any) -> None:
    """A parameter that takes something else, be it of a similar name or a list of operations, is the caller's."""
    work = _annotated(annotation)
    assert await work(1) == (1, False)
    assert _names(work) == ["number", "op"]


async def test_the_name_goes_before_the_annotation() -> None:
    """Where one parameter has the name and another the annotation, the name counts."""

    @cancelable
    async def work(other: Cancelable | None = None, cancelable: Any = None) -> tuple[Any, Any]:
        return other, cancelable

    assert await work() == (None, _NOT_NONE)
    assert _names(work) == ["other"]


class _Anything:
    def __eq__(self, other: object) -> bool:
        return other is not None

    __hash__ = None  # type: ignore[assignment]


_NOT_NONE = _Anything()


async def test_a_keyword_only_parameter() -> None:
    """A parameter after `*` is injected by keyword."""

    @cancelable
    async def work(*numbers: int, cancelable: Cancelable, flag: bool = False) -> tuple[Any, ...]:
        return numbers, cancelable is current_operation(), flag

    function: Callable[..., Any] = work
    assert await function() == ((), True, False)
    assert await function(1, 2, flag=True) == ((1, 2), True, True)
    assert _names(work) == ["numbers", "flag"]


async def test_a_parameter_in_the_middle() -> None:
    """Positional arguments go around the injected one, however many the caller gives."""

    @cancelable
    async def work(first: int, op: Cancelable, second: int = 0, *rest: int, last: int = 0) -> tuple[Any, ...]:
        return first, op is current_operation(), second, rest, last

    function: Callable[..., Any] = work
    assert await function(1) == (1, True, 0, (), 0)
    assert await function(1, 2) == (1, True, 2, (), 0)
    assert await function(1, 2, 3, 4, last=5) == (1, True, 2, (3, 4), 5)
    assert await function(first=1, second=2) == (1, True, 2, (), 0)
    assert await function(1, second=2) == (1, True, 2, (), 0)
    assert str(inspect.signature(work)).startswith("(first: 'int', second: 'int' = 0, *rest: 'int', last: 'int' = 0)")


async def test_a_parameter_at_the_front() -> None:
    """The operation may come first."""

    @cancelable
    async def work(op: Cancelable, number: int) -> tuple[bool, int]:
        return op is current_operation(), number

    function: Callable[..., Any] = work
    assert await function(1) == (True, 1)
    assert await function(number=1) == (True, 1)


async def test_a_positional_only_parameter() -> None:
    """A parameter before `/` is injected in its place, also where the caller leaves out one before it."""

    @cancelable
    async def work(first: int = 1, op: Cancelable | None = None, second: int = 2, /) -> tuple[Any, ...]:
        return first, op is current_operation(), second

    function: Callable[..., Any] = work
    assert await function(5, 6) == (5, True, 6)
    assert await function(5) == (5, True, 2)
    assert await function() == (1, True, 2)


async def test_methods_get_the_operation_after_self() -> None:
    """In methods the operation is injected as in functions, `cancelable` on methods included."""

    class Service:
        @cancelable
        async def plain(self, op: Cancelable, number: int = 0) -> tuple[Any, ...]:
            return self, op is current_operation(), number

        @cancelable_method
        async def named(self, number: int, *, cancelable: Cancelable | None = None) -> tuple[Any, ...]:
            return self, cancelable is current_operation(), number

        @staticmethod
        @cancelable
        async def static(op: Cancelable, number: int) -> tuple[Any, ...]:
            return op is current_operation(), number

    service: Any = Service()
    assert await service.plain() == (service, True, 0)
    assert await service.plain(1) == (service, True, 1)
    assert await service.named(2) == (service, True, 2)
    assert await service.static(3) == (True, 3)
    assert [_names(each) for each in (service.plain, service.named, service.static)] == [["number"]] * 3


async def test_a_caller_may_give_one_by_keyword() -> None:
    """What the caller gives by keyword is not replaced."""

    @cancelable
    async def work(cancelable: Cancelable | None = None) -> Cancelable | None:
        return cancelable

    mine = Cancelable()
    assert await work(cancelable=mine) is mine


async def test_wrong_calls_are_type_errors() -> None:
    """Missing and unknown arguments are reported as for any function, and no operation is left current."""

    @cancelable
    async def work(number: int, cancelable: Cancelable | None = None) -> int:
        return number

    function: Callable[..., Any] = work
    wrong: list[tuple[tuple[int, ...], dict[str, int]]] = [((), {}), ((1,), {"wrong": 2}), ((1, 2, 3), {})]
    for args, kwargs in wrong:
        with pytest.raises(TypeError, match="work"):
            await function(*args, **kwargs)
    assert current_operation() is None


async def test_decorators_can_be_stacked() -> None:
    """Each of two decorators makes an operation, the inner one a child of the outer one's."""

    @cancelable(inject_param="outer", name="outer")
    @cancelable(inject_param="inner", name="inner")
    async def work(number: int, inner: Any = None, outer: Any = None) -> tuple[Any, ...]:
        return number, inner, outer

    number, inner, outer = await work(1)
    assert (number, inner.context.name, outer.context.name) == (1, "inner", "outer")
    assert inner.parent is outer
    assert _names(work) == ["number"]


def test_the_annotation_is_still_there_for_readers() -> None:
    """`__annotations__` tells all of the function; only the signature hides the parameter."""

    @cancelable
    async def work(number: int, op: Cancelable) -> int:
        return number

    assert set(work.__annotations__) == {"number", "op", "return"}
    assert hother.cancelable.Cancelable is Cancelable
