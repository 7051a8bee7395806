"""Sources and what they were given to fire with leave no garbage behind."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationSource,
    Cause,
    current_operation,
)

from .shared import Gate
from .test_firing_generators import numbers
from .wires import Bundle, Wire

Watch = Callable[[object], None]


async def _sleep(watch: Watch, *sources: CancelationSource, tell: Callable[[], object]) -> None:
    for source in sources:
        watch(source)
    try:
        async with Cancelable(sources=sources) as operation:
            watch(operation)
            await anyio.wait_all_tasks_blocked()
            tell()
            await anyio.sleep_forever()
    except CancelationError as error:
        watch(error)


async def _fires(watch: Watch) -> None:
    wire = Wire()
    await _sleep(watch, Bundle(wire, Gate()), tell=lambda: wire.fire("cut"))


async def _says_all(watch: Watch) -> None:
    wire = Wire()
    await _sleep(watch, wire, tell=lambda: wire.fire(Cause(CancelationReason.SIGNAL, "all")))


async def _breaks(watch: Watch) -> None:
    wire = Wire()
    await _sleep(watch, Bundle(Bundle(wire)), tell=lambda: wire.fire.fail(OSError("broken")))


async def _says_nonsense(watch: Watch) -> None:
    wire = Wire()
    await _sleep(watch, wire, tell=lambda: wire.fire(3))  # type: ignore[arg-type]


async def _waits(watch: Watch) -> None:
    gate = Gate()
    await _sleep(watch, Bundle(Bundle(gate), Wire()), tell=lambda: gate.event.set())


async def _hears(watch: Watch) -> None:
    wire = Wire()
    whole = Bundle(wire, then=lambda cause: None)
    watch(whole)
    async with Cancelable.with_source(whole) as operation:
        watch(operation)
        wire.fire("heard")
        await checkpoint()


async def _is_refused(watch: Watch) -> None:
    wire, gate = Wire(), Gate()
    async with Cancelable.with_source(wire):
        second = Cancelable(sources=[gate, Bundle(wire)])
        watch(second)
        try:
            async with second:
                pass
        except RuntimeError as error:
            watch(error)


async def _cannot_be_armed(watch: Watch) -> None:
    operation = Cancelable(sources=[Wire(), Gate(), Bundle(Wire(broken=True))])
    watch(operation)
    try:
        async with operation:
            pass
    except OSError as error:
        watch(error)


async def _generates(watch: Watch) -> None:
    wire = Wire()
    whole = Bundle(wire, Gate())
    watch(whole)
    async for _ in numbers(whole):
        watch(current_operation())
        watch(wire.fire)


ENDINGS: list[Callable[[Watch], Awaitable[None]]] = [
    _fires,
    _says_all,
    _breaks,
    _says_nonsense,
    _waits,
    _hears,
    _is_refused,
    _cannot_be_armed,
    _generates,
]


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Turn the garbage collector off, so that what is in a cycle lives on."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("ending", ENDINGS)
async def test_sources_and_operations_die_at_once(ending: Callable[[Watch], Awaitable[None]]) -> None:
    """Sources, operations and errors are freed with the last reference: no claim or `Fire` is in a cycle."""
    watched: list[tuple[str, weakref.ref[object]]] = []

    def watch(each: object) -> None:
        if type(each).__weakrefoffset__:
            watched.append((type(each).__name__, weakref.ref(each)))

    await ending(watch)
    await checkpoint()  # the event loop lets go of callbacks that have run
    assert watched
    assert [name for name, ref in watched if ref() is not None] == []
