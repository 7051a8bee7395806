"""A source serves one operation at a time, and is free again afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationError, CancelationSource

from .shared import Gate
from .wires import Bundle, Wire


@dataclass(frozen=True)
class Frozen(CancelationSource):
    """A source whose attributes cannot be set."""

    event: anyio.Event = field(default_factory=anyio.Event)

    async def wait(self) -> str | None:
        await self.event.wait()
        return "thawed"


def _open(source: CancelationSource) -> None:
    if isinstance(source, Wire):
        source.fire("open")
    else:
        assert isinstance(source, (Gate, Frozen))
        source.event.set()


MAKERS: list[Callable[[], CancelationSource]] = [Wire, Gate, Frozen]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("nested", [True, False], ids=["in the body", "in another task"])
async def test_a_source_in_use_is_refused(make: Callable[[], CancelationSource], nested: bool) -> None:
    """The second entry is a RuntimeError that names source and operation; the first operation goes on unharmed."""
    source, refused = make(), list[str]()

    async def enter_again() -> None:
        with pytest.raises(RuntimeError) as caught:
            async with Cancelable.with_source(source, name="second"):
                raise AssertionError("the body runs")
        refused.append(str(caught.value))

    with pytest.raises(CancelationError) as left:
        async with Cancelable.with_source(source, name="first") as operation:
            await anyio.wait_all_tasks_blocked()
            if nested:
                await enter_again()
                await enter_again()
            else:
                async with anyio.create_task_group() as group:
                    group.start_soon(enter_again)
                    group.start_soon(enter_again)
            assert operation.is_running
            assert not operation.cancel_requested
            _open(source)
            await anyio.sleep_forever()
    assert left.value.context is operation.context
    name = "the wire" if make is Wire else make.__name__
    expected = f"the source {name} is used by operation 'first'; it serves one operation at a time"
    assert refused == [f"{expected}, so make a source for each"] * 2


@pytest.mark.parametrize("make", MAKERS)
async def test_a_source_can_be_used_again(make: Callable[[], CancelationSource]) -> None:
    """After the end of an operation its sources are free, whether it completed, failed or was interrupted."""
    source, error = make(), KeyError("body")
    async with Cancelable.with_source(source):
        pass
    with pytest.raises(KeyError):
        async with Cancelable.with_source(source):
            raise error
    with pytest.raises(CancelationError, match="enough"):
        async with Cancelable.with_source(source) as operation:
            await operation.cancel("enough")
            await anyio.sleep_forever()
    with anyio.move_on_after(0):
        async with Cancelable.with_source(source):
            await anyio.sleep_forever()
    with pytest.raises(CancelationError, match=r"open|thawed"):
        async with Cancelable.with_source(source):
            _open(source)
            await anyio.sleep_forever()
    assert "_used_by" not in vars(source)


async def test_a_refused_entry_leaves_nothing() -> None:
    """What was armed before is disarmed, what comes later is not touched, no task runs, and all others are free."""
    used, before, gate, after = Wire(), Wire(), Gate(), Wire()
    async with Cancelable.with_source(used):
        tasks = len(anyio.get_running_tasks())
        with pytest.raises(RuntimeError, match="the source the wire is used by"):
            async with Cancelable(sources=[before, gate, used, after]) as operation:
                raise AssertionError("the body runs")
        assert (before.log, after.log, used.log) == (["armed", "disarmed"], [], ["armed"])
        await anyio.wait_all_tasks_blocked()
        assert gate.log == []
        assert len(anyio.get_running_tasks()) == tasks
        async with Cancelable(sources=[before, gate, after]) as operation:
            assert operation.is_running
    async with Cancelable(sources=[before, gate, used, after]) as operation:
        assert operation.is_running
    assert used.log == ["armed", "disarmed"] * 2


@pytest.mark.parametrize("make", MAKERS)
async def test_a_source_is_free_after_an_entry_that_failed(make: Callable[[], CancelationSource]) -> None:
    """An entry that another source's arming breaks holds nothing."""
    source, broken = make(), Wire(broken=True)
    for _ in range(2):
        with pytest.raises(OSError, match="no wire"):
            async with Cancelable(sources=[source, broken]):
                raise AssertionError("the body runs")
    with pytest.raises(CancelationError, match=r"open|thawed"):
        async with Cancelable.with_source(source):
            _open(source)
            await anyio.sleep_forever()


