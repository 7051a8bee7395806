"""What is found, and how it is told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, NamedTuple

from .places import Place
from .run import Run
from .ways import Way

_MISCOUNTS = sys.version_info < (3, 13)
"""Whether an `asyncio.TaskGroup` leaves `Task.cancelling()` too high that waits when a child fails."""


class Finding(NamedTuple):
    """What is wrong with a run."""

    point: int
    """The number of the suspension point; 0 for the clean run."""
    place: Place | None
    """Where it is."""
    in_child: bool
    """Whether it is one of a task that the function has started."""
    way: Way | None
    """How it was cancelled."""
    what: tuple[str, ...]
    """What went wrong."""


class Checkpoints(NamedTuple):
    """What `cancel_at_each_checkpoint` has done."""

    points: int
    """How many suspension points the clean run had."""
    runs: int
    """How often the function was run and cancelled."""
    missed: int
    """How many of these runs ended before they came to their point."""


def faults(run: Run, raises: tuple[type[BaseException], ...], may_return: bool, limit: float) -> list[str]:
    """Return what a run did wrong by itself."""
    if run.abandoned:
        where = "" if run.stuck_at is None else f": it waits at {run.stuck_at}"
        return [f"had not ended {limit:g} s after it was cancelled{where}"]
    found: list[str] = []
    if run.error is not None and not (run.error_type is not None and issubclass(run.error_type, raises)):
        where = "" if run.error_place is None else f" at {run.error_place}"
        found.append(f"raised {_shortened(run.error)}{where} instead of the cancellation")
    if run.returned and run.delivered and not run.postponed and not may_return:
        found.append("swallowed the cancellation: it came in, and the function returned")
    elif run.lost_requests > 0 or (run.lost_requests and not _MISCOUNTS):
        found.append(_about_requests(run.lost_requests))
    return found + run.variables


def _about_requests(lost: int) -> str:
    if lost > 0:
        return "took back the request to cancel with Task.uncancel(), though it was not its own"
    return f"left Task.cancelling() {-lost} too high, so a later asyncio.timeout would go wrong"


def report(function: Callable[..., Any], findings: Iterable[Finding], done: Checkpoints, notes: Iterable[str]) -> str:
    """Return the text that names every failing point."""
    findings = sorted(findings, key=lambda each: each.point)
    points = [list(each) for _, each in groupby(findings, key=lambda each: each.point)]
    failing = sum(1 for each in points if each[0].point)
    lines = [f"{name_of(function)} does not survive cancellation at {failing} of its {done.points} suspension points"]
    for each in points:
        lines += ["", *_point(each, done.points)]
    return "\n".join([*lines, *(f"\n{note}" for note in notes)])


def name_of(function: Callable[..., Any]) -> str:
    """Return what a report calls a function."""
    inner = getattr(function, "func", function)
    return f"{getattr(inner, '__qualname__', repr(inner)).rpartition('<locals>.')[2]}()"


def _point(findings: list[Finding], points: int) -> list[str]:
    first = findings[0]
    if first.point == 0:
        return ["  run without cancellation", *(f"    it {text}" for text in first.what)]
    lines: list[str] = []
    for place in dict.fromkeys(finding.place for finding in findings):
        here = [finding for finding in findings if finding.place == place]
        child = ", in a task that it has started" if here[0].in_child else ""
        lines.append(f"  point {first.point} of {points}, {place or 'an unknown place'}{child}")
        if place is not None and place.source:
            lines.append(f"    > {place.source}")
        for what in dict.fromkeys(finding.what for finding in here):
            ways = [str(finding.way) for finding in here if finding.what == what]
            lines.append(f"    cancelled {' or '.join(ways)}, it")
            lines += [f"      {text}" for text in what]
    return lines


def _shortened(text: str) -> str:
    first, _, rest = text.strip().partition("\n")
    return f"{first} […]" if rest else first
