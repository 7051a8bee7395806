"""A machine whose load the test sets, in the place of what psutil measures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import pytest

Reading = TypeVar("Reading")


class CpuTimes(NamedTuple):
    """As Linux counts them: what guests use is part of the user's time."""

    user: float
    idle: float
    iowait: float = 0.0
    guest: float = 0.0


IDLE = CpuTimes(user=0, idle=100)


class Used(NamedTuple):
    """What psutil tells of memory and disks."""

    percent: float


class Machine:
    """Gives one reading after the other, and the last one for ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.memory = _readings([50.0])
        self.disk = _readings([50.0])
        self.cpu = _readings([IDLE])
        psutil = pytest.importorskip("psutil", reason="resources are measured with psutil, which is not installed")
        monkeypatch.setattr(psutil, "virtual_memory", lambda: Used(next(self.memory)))
        monkeypatch.setattr(psutil, "disk_usage", lambda _: Used(next(self.disk)))
        monkeypatch.setattr(psutil, "cpu_times", lambda: next(self.cpu))
        monkeypatch.delattr(psutil, "cpu_percent", raising=False)  # it has one memory for all that use it

    def reads(
        self, memory: Iterable[float] = (50,), disk: Iterable[float] = (50,), cpu: Iterable[CpuTimes] = (IDLE,)
    ) -> None:
        """Set what is read from now on."""
        self.memory, self.disk, self.cpu = _readings(memory), _readings(disk), _readings(cpu)


def _readings(values: Iterable[Reading]) -> Iterator[Reading]:
    last = None
    for last in values:
        yield last
    while last is not None:
        yield last