async def test_a_part_in_use_is_refused() -> None:
    """The parts of a whole serve one operation at a time, too, and the whole is free after the refusal."""
    used, other = Wire("the used one"), Wire()
    whole = Bundle(other, Bundle(used))
    async with Cancelable.with_source(used, name="first"):
        with pytest.raises(RuntimeError, match="the source the used one is used by operation 'first'"):
            async with Cancelable.with_source(whole):
                raise AssertionError("the body runs")
    async with Cancelable.with_source(whole, name="whole"):
        for source, name in ((whole, "Bundle"), (other, "the wire"), (used, "the used one")):
            with pytest.raises(RuntimeError, match=f"the source {name} is used by operation 'whole'"):
                async with Cancelable.with_source(source):
                    raise AssertionError("the body runs")
    assert other.log == ["armed", "disarmed"] * 2


async def test_a_source_is_watched_once_in_an_operation() -> None:
    """A whole that has a source watched twice, or one that the operation has already, is refused at entry."""
    wire = Wire()
    several: list[tuple[CancelationSource, ...]] = [
        (Bundle(wire, wire),),
        (wire, Bundle(wire)),
        (Bundle(wire), Bundle(Bundle(wire))),
    ]
    for sources in several:
        with pytest.raises(ValueError, match="the source the wire is given twice"):
            async with Cancelable(sources=sources):
                raise AssertionError("the body runs")
    assert wire.log == ["armed", "disarmed"] * 3


@pytest.mark.parametrize("make", MAKERS)
def test_a_source_given_twice(make: Callable[[], CancelationSource]) -> None:
    """Constructor, factory and `add_source` refuse it with a ValueError that names it."""
    source, other = make(), Gate()
    name = "the wire" if make is Wire else make.__name__
    expected = f"the source {name} is given twice; make a source for each place"
    operation = Cancelable(sources=[other, source])
    ways: list[Callable[[], object]] = [
        lambda: Cancelable(sources=[source, other, source]),
        lambda: Cancelable.with_source(source, sources=[source]),
        lambda: Cancelable.with_timeout(5, sources=(source, source)),
        lambda: operation.add_source(source),
        lambda: Cancelable.with_source(source).add_source(source),
    ]
    for give in ways:
        with pytest.raises(ValueError, match=expected):
            give()
    assert operation.add_source(make()) is operation


async def test_equal_sources_are_not_the_same() -> None:
    """Only the very same object is refused: sources that are equal may stand side by side."""
    event = anyio.Event()
    one, two = Frozen(event), Frozen(event)
    assert one == two
    with pytest.raises(CancelationError, match="thawed"):
        async with Cancelable(sources=[one, two]).add_source(Frozen(event)):
            event.set()
            await anyio.sleep_forever()


async def test_parts_of_a_combination_may_share_a_source() -> None:
    """The combined operation watches it once; the parts can be entered afterwards, one after the other."""
    wire, gate = Wire(), Gate()
    parts = [Cancelable(sources=[wire, gate]), Cancelable.with_source(wire), Cancelable.with_source(gate)]
    with pytest.raises(CancelationError, match="once"):
        async with parts[0].combine(*parts[1:]):
            await anyio.wait_all_tasks_blocked()
            assert (wire.log, gate.log) == (["armed"], ["started"])
            wire.fire("once")
            await anyio.sleep_forever()
    assert (wire.log, gate.log) == (["armed", "disarmed"], ["started", "cancelled"])
    for part in parts:
        async with part:
            pass
    assert wire.log == ["armed", "disarmed"] * 3
