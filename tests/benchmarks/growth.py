"""How cost grows with what there is of something: each subject in sizes, with the exponent that fits its curve."""

from __future__ import annotations

import math
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from measuring import without_collections

STEEPEST = 1.15
"""The exponent that is still called linear: what no longer fits into a cache of the processor takes longer."""
LIKE_RAW = 0.05
"""How much steeper a curve may be than the raw way beside it, where that is steeper than linear itself."""
FLATTEST = 0.15
"""The exponent that is still called constant."""

Measure = Callable[[int], Awaitable[float]]
"""Returns the seconds of CPU time that something of a size took."""


@dataclass(frozen=True)
class Curve:
    """One line of a plot."""

    name: str
    measure: Measure
    level: bool = False
    """Whether it should not depend on the size."""
    ours: bool = True
    """Whether it is for us to keep it straight: what a raw way does is shown beside."""


@dataclass(frozen=True)
class Subject:
    """What grows: a plot."""

    name: str
    title: str
    axis: str
    sizes: Sequence[int]
    curves: Sequence[Curve]


@dataclass
class Growth:
    """The measured points of a curve."""

    subject: str
    curve: Curve
    points: dict[int, float] = field(default_factory=dict[int, float])
    raw: float = 0.0
    """The exponent of the steepest raw way beside it."""

    @property
    def exponent(self) -> float:
        """How steep it is: over the larger sizes, or over all where it should be level."""
        return exponent(self.points if self.curve.level else larger_half(self.points))

    @property
    def is_fine(self) -> bool:
        """Whether it grows as it should."""
        steepest = FLATTEST if self.curve.level else max(STEEPEST, self.raw + LIKE_RAW)
        return not self.curve.ours or self.exponent <= steepest


def exponent(points: dict[int, float]) -> float:
    """Return the slope of the straight line that fits on logarithmic scales; 0 for fewer than two points."""
    if len(points) < 2:
        return 0.0
    slope, _ = statistics.linear_regression(
        [math.log(size) for size in points], [math.log(max(took, 1e-9)) for took in points.values()]
    )
    return slope


def larger_half(points: dict[int, float]) -> dict[int, float]:
    """Return the larger sizes, three at least: what something costs once hides the growth among the small ones."""
    sizes = sorted(points)
    return {size: points[size] for size in sizes[min(len(sizes) // 2, max(len(sizes) - 3, 0)) :]}


async def grow(subject: Subject, quick: bool) -> list[Growth]:
    """Measure the curves of a subject in turns; small sizes more often, and the least of each counts.

    The garbage collector rests meanwhile: how its passes grow is Python's own matter.
    """
    found = [Growth(subject.name, curve) for curve in subject.curves]
    largest = min(subject.sizes[-1], 1000) if quick else subject.sizes[-1]
    for size in subject.sizes:
        if size > largest:
            break
        for _ in range(rounds(size, quick)):
            for growth in found:
                with without_collections():
                    took = await growth.curve.measure(size)
                growth.points[size] = min(took, growth.points.get(size, math.inf))
    steepest = max((growth.exponent for growth in found if not growth.curve.ours), default=0.0)
    for growth in found:
        growth.raw = steepest
    return found


def rounds(size: int, quick: bool) -> int:
    """Return how often to measure a size."""
    if size > 10_000:
        return 1
    return 3 if quick or size > 1000 else 7
