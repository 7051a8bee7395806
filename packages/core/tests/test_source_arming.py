"""Sources that need no task: they are armed, fire by callback, and are disarmed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import ClassVar

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationSource,
    ConditionCancelation,
    DisconnectCancelation,
)

from .shared import Gate


class Armed(CancelationSource):
    """Keeps `fire` for the test to call."""

    reason: ClassVar[CancelationReason] = CancelationReason.DISCONNECT

    def __init__(self, log: list[str] | None = None, broken: str = "") -> None:
        self.log = [] if log is None else log
        self.broken = broken
        self.fire: Callable[[str | None], object] | None = None

    name = "the wire"

    async def wait(self) -> str | None:
        raise AssertionError("an armed source is not waited for")

    def arm(self, fire: Callable[[str | None], object]) -> Callable[[], object]:
        self.log.append("armed")
        if self.broken == "arm":
            raise OSError("no wire")
        self.fire = fire
        return self._disarm

    def _disarm(self) -> None:
        self.log.append("disarmed")
        if self.broken == "disarm":
            raise OSError("wire cut")


async def test_the_first_of_several_sources_counts() -> None:
    """Any source ends the operation; all others are cancelled, armed ones disarmed."""
    gates, wire = [Gate(str(number)) for number in range(3)], Armed()
    with pytest.raises(ConditionCancelation, match="1"):
        async with Cancelable(sources=[*gates, wire]):
            await anyio.wait_all_tasks_blocked()
            gates[1].event.set()
            await anyio.sleep_forever()
    assert [gate.log for gate in gates] == [["started", "cancelled"], ["started"], ["started", "cancelled"]]
    assert wire.log == ["armed", "disarmed"]


async def test_an_armed_source_ends_the_operation_without_a_task() -> None:
    """`arm` takes the place of the task: `fire` gives the message, and the disarming function is called once."""
    wire = Armed()
    with pytest.raises(DisconnectCancelation, match="cut"):
        async with Cancelable.with_source(wire) as operation:
            assert wire.fire is not None
            wire.fire("cut")
            wire.fire("again")
            await anyio.sleep_forever()
    assert wire.log == ["armed", "disarmed"]
    assert operation.context.cancel_message == "cut"
    assert operation.context.cancel_origin == "the wire"


async def test_an_armed_source_that_fires_after_the_end() -> None:
    """A call of `fire` after the block changes nothing."""
    wire = Armed()
    async with Cancelable.with_source(wire) as operation:
        pass
    assert wire.log == ["armed", "disarmed"]
    assert wire.fire is not None
    wire.fire("late")
    assert operation.is_completed
    assert not operation.cancel_requested


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_an_armed_source_may_fire_in_a_callback_of_the_loop() -> None:
    """That is what arming is for: no task runs where `fire` is called."""

    class Later(Armed):
        def arm(self, fire: Callable[[str | None], object]) -> Callable[[], object]:
            return asyncio.get_running_loop().call_later(0.001, fire, "later").cancel

    with pytest.raises(DisconnectCancelation, match="later"):
        async with Cancelable.with_source(Later()):
            await anyio.sleep_forever()


async def test_a_source_whose_arming_fails_leaves_nothing() -> None:
    """The error leaves the entry as it is; what was armed or started before is undone, the body never runs."""
    gate, first, last, log = Gate(), Armed(), Armed(), list[str]()
    operation = Cancelable(sources=[first, gate, Armed(log, broken="arm"), last], timeout=60)
    with pytest.raises(OSError, match="no wire"):
        async with operation:
            raise AssertionError("the body runs")
    assert first.log == ["armed", "disarmed"]
    assert (log, last.log) == (["armed"], [])
    assert gate.log in ([], ["started", "cancelled"])
    assert not operation.is_running
    assert operation.context.error == "OSError: no wire"
    await anyio.lowlevel.checkpoint()


async def test_a_source_that_cannot_be_disarmed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A failing disarm harms neither the operation nor the disarming of the others."""
    first, last = Armed(broken="disarm"), Armed()
    async with Cancelable(sources=[first, last], name="report") as operation:
        pass
    assert operation.is_completed
    assert (first.log, last.log) == (["armed", "disarmed"], ["armed", "disarmed"])
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("hother.cancelable", logging.ERROR)
    assert "'report' could not stop watching" in record.getMessage()
