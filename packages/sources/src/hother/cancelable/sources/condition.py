"""A source that fires when a condition becomes true."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from datetime import timedelta

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from hother.cancelable import CancelationSource
from hother.cancelable.core import Disarm, Fire, positive_seconds

from .names import optional_name
from .polling import Polling
from .slowness import name_slow
from .ticker import current_ticker

SLOW = 0.05
"""How long a predicate may hold up the event loop before it is named, in seconds."""

THREADS = 40
"""How many predicates of an event loop are asked in threads at a time."""

_limiter: RunVar[CapacityLimiter] = RunVar("hother.cancelable.sources.limiter")

Predicate = Callable[[], object]
"""Returns anything that is true or false, or an awaitable of that."""


class ConditionSource(CancelationSource):
    """Fires when a predicate returns true. It is asked on entry, and then at an interval.

    A sync predicate runs on the event loop and should return at once; one that takes more than 50 ms is named in a
    `RuntimeWarning` at its own line, once in a process. An async predicate runs in a task beside the operation's body.
    A predicate that raises ends the operation with the reason ERROR.

    All conditions of an event loop share one ticker, and those with the same interval are asked together. So 1,000
    conditions that are asked every 0.1 s take, of one core, about

    - 1 to 2 % with sync predicates;
    - 5 to 6 % on asyncio and 13 % on trio with async ones, since each takes a task;
    - 60 to 100 % with `in_thread`;
    - 10 % and more where their intervals differ, most on trio, since only those with the same one are asked together.

    Where something can tell you of a change, an `anyio.Event` and a source of your own cost less.

    Args:
        predicate: Returns whether to end, as anything that is true or false; sync or async. It sees the context
            variables of the operation.
        check_interval: How often it is asked, in seconds or as a `timedelta`.
        condition_name: What the operation's record calls it; the name of the predicate, unless given.
        in_thread: Ask a sync predicate in a worker thread. A thread that is busy when the operation ends is left alone;
            on asyncio, Python waits for one that is busy when the program ends.

    Raises:
        TypeError: If the predicate cannot be called, or is async while `in_thread` is set, or the interval is no time
            span, or the name no str.
        ValueError: If the interval is zero, negative or NaN.

    Example:
        ```python
        import anyio

        from hother.cancelable import Cancelable, ConditionCancelation
        from hother.cancelable.sources import ConditionSource


        async def main() -> None:
            done: list[int] = []
            enough = ConditionSource(lambda: len(done) >= 3, check_interval=0.01, condition_name="three are done")
            try:
                async with Cancelable.with_source(enough):
                    while True:
                        await anyio.sleep(0.02)
                        done.append(1)
            except ConditionCancelation as error:
                print(error.message)
                #> the condition 'three are done' became true


        anyio.run(main)
        ```
    """

    def __init__(
        self,
        predicate: Predicate,
        check_interval: float | timedelta = 0.1,
        condition_name: str | None = None,
        in_thread: bool = False,
    ) -> None:
        if not callable(predicate):  # pyright: ignore[reportUnnecessaryComparison]
            raise TypeError(f"the predicate must be a function without arguments, not {predicate!r}")
        self._is_async = _is_async(predicate)
        if in_thread and self._is_async:
            raise TypeError(f"an async predicate runs on the event loop, not in a thread: {predicate!r}")
        self.predicate: Predicate = predicate
        self.check_interval: float = positive_seconds(check_interval, "check_interval")
        self.in_thread: bool = in_thread
        self.name: str = optional_name(condition_name, "condition_name") or _name_of(predicate)
        self._was_sync = False

    async def wait(self) -> str:
        """Ask until the answer is true."""
        ticker = current_ticker()
        while not await self._answer():
            await ticker.wait(self.check_interval)
        return self._message()

    def arm(self, fire: Fire) -> Disarm | None:
        """Ask now, and have the ticker ask from then on; a predicate that takes a task or a thread is waited for."""
        if self._is_async or self.in_thread:
            return None
        stop = Polling(self._ask, fire, self._message).start(self.check_interval)
        if self._is_async:  # its first answer has to be awaited
            stop()
            return None
        return stop

    def _ask(self) -> bool:
        """Ask a sync predicate on the event loop."""
        started = time.perf_counter()
        answer = self.predicate()
        seconds = time.perf_counter() - started
        if seconds > SLOW:
            name_slow(self.predicate, self.name, seconds)
        if not isinstance(answer, bool) and inspect.isawaitable(answer):
            _discard(answer)
            if self._was_sync:
                raise TypeError(f"the condition {self.name!r} gave a plain answer first, and then {answer!r}")
            self._is_async = True
            return False
        self._was_sync = True
        return bool(answer)

    async def _answer(self) -> bool:
        """Ask a predicate that takes a task or a thread."""
        if self.in_thread:
            # In a tuple, since trio takes a function that returns a coroutine for one that was meant to be awaited.
            (answer,) = await to_thread.run_sync(
                lambda: (self.predicate(),), abandon_on_cancel=True, limiter=thread_limiter()
            )
        else:
            answer = self.predicate()
        return bool(await answer if inspect.isawaitable(answer) else answer)

    def _message(self) -> str:
        return f"the condition {self.name!r} became true"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def thread_limiter() -> CapacityLimiter:
    """Return what bounds the threads of this loop's conditions, so that hanging ones leave the program its own."""
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = CapacityLimiter(THREADS)
        _limiter.set(limiter)
    return limiter


def _is_async(predicate: Callable[[], object]) -> bool:
    return inspect.iscoroutinefunction(predicate) or inspect.iscoroutinefunction(type(predicate).__call__)


def _name_of(predicate: Callable[[], object]) -> str:
    function = getattr(predicate, "func", predicate)  # of functools.partial
    name: str = getattr(function, "__name__", type(function).__name__)
    return name


def _discard(answer: object) -> None:
    """Let a coroutine that nobody will await end without a warning."""
    if inspect.iscoroutine(answer):
        answer.close()
