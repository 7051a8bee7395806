"""What thousands of operations with sources of all kinds leave behind: nothing."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, CancelationError, CancelationSource, CancelationToken
from hother.cancelable.sources import (
    AllOfSource,
    AnyOfSource,
    ConditionSource,
    FileSource,
    ProcessSource,
    SignalSource,
    TimeoutSource,
    TokenSource,
)
from hother.cancelable.sources.ticker import current_ticker

from .shared import count_tasks, count_timers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGUSR1 and SIGUSR2")

BATCH = 100
"""How many operations run side by side."""

ENDINGS = ("completes", "fails", "is cancelled", "is interrupted", "times out", "its source fires")


class World:
    """What the sources of a batch wait for."""

    def __init__(self, folder: Path, process: int) -> None:
        self.token = CancelationToken()
        self.is_over = False
        self.file = folder / "over"
        self.process = process
        self.ended: Counter[str] = Counter()
        self.sources: list[CancelationSource] = []
        self.entered = 0
        self.all_entered = anyio.Event()

    def enter(self) -> None:
        """Count the operations that have begun."""
        self.entered += 1
        if self.entered == BATCH:
            self.all_entered.set()

    async def is_over_async(self) -> bool:
        return self.is_over

    def end(self) -> None:
        """Have every source fire."""
        self.is_over = True
        self.token.cancel_sync("over")
        self.file.touch()
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR2)

    def make(self, number: int) -> CancelationSource:
        """Make a source."""
        source = MAKERS[number % len(MAKERS)](self)
        self.sources.extend(_with_parts(source))
        return source


def _with_parts(source: CancelationSource) -> Iterator[CancelationSource]:
    yield source
    if isinstance(source, (AnyOfSource, AllOfSource)):
        for part in source.sources:
            yield from _with_parts(part)


def _condition(world: World) -> ConditionSource:
    return ConditionSource(lambda: world.is_over, check_interval=0.01)


MAKERS: list[Callable[[World], CancelationSource]] = [
    lambda world: TokenSource(world.token),
    lambda world: SignalSource(signal.SIGUSR1),
    lambda world: SignalSource(signal.SIGUSR2, signal.SIGUSR1),
    _condition,
    lambda world: ConditionSource(world.is_over_async, check_interval=0.01),
    lambda world: TimeoutSource(60, "long") | TokenSource(world.token) | SignalSource(signal.SIGUSR2),
    lambda world: TimeoutSource(60) | ConditionSource(world.is_over_async, check_interval=0.02),
    lambda world: AllOfSource(TimeoutSource(0.001), SignalSource(signal.SIGUSR1), _condition(world)),
    lambda world: (TokenSource(world.token) & SignalSource(signal.SIGUSR2)) | TimeoutSource(60, "long"),
]
"""Each fires when the world ends."""

if find_spec("watchfiles") is not None:
    MAKERS.append(lambda world: FileSource(world.file, "created") | TokenSource(world.token))
if hasattr(os, "pidfd_open") or find_spec("psutil") is not None:
    MAKERS.append(lambda world: ProcessSource(world.process) | TokenSource(world.token))


async def _run(world: World, number: int) -> None:
    """Run one operation, to an end that depends on its number."""
    ending = ENDINGS[number // len(MAKERS) % len(ENDINGS)]
    timeout = 0.002 if ending == "times out" else None
    with anyio.CancelScope() as scope:
        try:
            async with Cancelable(timeout=timeout, sources=[world.make(number)]) as operation:
                world.enter()
                await anyio.lowlevel.checkpoint()
                if ending == "fails":
                    raise KeyError
                if ending == "is cancelled":
                    await operation.cancel()
                if ending == "is interrupted":
                    scope.cancel()
                if ending != "completes":
                    await anyio.sleep_forever()
        except (KeyError, CancelationError):
            pass
    world.ended[operation.context.status.value] += 1


async def _batch(world: World, first: int) -> None:
    async with anyio.create_task_group() as group:
        for number in range(first, first + BATCH):
            group.start_soon(_run, world, number)
        await world.all_entered.wait()
        world.end()


async def _run_all(operations: int, folder: Path, process: int) -> Counter[str]:
    ended: Counter[str] = Counter()
    for first in range(0, operations, BATCH):
        world = World(folder, process)
        with anyio.fail_after(20):
            await _batch(world, first)
        assert [source for source in world.sources if "_used_by" in vars(source)] == []
        assert not world.token._listeners
        world.file.unlink()
        ended += world.ended
    await anyio.wait_all_tasks_blocked()
    for thread in threading.enumerate():
        if thread.name.startswith("watching "):  # it ends soon after the last of its listeners
            thread.join(10)
    return ended


def _surroundings() -> dict[str, Any]:
    """Everything that the sources could have left something in."""
    ticker = current_ticker()
    seen: dict[str, Any] = {
        "tasks": count_tasks(),
        "timers": count_timers(),
        "handlers": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "polled": {name: dict(getattr(ticker, name)) for name in type(ticker).__slots__},
    }
    try:
        loop: Any = asyncio.get_running_loop()
    except RuntimeError:
        return seen
    return seen | {"handlers of the loop": dict(getattr(loop, "_signal_handlers", {}))}


def _threads() -> set[threading.Thread]:
    """Return the threads but those of the runner: trio takes some as a guest of anyio's plugin."""
    return {each for each in threading.enumerate() if not each.name.startswith("Trio thread ")}


def _alive() -> Counter[str]:
    """Count the objects of ours that are alive."""
    gc.collect()
    kinds = (type(each) for each in gc.get_objects())
    return Counter(kind.__qualname__ for kind in kinds if str(kind.__module__).startswith("hother.cancelable"))


@pytest.fixture
def process() -> Iterator[int]:
    """Give the id of a process that outlives the test."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child.pid
        child.communicate(b"\n")


@pytest.fixture
def received() -> Iterator[Counter[int]]:
    """Count the signals that the handlers of the program see; without any the first signal too many would be fatal."""
    seen: Counter[int] = Counter()
    before = {
        number: signal.signal(number, lambda number, _: seen.update([number]))
        for number in (signal.SIGUSR1, signal.SIGUSR2)
    }
    yield seen
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.timeout(60)
async def test_thousands_of_operations_leave_nothing(tmp_path: Path, process: int, received: Counter[int]) -> None:
    """After 10,000 operations there is no task, timer, handler, thread, registration, claim or object of ours left."""
    await _run_all(5 * BATCH, tmp_path, process)  # what is made once and kept, is made here
    before, threads, alive = _surroundings(), _threads(), _alive()
    ended = await _run_all(10_000, tmp_path, process)
    assert ended.total() == 10_000
    assert received == {signal.SIGUSR1: 105, signal.SIGUSR2: 105}
    assert min(ended["completed"], ended["failed"], ended["cancelled"]) > 1000
    assert _surroundings() == before
    assert _threads() - threads == set()
    assert _alive() - alive == Counter()
