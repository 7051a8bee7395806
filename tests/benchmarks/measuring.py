"""Rows of the benchmark, and how they are measured: ours, the raw way and others in turns, in one run."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

Work = Callable[[], Awaitable[float]]
"""One round of a row; returns what it measured, per operation."""

LOOPS = ("asyncio", "uvloop", "trio")
NOISE = 0.25
"""How far the middle half of the raw way's rounds may lie apart, as a share of their median."""
AGAIN = 2
"""How often a row is measured again at most, where the machine was too busy."""
QUIETLY: dict[str, Any] = {"move_on": True}
"""How an operation is left without an exception; empty for a version that has no way."""


@dataclass(frozen=True)
class Row:
    """One line of the table: a limit on the ratio of ours to the raw way, or on the difference of the two."""

    path: str
    raw_way: str
    limit: float | None
    ours: Work
    raw: Work
    unit: str = "µs"
    difference: bool = False
    rounds: int = 25
    others: Mapping[str, Work] = field(default_factory=dict[str, Work])
    """What somebody may pick instead, by name; on asyncio."""
    loops: tuple[str, ...] = LOOPS
    former: bool = True
    """Whether the predecessor can run it."""


@dataclass(frozen=True)
class Result:
    """What a row came to on one loop."""

    row: Row
    loop: str
    samples: Mapping[str, list[float]]
    """All rounds by what was measured: `ours`, `raw`, the others; `0.11.3` and what was raw beside it."""

    def median(self, name: str) -> float | None:
        """Return the middle of some rounds; None where there are none."""
        return statistics.median(self.samples[name]) if self.samples.get(name) else None

    @property
    def value(self) -> float:
        """The number that has a limit."""
        return self.against("ours", "raw") or 0.0

    def against(self, name: str, raw: str) -> float | None:
        """Return the median ratio of two ways in one turn, or difference; None where one was not measured."""
        turns = zip(self.samples.get(name, ()), self.samples.get(raw, ()), strict=False)
        compared = [ours - theirs if self.row.difference else ours / theirs for ours, theirs in turns]
        return statistics.median(compared) if compared else None

    @property
    def spread(self) -> float:
        """How far the middle half of the raw way's rounds lies apart, as a share of their median."""
        return spread(self.samples["raw"])

    @property
    def is_noisy(self) -> bool:
        """Whether the machine was too busy with other things to tell."""
        return self.spread > NOISE

    @property
    def within(self) -> bool:
        """Whether it keeps the limit, where it has one."""
        return self.row.limit is None or self.value <= self.row.limit


class Watch:
    """Adds up the CPU time of this thread in `with` blocks."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._start = 0.0

    def __enter__(self) -> Self:
        self._start = time.thread_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.thread_time() - self._start


@contextmanager
def without_collections() -> Generator[None]:
    """Let the garbage collector rest: when its passes fall is luck, and how long they take is Python's own matter."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def spread(values: Iterable[float]) -> float:
    """Return the distance of the quartiles as a share of the median; 0 for fewer than four values."""
    listed = sorted(values)
    if len(listed) < 4:
        return 0.0
    lower, middle, upper = statistics.quantiles(listed, n=4, method="inclusive")
    return (upper - lower) / middle if middle else 0.0


async def measure(row: Row, loop: str, quick: bool, former: Callable[[str], Mapping[str, float]] | None) -> Result:
    """Return interleaved rounds, each in the opposite order of the one before; the first ones only warm up.

    Args:
        row: What to measure.
        loop: The loop that runs this.
        quick: Take fewer rounds.
        former: Measures one round of a path with the predecessor and with the raw way beside it.
    """
    works = [("raw", row.raw), ("ours", row.ours), *(row.others.items() if loop == "asyncio" else ())]
    samples: dict[str, list[float]] = {name: [] for name, _ in works}
    for number in range(1 + (max(row.rounds // 5, min(row.rounds, 3)) if quick else row.rounds)):
        found = {name: await work() for name, work in works}
        works.reverse()
        if former is not None and row.former:
            found.update(former(row.path))
        for name, value in found.items() if number else ():
            samples.setdefault(name, []).append(value)
    return Result(row, loop, samples)


async def measure_in_calm(
    row: Row, loop: str, quick: bool, former: Callable[[str], Mapping[str, float]] | None
) -> Result:
    """Measure, and where the machine was too busy once or twice more; return what the calmest time gave.

    A difference of microseconds depends on how fast the machine runs just then, so that is measured three times, and
    the time when the raw way was fastest counts.
    """
    depends = row.difference and row.unit == "µs"
    results = [await measure(row, loop, quick, former)]
    for _ in range(0 if quick else AGAIN):
        if not (depends or results[-1].is_noisy):
            break
        results.append(await measure(row, loop, quick, former))
    return min(results, key=lambda each: each.median("raw") or 0.0 if depends else each.spread)


def per_call(block: Callable[[int], Awaitable[None]], times: int = 300) -> Work:
    """Measure a coroutine function that repeats something; the result is in microseconds of CPU time for one time."""

    async def work() -> float:
        with Watch() as watch:
            await block(times)
        return watch.seconds / times * 1e6

    return work
