"""Composites of nothing, of things that are no sources, and of sources that are in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationSource, CancelationToken
from hother.cancelable.sources import AllOfSource, AnyOfSource, CompositeSource, TimeoutSource, TokenSource

from .shared import Gate, Wire, count_tasks

KINDS: list[Any] = [AnyOfSource, AllOfSource]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parts", [(), ([],), ((),), ({},), (iter(()),)], ids=["none", "[]", "()", "{}", "iterator"])
def test_nothing_to_wait_for(kind: Any, parts: tuple[Any, ...]) -> None:
    """A composite needs at least one source: a ValueError that names the class."""
    with pytest.raises(ValueError, match=f"^{kind.__name__} needs at least one source$"):
        kind(*parts)


WRONG: list[Any] = [None, 3, True, "a source", "", 1.5, Wire, TimeoutSource, CancelationToken, object()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_part_that_is_no_source(kind: Any, wrong: Any) -> None:
    """It is refused when the composite is made, wherever it stands, with a TypeError that names it."""
    for parts in ((wrong,), ([wrong],), (Wire(), wrong), ([wrong, Wire()],)):
        with pytest.raises(TypeError) as caught:
            kind(*parts)
        assert str(caught.value) == f"source must be a CancelationSource, not {wrong!r}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_beside_a_source(kind: Any) -> None:
    """Either the sources or one list of them: a list among sources is refused, and so is a string in a list."""
    for parts in ((Wire(), [Wire()]), ([Wire()], [Wire()]), ([[Wire()]],), (["ab"],)):
        with pytest.raises(TypeError, match="source must be a CancelationSource, not "):
            kind(*parts)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_source_twice(kind: Any) -> None:
    """It could not tell for which place it has fired: a ValueError that names it, however deep the two are."""
    wire, gate = Wire("the used one"), Gate()
    makers: list[Callable[[], object]] = [
        lambda: kind(wire, wire),
        lambda: kind([wire, gate, wire]),
        lambda: kind(wire, AllOfSource(gate, wire)),
        lambda: kind(AnyOfSource(wire), AllOfSource(wire)),
        lambda: kind(AnyOfSource(Gate(), AllOfSource(Gate(), AnyOfSource(wire))), AllOfSource(AnyOfSource(wire))),
        lambda: wire | wire,
        lambda: (wire | gate) & (Gate() | wire),
    ]
    for make in makers:
        with pytest.raises(ValueError, match="the source the used one is given twice; make a source for each place"):
            make()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_composite_twice(kind: Any) -> None:
    """Its parts would be there twice."""
    composite = AnyOfSource(Wire())
    with pytest.raises(ValueError, match="is given twice"):
        kind(composite, composite)


async def test_a_source_beside_a_composite_that_has_it() -> None:
    """An operation that is given both is refused at entry, and nothing stays armed."""
    wire, other, before = Wire(), Wire("other"), count_tasks()
    several: list[tuple[CancelationSource, ...]] = [
        (wire, other | wire),
        (other & wire, wire),
        (AnyOfSource(wire), AllOfSource(wire)),
    ]
    for sources in several:
        with pytest.raises(ValueError, match="the source the wire is given twice; make a source for each place"):
            async with Cancelable(sources=sources):
                raise AssertionError("the body runs")
        assert wire.armed is None
        assert other.armed is None
    assert count_tasks() == before
    async with Cancelable.with_source(wire & other):
        pass


@pytest.mark.parametrize("kind", KINDS)
async def test_a_composite_in_use(kind: Any) -> None:
    """A second operation is refused the composite, its parts, and further composites of them; the first goes on."""
    wire, gate, free, token = Wire(), Gate(), Wire("free"), CancelationToken()
    composite = kind(wire, TokenSource(token, "the token"), AnyOfSource(gate))
    tries: list[tuple[CancelationSource, str]] = [
        (composite, kind.__name__),
        (wire, "the wire"),
        (gate, "the gate"),
        (composite.sources[1], "the token"),
        (free | gate, "the gate"),
        (AllOfSource(free, AnyOfSource(composite)), kind.__name__),
    ]
    async with Cancelable.with_source(composite, name="first") as operation:
        await anyio.wait_all_tasks_blocked()
        before = count_tasks(), len(token._listeners)
        for source, name in tries:
            with pytest.raises(RuntimeError) as caught:
                async with Cancelable.with_source(source, name="second"):
                    raise AssertionError("the body runs")
            expected = f"the source {name} is used by operation 'first'; it serves one operation at a time"
            assert str(caught.value).startswith(expected)
            assert free.armed is None
            assert (count_tasks(), len(token._listeners)) == before
        assert operation.is_running
        assert not operation.cancel_requested
    for source, _ in tries:
        async with Cancelable.with_source(source):
            pass


async def test_a_part_that_cannot_be_armed() -> None:
    """Its error leaves the entry, the other parts are disarmed and free, no task and no registration is left."""
    wire, gate, token, broken = Wire(), Gate(), CancelationToken(), Wire("broken", broken=True)
    before = count_tasks()
    timeout = TimeoutSource(60, "long")
    composite = AllOfSource(wire, gate, TokenSource(token), timeout, AnyOfSource(broken))
    for _ in range(2):
        with pytest.raises(OSError, match="no wire"):
            async with Cancelable.with_source(composite):
                raise AssertionError("the body runs")
        await anyio.wait_all_tasks_blocked()
        assert (wire.armed, gate.log, count_tasks()) == (None, [], before)
        assert not token._listeners
    broken.broken = False
    async with Cancelable.with_source(composite) as operation:
        assert operation.is_running


def test_how_composites_look() -> None:
    """The text shows the parts, and which class holds them."""
    a, b, token = TimeoutSource(1.5), TimeoutSource(60), CancelationToken()
    composite = AnyOfSource(a, AllOfSource([b, TokenSource(token)]))
    assert repr(composite) == (
        f"AnyOfSource(TimeoutSource(1.5), AllOfSource(TimeoutSource(60), TokenSource({token!r})))"
    )
    assert repr(CompositeSource(a)) == "AnyOfSource(TimeoutSource(1.5))"
