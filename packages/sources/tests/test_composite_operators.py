"""`|` and `&` in a row: flat composites of any length, which end an operation as nested ones do."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationSource, DisconnectCancelation
from hother.cancelable.sources import AllOfSource, AnyOfSource

from .shared import Wire


def test_a_row_is_flat() -> None:
    """The parts stand side by side; what is in brackets, or of the other kind, stays together."""
    a, b, c, d = (Wire(name) for name in "abcd")
    assert isinstance(a | b | c | d, AnyOfSource)
    for whole in (a | b | c | d, AnyOfSource(a, b) | c | d, a & b & c & d):
        assert isinstance(whole, AnyOfSource | AllOfSource)
        assert whole.sources == (a, b, c, d)
    right, mixed = a & (b & c), (a & b) | (c | d)
    assert isinstance(right, AllOfSource)
    assert [type(part) for part in right.sources] == [Wire, AllOfSource]
    assert isinstance(mixed, AnyOfSource)
    assert [type(part) for part in mixed.sources] == [AllOfSource, AnyOfSource]


def test_what_it_is_made_of_stays_as_it_was() -> None:
    """A composite is not changed by what is made of it."""
    a, b = Wire("a"), Wire("b")
    either, both = AnyOfSource(a, b), AllOfSource(a, b)
    _ = either | Wire(), both & Wire()
    assert either.sources == both.sources == (a, b)


def test_classes_of_the_users_own_stay_whole() -> None:
    """A subclass may watch its parts in another way."""

    class Any(AnyOfSource): ...

    class All(AllOfSource): ...

    one, every = Any(Wire()), All(Wire())
    either, both = one | Wire(), every & Wire()
    assert isinstance(either, AnyOfSource)
    assert isinstance(both, AllOfSource)
    assert (type(either), either.sources[0]) == (AnyOfSource, one)
    assert (type(both), both.sources[0]) == (AllOfSource, every)


@pytest.mark.parametrize("combine", [operator.or_, operator.and_])
async def test_a_long_row(combine: Callable[[CancelationSource, CancelationSource], CancelationSource]) -> None:
    """It is as long as it gets, and fires with its first or its last part."""
    wires = [Wire(str(number)) for number in range(1200)]
    sources: list[CancelationSource] = [*wires]
    whole = reduce(combine, sources)
    with pytest.raises(DisconnectCancelation, match="the last"):
        async with Cancelable.with_source(whole) as operation:
            if combine is operator.and_:
                for wire in wires[:-1]:
                    wire.fire("not the last")
            assert not operation.cancel_requested
            wires[-1].fire("the last")
            await anyio.sleep_forever()
    assert operation.context.cancel_origin == "1199"
    assert all(wire.armed is None for wire in wires)


@pytest.mark.parametrize("wrong", [None, 3, "source", [Wire()], Wire], ids=["None", "3", "str", "list", "class"])
def test_what_is_no_source(wrong: object) -> None:
    """Python refuses it, as it does for any operator."""
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = (Wire() | Wire()) | wrong  # type: ignore[operator]
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = (Wire() & Wire()) & wrong  # type: ignore[operator]
