"""ResourceConditionSource: limits on memory, processors and disk end an operation."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationReason, ConditionCancelation, ErrorCancelation
from hother.cancelable.sources import ResourceConditionSource

from .machine import Machine
from .shared import count_tasks

NEEDS_PSUTIL = "resources are measured with psutil, which is not installed"


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"memory_percent": 0.01}, r"memory at [\d.]+ %, limit 0.01 %"),
        ({"disk_percent": 1e-6, "disk_path": Path.cwd()}, r"disk .+ at [\d.]+ %, limit 1e-06 %"),
        ({"process_rss": 1_000}, r"memory of this process at [\d,]+ bytes, limit 1,000 bytes"),
    ],
    ids=["memory", "disk", "rss"],
)
async def test_a_limit_that_is_reached(limit: dict[str, Any], message: str) -> None:
    """Measured on this machine at once; the record has the measured value, the limit and the reason CONDITION."""
    pytest.importorskip("psutil", reason=NEEDS_PSUTIL)
    with pytest.raises(ConditionCancelation, match=f": {message}$"):
        async with Cancelable.with_source(ResourceConditionSource(**limit, check_interval=60)) as operation:
            await anyio.sleep(10)
    assert operation.context.cancel_reason is CancelationReason.CONDITION


async def test_busy_processors() -> None:
    """Measured on this machine, without holding up the event loop."""
    pytest.importorskip("psutil", reason=NEEDS_PSUTIL)
    source, done = ResourceConditionSource(cpu_percent=0.1, check_interval=0.05), threading.Event()

    def work() -> None:
        while not done.is_set():
            pass

    worker = threading.Thread(target=work)
    worker.start()
    try:
        with anyio.fail_after(10):
            with pytest.raises(ConditionCancelation, match=r": CPU at [\d.]+ %, limit 0.1 %$"):
                async with Cancelable.with_source(source):
                    await anyio.sleep_forever()
    finally:
        done.set()
        worker.join()


@pytest.mark.virtual_time
async def test_a_limit_counts_as_reached_at_its_very_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below it nothing happens; the check that finds it names both, and the record's origin is what was measured."""
    Machine(monkeypatch).reads(memory=[89.9, 89.99, 90, 99])
    start = anyio.current_time()
    with pytest.raises(ConditionCancelation, match=r": memory at 90.0 %, limit 90 %$"):
        async with Cancelable.with_source(ResourceConditionSource(memory_percent=90)) as operation:
            await anyio.sleep(10)
    assert anyio.current_time() - start == pytest.approx(2)
    assert operation.context.cancel_origin == "memory"


@pytest.mark.virtual_time
async def test_any_of_several_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was reached is named, and all that are watched are the origin."""
    Machine(monkeypatch).reads(disk=[50, 50, 93.14])
    source = ResourceConditionSource(memory_percent=90, disk_percent=92.55, disk_path="/", check_interval=0.5)
    async with Cancelable.with_source(source, move_on=True) as operation:
        await anyio.sleep(10)
    assert operation.context.cancel_message == "disk / at 93.1 %, limit 92.55 %"
    assert operation.context.cancel_origin == "memory, disk /"


@pytest.mark.virtual_time
@pytest.mark.parametrize("sustained", [3, timedelta(seconds=3)], ids=["seconds", "timedelta"])
async def test_a_limit_that_has_to_be_reached_for_long(
    sustained: float | timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One check below the limit, and the time starts anew."""
    Machine(monkeypatch).reads(memory=[95, 95, 95, 50, 95])
    source, start = ResourceConditionSource(memory_percent=90, sustained=sustained), anyio.current_time()
    async with Cancelable.with_source(source, move_on=True) as operation:
        await anyio.sleep(60)
    assert operation.context.cancel_message == "memory at 95.0 %, limit 90 %, for 3 s"
    assert anyio.current_time() - start == pytest.approx(4 + 3)


@pytest.mark.virtual_time
async def test_different_limits_in_turn_are_not_one_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory and disk are short by turns; neither is for long."""
    Machine(monkeypatch).reads(memory=[95, 50] * 20, disk=[50, 95] * 20)
    source = ResourceConditionSource(memory_percent=90, disk_percent=90, sustained=2)
    async with Cancelable.with_source(source) as operation:
        await anyio.sleep(30.5)
    assert not operation.cancel_requested


@pytest.mark.virtual_time
async def test_the_time_starts_anew_with_each_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a limit was reached in the operation before does not count."""
    Machine(monkeypatch).reads(memory=[95])
    source = ResourceConditionSource(memory_percent=90, sustained=3)
    for _ in range(4):
        async with Cancelable.with_source(source) as operation:
            await anyio.sleep(2.5)
        assert not operation.cancel_requested
    start = anyio.current_time()
    for _ in range(2):
        assert await source.wait() == "memory at 95.0 %, limit 90 %, for 3 s"
    assert anyio.current_time() - start == pytest.approx(2 * 3)


@pytest.mark.virtual_time
async def test_nothing_stays_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation whose limits were not reached leaves no task, and is not measured for any more."""
    machine, asked, tasks = Machine(monkeypatch), list[float](), count_tasks()

    def counted() -> Iterator[float]:
        while True:
            asked.append(anyio.current_time())
            yield 50

    machine.memory = counted()
    async with Cancelable.with_source(ResourceConditionSource(memory_percent=90)):
        await anyio.sleep(1.5)
    assert len(asked) == 2
    await anyio.sleep(5)
    assert len(asked) == 2
    assert count_tasks() == tasks


async def test_measuring_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is slow to answer holds up a worker thread, not the event loop."""
    machine, threads = Machine(monkeypatch), set[threading.Thread]()

    def slow() -> Any:
        for value in (50, 95, 95, 95):
            threads.add(threading.current_thread())
            yield value

    machine.disk = slow()
    source = ResourceConditionSource(disk_percent=90, sustained=0.02, check_interval=0.02, in_thread=True)
    with anyio.fail_after(10):
        async with Cancelable.with_source(source, move_on=True) as operation:
            await anyio.sleep_forever()
    assert operation.context.cancel_message == "disk / at 95.0 %, limit 90 %, for 0.02 s"
    assert threads
    assert threading.current_thread() not in threads


@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_measurement_that_fails(in_thread: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken safety net is not silent."""
    machine, error = Machine(monkeypatch), OSError("the disk is gone")

    def broken() -> Any:
        raise error
        yield

    machine.disk = broken()
    with pytest.raises(ErrorCancelation, match="the disk is gone") as caught:
        async with Cancelable.with_source(ResourceConditionSource(disk_percent=90, in_thread=in_thread)):
            await anyio.sleep(10)
    assert caught.value.__cause__ is error
