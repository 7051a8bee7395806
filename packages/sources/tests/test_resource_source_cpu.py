"""ResourceConditionSource: how busy the processors are, from one check to the next."""

from __future__ import annotations

import anyio
import pytest

from hother.cancelable import Cancelable
from hother.cancelable.sources import ResourceConditionSource

from .machine import CpuTimes, Machine

pytestmark = pytest.mark.virtual_time

LONG_BUSY = CpuTimes(user=900, idle=100)


async def outcome(source: ResourceConditionSource, seconds: float) -> tuple[str | None, float]:
    """Return the message of an operation with this source, and for how long it ran."""
    start = anyio.current_time()
    async with Cancelable.with_source(source, move_on=True) as operation:
        await anyio.sleep(seconds)
    return operation.context.cancel_message, round(anyio.current_time() - start, 3)


async def test_the_share_of_busy_time_between_two_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was before the first check counts for nothing."""
    Machine(monkeypatch).reads(cpu=[LONG_BUSY, CpuTimes(907, 103), CpuTimes(916, 104)])
    assert await outcome(ResourceConditionSource(cpu_percent=90), 10) == ("CPU at 90.0 %, limit 90 %", 2)


async def test_waiting_for_a_disk_is_not_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the time of guests count twice."""
    readings = [CpuTimes(10, 0), CpuTimes(20, 4, iowait=6, guest=10)]
    Machine(monkeypatch).reads(cpu=readings)
    assert await outcome(ResourceConditionSource(cpu_percent=50), 10) == ("CPU at 50.0 %, limit 50 %", 1)
    Machine(monkeypatch).reads(cpu=readings)
    assert await outcome(ResourceConditionSource(cpu_percent=51), 10) == (None, 10)


async def test_checks_that_come_faster_than_the_system_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check without news is no check: the next one looks back further, and a limit that was reached stays so."""
    busy, busier = CpuTimes(910, 100), CpuTimes(920, 100)
    Machine(monkeypatch).reads(cpu=[LONG_BUSY, LONG_BUSY, busy, busy, busier, busier, CpuTimes(930, 100)])
    assert await outcome(ResourceConditionSource(cpu_percent=90, sustained=4), 10) == (
        "CPU at 100.0 %, limit 90 %, for 4 s",
        6,
    )


async def test_each_operation_measures_from_its_own_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Busy time between two operations is not the second one's."""
    idle = [CpuTimes(0, 100), CpuTimes(0, 110)]
    idle_later = [CpuTimes(900, 110), CpuTimes(900, 120)]
    Machine(monkeypatch).reads(cpu=[*idle, *idle_later])
    source = ResourceConditionSource(cpu_percent=10)
    assert await outcome(source, 1.5) == (None, 1.5)
    assert await outcome(source, 1.5) == (None, 1.5)


async def test_two_sources_measure_each_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that looks often takes nothing from one that looks seldom."""
    machine = Machine(monkeypatch)
    start = anyio.current_time()

    def half_busy() -> CpuTimes:
        passed = anyio.current_time() - start
        return CpuTimes(user=passed / 2, idle=passed / 2)

    machine.cpu = iter(half_busy, None)
    async with Cancelable.with_source(ResourceConditionSource(cpu_percent=60, check_interval=0.1)) as operation:
        message, seconds = await outcome(ResourceConditionSource(cpu_percent=49.9, check_interval=5), 10)
    assert (message, seconds) == ("CPU at 50.0 %, limit 49.9 %", 5)
    assert not operation.cancel_requested
