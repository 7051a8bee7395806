"""The ticker: one timer for each interval of each event loop, and nothing when nobody waits."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, CancelationSource
from hother.cancelable.core import current_loop
from hother.cancelable.sources import ConditionSource
from hother.cancelable.sources.ticker import Ticker, current_ticker

from .asking import Answers, AsyncAnswers, is_idle, now
from .shared import count_tasks


@pytest.mark.virtual_time
async def test_conditions_with_one_interval_tick_together() -> None:
    """They share a timer, whenever they came, sync or async; each other interval has one more."""
    first, second, other = Answers(False), AsyncAnswers(False), Answers(False)
    ticker, start = current_ticker(), now()
    async with Cancelable.with_source(ConditionSource(first, 0.25)):
        await anyio.sleep(0.1)
        async with Cancelable(sources=[ConditionSource(second, 0.25), ConditionSource(other, 0.5)]):
            await anyio.sleep(0.55)
            assert {interval: len(callbacks) for interval, callbacks in ticker._callbacks.items()} == {0.25: 2, 0.5: 1}
            assert ticker._timers.keys() == {0.25, 0.5}
    assert [asked - start for asked in first.asked] == pytest.approx([0, 0.25, 0.5])
    assert [asked - start for asked in second.asked] == pytest.approx([0.1, 0.25, 0.5])
    assert [asked - start for asked in other.asked] == pytest.approx([0.1, 0.6])
    assert is_idle()


@pytest.mark.virtual_time
async def test_one_event_for_all_who_wait() -> None:
    """Tasks that wait for the ticks of an interval take one callback; it goes with the last of them."""
    ticker, log = current_ticker(), list[str]()

    async def wait(name: str, times: int) -> None:
        for _ in range(times):
            await ticker.wait(0.25)
            log.append(name)

    async with anyio.create_task_group() as group:
        for times, name in enumerate("abc", start=1):
            group.start_soon(wait, name, times)
        await anyio.sleep(0.1)
        assert len(ticker._callbacks[0.25]) == 1
        assert ticker._crowds[0.25].size == 3
        await anyio.sleep(0.2)
        assert ticker._crowds[0.25].size == 2
    assert sorted(log[:3]) == ["a", "b", "c"]
    assert sorted(log[3:5]) == ["b", "c"]
    assert log[5:] == ["c"]
    assert is_idle()


@pytest.mark.virtual_time
async def test_waiting_that_is_cancelled() -> None:
    """The others go on waiting; the timer is called off when the last one has gone."""
    ticker, start = current_ticker(), now()
    async with anyio.create_task_group() as group:
        group.start_soon(ticker.wait, 1.0)
        with anyio.move_on_after(0.5):
            await ticker.wait(1.0)
        assert ticker._crowds[1.0].size == 1
    assert now() - start == pytest.approx(1)
    with anyio.move_on_after(0.5) as scope:
        await ticker.wait(1.0)
    assert scope.cancelled_caught
    assert is_idle()


@pytest.mark.virtual_time
async def test_callbacks_that_come_and_go_during_a_tick() -> None:
    """One that is taken off by another is not called any more, one that is added is called from the next tick on."""
    ticker, log = current_ticker(), list[str]()
    removes: dict[str, Callable[[], object]] = {}

    def first() -> None:
        log.append("first")
        removes["second"]()
        removes.setdefault("third", ticker.add(0.25, lambda: log.append("third")))

    removes["first"] = ticker.add(0.25, first)
    removes["second"] = ticker.add(0.25, lambda: log.append("second"))
    await anyio.sleep(0.3)
    assert log == ["first"]
    removes["first"]()
    await anyio.sleep(0.25)
    assert log == ["first", "third"]
    removes["third"]()
    assert is_idle()


@pytest.mark.virtual_time
async def test_the_last_callback_leaves_during_a_tick() -> None:
    """The timer that was set for the next tick is called off; one that comes later begins anew."""
    ticker, log = current_ticker(), list[float]()

    def once() -> None:
        log.append(now())
        remove()

    start = now()
    remove = ticker.add(0.25, once)
    await anyio.sleep(0.3)
    assert is_idle()
    remove()
    remove = ticker.add(0.25, once)
    await anyio.sleep(1)
    assert [at - start for at in log] == pytest.approx([0.25, 0.55])
    assert is_idle()


@pytest.mark.virtual_time
async def test_nothing_is_left() -> None:
    """After operations with conditions of all kinds there is no task more, and no timer that is still to come."""
    await anyio.lowlevel.checkpoint()
    before = count_tasks()
    for make in (Answers, AsyncAnswers):
        for answers in ([False, True], [False, OSError()], [False]):
            sources: list[CancelationSource] = [
                ConditionSource(make(*answers), 3),
                ConditionSource(make(False), 3600),
            ]
            with anyio.move_on_after(10):
                async with Cancelable(sources=sources, move_on=True):
                    await anyio.sleep(60)
    await anyio.wait_all_tasks_blocked()
    assert is_idle()
    assert count_tasks() == before
    loop: Any = current_loop()
    assert all(timer.cancelled() for timer in getattr(loop, "_scheduled", []))


async def test_an_operation_is_free_afterwards() -> None:
    """Neither a predicate nor its operation is held by the ticker, or in a cycle of references."""
    gc.collect()
    gc.disable()
    try:
        for make in (Answers, AsyncAnswers):
            ask = make(False)
            async with Cancelable.with_condition(ask) as operation:
                await anyio.lowlevel.checkpoint()
            refs: list[weakref.ref[Any]] = [weakref.ref(ask), weakref.ref(operation.token)]
            del ask, operation
            await anyio.wait_all_tasks_blocked()
            assert [ref() for ref in refs] == [None, None]
    finally:
        gc.enable()


def test_each_loop_has_its_own() -> None:
    """Loops in two threads, and loops one after the other, have tickers of their own."""
    tickers: list[Ticker] = []
    together = threading.Barrier(2, timeout=10)

    async def main() -> None:
        ask = Answers(False, False, True)
        async with Cancelable.with_condition(ask, 0.01, move_on=True):
            tickers.append(current_ticker())
            assert len(current_ticker()._callbacks[0.01]) == 1
            together.wait()
            await anyio.sleep_forever()
        assert len(ask.asked) == 3
        assert is_idle()

    for backends in (("asyncio", "asyncio"), ("asyncio", "trio")):
        threads = [threading.Thread(target=anyio.run, args=(main,), kwargs={"backend": each}) for each in backends]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert len({id(ticker) for ticker in tickers}) == 4


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_loop_is_free_afterwards(backend: str) -> None:
    """The ticker of a loop does not keep it alive when it has ended."""

    async def main() -> weakref.ref[Any]:
        async with Cancelable(sources=[ConditionSource(Answers(False)), ConditionSource(AsyncAnswers(False))]):
            await anyio.lowlevel.checkpoint()
        return weakref.ref(current_loop())

    loop = anyio.run(main, backend=backend)
    gc.collect()
    assert loop() is None


@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_callback_that_raises() -> None:
    """It is reported as the loop reports callbacks, and the next tick comes all the same."""
    loop = asyncio.get_running_loop()
    reports: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, report: reports.append(report))
    second = anyio.Event()

    def callback() -> None:
        if reports:
            second.set()
        raise OSError("no time")

    remove = current_ticker().add(0.001, callback)
    with anyio.fail_after(10):
        await second.wait()
    remove()
    loop.set_exception_handler(None)
    assert all(isinstance(report["exception"], OSError) for report in reports)
    assert is_idle()
