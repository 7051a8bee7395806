"""Running a function again and again, cancelled at another point each time."""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Any, cast

import anyio

from hother.cancelable.core import positive_seconds

from .leftovers import Inventory, Leftover, kinds
from .report import Checkpoints, Finding, faults, name_of, report
from .run import Run
from .ways import Way

DEFAULT_WAYS = (Way.NATIVE, Way.TOKEN, Way.TIMEOUT)

GIVE_UP = 3
"""How many runs that do not end are enough."""

OPENED_ONCE = (
    "No further point was tried after that. If it is meant to stay, like what is opened once for the whole process, "
    "open it before, or allow it with allow=."
)

AsyncFunction = Callable[..., Awaitable[Any]]
Check = Callable[..., Any]


class Campaign:
    """All runs of one function; see `cancel_at_each_checkpoint`."""

    def __init__(
        self,
        function: AsyncFunction,
        args: tuple[Any, ...],
        *,
        fresh: Callable[..., Any] | None,
        invariant: Check | None,
        ways: Collection[Way | str],
        raises: type[BaseException] | tuple[type[BaseException], ...],
        may_return: bool,
        allow: Collection[Leftover | str],
        limit: float,
        budget: int,
        seed: int,
    ) -> None:
        self.function: AsyncFunction = required(function)
        self.args = args
        self.fresh: Callable[..., Any] | None = _function_or_none(fresh, "fresh")
        self.invariant: Check | None = _function_or_none(invariant, "invariant")
        self.ways: tuple[Way, ...] = _ways(ways)
        self.raises: tuple[type[BaseException], ...] = _exceptions(raises)
        self.may_return = may_return
        self.allow: list[Leftover] = kinds(allow)
        self.limit: float = positive_seconds(limit, "limit")
        if not isinstance(budget, int) or budget < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"the budget must be a whole number of runs, at least one, not {budget!r}")
        self.budget = budget
        self.seed = seed
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.sampled: str | None = None
        self.runs: int = 0
        self.missed: int = 0
        self.given_up: int = 0
        self.previous: Run | None = None

    async def run(self) -> Checkpoints:
        """Run the function clean, and once for each point and way; raise if it fails one."""
        clean = Run()
        await self._once(clean)
        if clean.raised is not None:
            raise _of_clean_run(self.function, clean.raised)
        for way, point in self._plan(clean.points):
            if self.notes or await self._stays_broken():
                break
            run = Run(way, point, clean.seconds)
            await self._once(run)
            self.runs += 1
            self.missed += not run.cancelled
            self._met(run)
            self.previous = run
        done = Checkpoints(clean.points, self.runs, self.missed)
        if self.findings:
            notes = self.notes if self.sampled is None else [*self.notes, self.sampled]
            raise AssertionError(report(self.function, self.findings, done, notes))
        if self.runs and self.missed == self.runs:
            raise AssertionError(
                f"none of the {clean.points} suspension points of {name_of(self.function)} was met again: each run "
                "must find things as they were; make them in the function, or with fresh="
            )
        return done

    def _met(self, run: Run) -> None:
        """Raise if a run failed or waited before it came to its point, which says nothing of cancellation."""
        if run.abandoned and not run.cancelled:
            happened = f"waited {run.patience:.2g} s at {run.stuck_at or 'an unknown place'}"
        elif run.raised is not None:
            happened = f"raised {run.raised!r}"
        else:
            return
        text = (
            f"run {self.runs + 1} of {name_of(self.function)} {happened} before it came to point {run.point}, though "
            f"the first run had gone well{self._blamed()}each run must find things as they were; make them in the "
            "function, or with fresh="
        )
        if not self.findings:
            raise AssertionError(text) from run.raised
        self.notes.append(f"No further point was tried: {text}.")

    def _blamed(self) -> str:
        last = self.previous
        if last is None:
            return ": "
        at = f"point {last.point}" if last.place is None else f"point {last.point}, {last.place}"
        return f". An earlier run may be at fault (the last was cancelled {last.way} at {at}). If none is, "

    def _plan(self, points: int) -> Iterator[tuple[Way, int]]:
        """Yield how and where to cancel: everything, or as much as the budget allows, first and last included."""
        chosen: Collection[int] = range(1, points + 1)
        room = max(1, self.budget // len(self.ways))
        if points > room:
            ends = {1, points} if room > 1 else {points}
            others = random.Random(self.seed).sample(range(2, points), room - len(ends))
            chosen = sorted(ends.union(others))
            self.sampled = f"{room} of {points} points were tried, chosen with the seed {self.seed}"
        return ((way, point) for point in chosen for way in self.ways)

    async def _once(self, run: Run) -> None:
        made = None if self.fresh is None else await _called(self.fresh)
        state = () if made is None else (made,)
        call = functools.partial(_coroutine, self.function, *state, *self.args)
        with Inventory(self.allow) as inventory:
            await run.run(call, self.limit)
            left = [] if run.abandoned else await inventory.left(self.limit)
        if run.abandoned and not run.cancelled:
            return
        what = [*faults(run, self.raises, self.may_return, self.limit), *left]
        if Leftover.CONTEXT_VARIABLE in self.allow:
            what = [each for each in what if each not in run.variables]
        if run.raised is None and not run.abandoned and (broken := await self._broken(state)):
            what.append(f"broke the invariant: {broken}")
        if what and run.raised is None:
            self.findings.append(Finding(run.point, run.place, run.in_child, run.way, tuple(what)))
        self.given_up += run.abandoned
        if left and run.way is None:
            self.notes.append(OPENED_ONCE)
        elif self.given_up == GIVE_UP or (what and run.way is None):
            self.notes.append("No further point was tried after that.")

    async def _broken(self, state: tuple[Any, ...]) -> str | None:
        if self.invariant is None:
            return None
        try:
            outcome = await _called(self.invariant, *state)
        except Exception as error:
            return f"{type(error).__name__}: {error}".strip(": ")
        return f"{name_of(self.invariant)} is False" if outcome is False else None

    async def _stays_broken(self) -> bool:
        """Tell whether the invariant does not hold before a run, which would say nothing of that run."""
        broken = self.fresh is None and bool(self.findings) and await self._broken(()) is not None
        if broken:
            self.notes.append(
                "No further point was tried: the invariant stays broken. With fresh= each run would find things new."
            )
        return broken


def required(function: object) -> AsyncFunction:
    """Return a function that can be run again and again.

    Raises:
        TypeError: If it is none.
    """
    if inspect.iscoroutine(function):
        function.close()
        raise TypeError(f"{function!r} can run only once: give the function itself, and its arguments after it")
    if not callable(function):
        raise TypeError(f"the function must be an async function, not {function!r}")
    if inspect.isasyncgenfunction(inspect.unwrap(function)):
        raise TypeError(f"{function!r} is an async generator function: give a function that iterates it")
    return cast("AsyncFunction", function)


def _function_or_none(value: Any, name: str) -> Any:
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a function that can be called for each run, not {value!r}")
    return value


def _exceptions(raises: Any) -> tuple[type[BaseException], ...]:
    found: tuple[Any, ...] = raises if isinstance(raises, tuple) else (raises,)  # pyright: ignore[reportUnknownVariableType]
    for each in found:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise TypeError(f"raises must be an exception class or a tuple of them, not {raises!r}")
    return found


def _ways(ways: Collection[Way | str]) -> tuple[Way, ...]:
    if isinstance(ways, str):
        raise TypeError(f"ways must be a collection of ways, not {ways!r}: write ways=[{ways!r}]")
    try:
        found = tuple(dict.fromkeys(Way(way) for way in ways))
    except ValueError:
        raise ValueError(f"ways must be some of {', '.join(repr(way.value) for way in Way)}, not {ways!r}") from None
    if not found:
        raise ValueError("ways is empty: name at least one")
    return found


async def _coroutine(function: AsyncFunction, *args: Any) -> Any:
    awaitable = function(*args)
    if not inspect.isawaitable(awaitable):
        raise TypeError(f"{name_of(function)} returned {awaitable!r}, which cannot be awaited: give an async function")
    return await awaitable


async def _called(function: Callable[..., Any], *args: Any) -> Any:
    outcome = function(*args)
    return await outcome if inspect.isawaitable(outcome) else outcome


def _of_clean_run(function: AsyncFunction, error: BaseException) -> BaseException:
    if isinstance(error, anyio.get_cancelled_exc_class()):
        return AssertionError(f"{name_of(function)} was cancelled in its first run, and not by the kit: {error!r}")
    return error
