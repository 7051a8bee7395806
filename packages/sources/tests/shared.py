"""What the tests of several modules use."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import anyio

from hother.cancelable import CancelationReason, CancelationSource, Fire
from hother.cancelable.core import Disarm


class Wire(CancelationSource):
    """Is armed, and holds `fire` for the test while it is."""

    reason: ClassVar[CancelationReason] = CancelationReason.DISCONNECT

    def __init__(self, name: str = "the wire", broken: bool = False) -> None:
        self.name = name
        self.broken = broken
        self.log: list[str] = []
        self.armed: Fire | None = None

    @property
    def fire(self) -> Fire:
        assert self.armed is not None
        return self.armed

    async def wait(self) -> str | None:
        raise AssertionError("an armed source is not waited for")

    def arm(self, fire: Fire) -> Disarm:
        if self.broken:
            raise OSError("no wire")
        self.log.append("armed")
        self.armed = fire
        return self._disarm

    def _disarm(self) -> None:
        self.log.append("disarmed")
        self.armed = None


class Gate(CancelationSource):
    """Waits for its event in a task, and fires or fails then."""

    def __init__(self, name: str = "the gate", error: Exception | None = None) -> None:
        self.name = name
        self.error = error
        self.event = anyio.Event()
        self.log: list[str] = []

    async def wait(self) -> str | None:
        self.log.append("started")
        await self.event.wait()
        if self.error is not None:
            raise self.error
        return f"{self.name} is open"


def count_tasks() -> int:
    """Return how many tasks the running loop has, those of trio itself included."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        import trio

        return trio.lowlevel.current_statistics().tasks_living


def count_timers() -> int:
    """Return how many timers an asyncio loop has that are not called off; in other loops they cannot be seen."""
    try:
        loop: Any = asyncio.get_running_loop()
    except RuntimeError:
        return 0
    return sum(not timer.cancelled() for timer in getattr(loop, "_scheduled", ()))
