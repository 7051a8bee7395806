"""Custom sources that are armed: one that a test fires, and one made of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from hother.cancelable import CancelationReason, CancelationSource, Cause
from hother.cancelable.core import Disarm, Fire


class Wire(CancelationSource):
    """Holds `fire` for the test while it is armed, and notes what is done with it."""

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


class Bundle(CancelationSource):
    """Has its parts watched, and what they say given to `then`, or to the operation."""

    def __init__(self, *parts: CancelationSource, then: Callable[[Cause], object] | None = None) -> None:
        self.parts = parts
        self.then = then

    async def wait(self) -> str | None:
        raise AssertionError("an armed source is not waited for")

    def arm(self, fire: Fire) -> Disarm:
        for part in self.parts:
            if self.then is None:
                fire.watch(part)
            else:
                fire.watch(part, self.then)
        return lambda: None
