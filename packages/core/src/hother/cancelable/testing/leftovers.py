"""What code may leave behind, and how it is found."""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from contextvars import Context, ContextVar, copy_context
from enum import StrEnum
from typing import Any, Self

import anyio
from anyio.lowlevel import checkpoint

from hother.cancelable.core import positive_seconds

from .generators import GeneratorWatch
from .places import place_of
from .registrations import RegistrationWatch
from .threads import working_threads

TURNS = 10
"""How many turns of the event loop what was told to end may take."""

_COLLECTIONS = {TURNS: 1, 2 * TURNS: 2}
"""After how many turns which generations are collected: what hangs in a cycle is no leftover, and mostly young."""

_LAZY = ("decimal_context",)
"""Context variables that belong to a library, which sets them when they are first used."""

_UNSET = object()


class Leftover(StrEnum):
    """A kind of thing that can be left behind."""

    TASK = "task"
    """A task that goes on."""
    THREAD = "thread"
    """A thread that still works at the end of the limit."""
    REGISTRATION = "registration"
    """Something that waits on a `CancelationToken`."""
    SIGNAL_HANDLER = "signal handler"
    """A signal handler that is another one than before."""
    CONTEXT_VARIABLE = "context variable"
    """A context variable with another value than before."""
    GENERATOR = "async generator"
    """An async generator that is still open, or was left to the garbage collector."""


ALL = frozenset(Leftover)


class Inventory:
    """What there was when it was made, to be compared with what there is later.

    Use it as a context manager around the code, on the event loop.

    Args:
        allowed: Kinds that are not looked for.
    """

    def __init__(self, allowed: Collection[Leftover] = ()) -> None:
        self._wanted = ALL.difference(allowed)
        self._generators = GeneratorWatch()
        self._registrations = RegistrationWatch()

    def __enter__(self) -> Self:
        self._tasks = {task.id for task in anyio.get_running_tasks()}
        self._threads = frozenset(threading.enumerate())
        self._busy = frozenset(working_threads(self._threads))
        self._signals = _signal_handlers()
        self._generators.open()
        self._registrations.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._registrations.close()
        self._generators.close()

    async def left(self, limit: float) -> list[str]:
        """Wait until nothing is left behind, and return what is after all.

        What ends by itself in the next turns of the loop is none; threads may take their time.

        Args:
            limit: How long threads may work on, in real seconds.
        """
        until = time.monotonic() + limit
        turns = 0
        while (found := self._found()) and turns < 3 * TURNS:
            if self._working() and time.monotonic() < until:
                time.sleep(0.001)  # noqa: ASYNC251  # virtual clocks would not wait for the thread
            else:
                turns += 1
                if turns in _COLLECTIONS:
                    gc.collect(_COLLECTIONS[turns])
            await checkpoint()
        return found

    def _working(self) -> list[threading.Thread]:
        if Leftover.THREAD not in self._wanted:
            return []
        return [thread for thread in working_threads(self._threads) if thread not in self._busy]

    def _found(self) -> list[str]:
        found: list[str] = []
        if Leftover.TASK in self._wanted:
            new = [task for task in anyio.get_running_tasks() if task.id not in self._tasks and not _of_runner(task)]
            found += [f"left the task {task.name!r} running{_at(task.coro)}" for task in new]
        found += [f"left the thread {thread.name!r} working" for thread in self._working()]
        if Leftover.SIGNAL_HANDLER in self._wanted:
            now = _signal_handlers()
            names = [signal.Signals(number).name for number, handler in self._signals.items() if now[number] != handler]
            found += [f"left another handler for {name}" for name in names]
        if Leftover.REGISTRATION in self._wanted:
            found += self._registrations.left()
        if Leftover.GENERATOR in self._wanted:
            found += self._generators.left()
        return found


@asynccontextmanager
async def nothing_left_behind(*, allow: Collection[Leftover | str] = (), limit: float = 5.0) -> AsyncGenerator[None]:
    """Assert that a block leaves nothing behind when it ends, in whatever way.

    Looked for are tasks, threads at work, registrations on tokens, signal handlers, context variables and open async
    generators that were not there before. Registrations and generators are seen if they are made in this thread
    while the block runs.

    Args:
        allow: The kinds that may be left.
        limit: How long threads may go on after the block, in real seconds.

    Raises:
        AssertionError: If something is left; names it. Where the block has raised, that is its `__context__`.
        ValueError: If the limit is zero, negative or NaN, or a kind is none.

    Example:
        ```python
        import asyncio

        from hother.cancelable.testing import nothing_left_behind


        async def main() -> None:
            try:
                async with nothing_left_behind():
                    task = asyncio.create_task(asyncio.sleep(60), name="poller")
            except AssertionError as error:
                print("poller" in str(error))
                #> True
            task.cancel()


        asyncio.run(main())
        ```
    """
    limit = positive_seconds(limit, "limit")
    before = copy_context()
    with Inventory(kinds(allow)) as inventory:
        try:
            yield
        finally:
            found = await inventory.left(limit)
            if Leftover.CONTEXT_VARIABLE not in allow:
                found += changed_variables(before)
            if found:
                raise AssertionError("\n  ".join(["the block left something behind:", *found]))


def kinds(allow: Collection[Leftover | str]) -> list[Leftover]:
    """Return what users may name as plain strings.

    Raises:
        ValueError: If there is no such kind.
    """
    if isinstance(allow, str):
        raise TypeError(f"allow must be a collection of kinds, not {allow!r}: write allow=[{allow!r}]")
    try:
        return [Leftover(each) for each in allow]
    except ValueError as error:
        raise ValueError(f"allow: {error}; the kinds are {', '.join(map(repr, map(str, Leftover)))}") from None


def changed_variables(before: Context) -> list[str]:
    """Return what to say of the context variables that have another value than before."""
    now = copy_context()
    changed = [
        variable
        for variable in now
        if now[variable] is not (was := _value(before, variable)) and not (was is _UNSET and variable.name in _LAZY)
    ]
    return [f"left the context variable {variable.name!r} set to {now[variable]!r}" for variable in changed]


def _value(context: Context, variable: ContextVar[Any]) -> object:
    """Return what a variable says in a context, which is its default if it was not set there."""
    try:
        return context.run(variable.get)
    except LookupError:
        return _UNSET


def _signal_handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def _of_runner(task: anyio.TaskInfo) -> bool:
    """Tell the task in which anyio's pytest plugin waits: a fixture has another one at its end than at its start."""
    return getattr(task.coro, "__qualname__", "").startswith("TestRunner.")


def _at(coroutine: object) -> str:
    place = place_of(coroutine)
    return "" if place is None else f", at {place}"
