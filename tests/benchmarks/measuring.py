"""Rows of the benchmark, and how they are measured: ours and the raw way in turns, in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Work = Callable[[], Awaitable[float]]
"""One round of a row; returns what it measured, per operation."""


@dataclass(frozen=True)
class Row:
    """One line of the table: a limit on the ratio of ours to the raw way, or on the difference of the two."""

    path: str
    raw_way: str
    limit: float
    ours: Work
    raw: Work
    unit: str = "µs"
    difference: bool = False
    rounds: int = 9


@dataclass(frozen=True)
class Result:
    """What a row came to."""

    row: Row
    ours: float
    raw: float

    @property
    def value(self) -> float:
        """The number that has a limit."""
        return self.ours - self.raw if self.row.difference else self.ours / self.raw

    @property
    def within(self) -> bool:
        """Whether it keeps the limit."""
        return self.value <= self.row.limit


async def measure(row: Row) -> Result:
    """Return the medians of interleaved rounds; the first one only warms up."""
    ours: list[float] = []
    raw: list[float] = []
    for _ in range(row.rounds + 1):
        raw.append(await row.raw())
        ours.append(await row.ours())
    return Result(row, statistics.median(ours[1:]), statistics.median(raw[1:]))


def per_call(block: Callable[[int], Awaitable[None]], times: int = 3000) -> Work:
    """Measure a coroutine function that repeats something; the result is in microseconds for one time."""

    async def work() -> float:
        start = time.perf_counter()
        await block(times)
        return (time.perf_counter() - start) / times * 1e6

    return work
