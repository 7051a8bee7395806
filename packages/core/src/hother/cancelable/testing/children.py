"""The tasks that a run starts: their suspension points count, too."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import anyio
from anyio.lowlevel import checkpoint

from hother.cancelable.core import current_backend, current_loop

from .driving import Driven, Driver

if TYPE_CHECKING:
    import anyio.abc
    import trio

_EAGER = getattr(getattr(asyncio, "eager_task_factory", None), "__code__", object())

_run: ContextVar[Driver | None] = ContextVar("hother.cancelable.testing.run", default=None)


def mark(driver: Driver) -> None:
    """Have the tasks that the current one starts belong to a run."""
    _run.set(driver)


@contextmanager
def following(driver: Driver) -> Generator[Callable[[], list[Any]]]:
    """Tell a driver of the steps of tasks that belong to it; give the function that returns those that live."""
    loop = current_loop()
    if isinstance(loop, asyncio.AbstractEventLoop):
        with _following_asyncio(loop, driver) as tasks:
            yield lambda: [task for task in tasks if not task.done()]
    else:
        with _following_trio(driver) as tasks:
            yield lambda: [task for task in tasks if task.child_nurseries or task.coro.cr_frame is not None]


@contextmanager
def _following_asyncio(loop: asyncio.AbstractEventLoop, driver: Driver) -> Generator[list[asyncio.Task[Any]]]:
    tasks: list[asyncio.Task[Any]] = []
    before: Any = loop.get_task_factory()
    eager = getattr(before, "__code__", None) is _EAGER
    constructor: Any = before.__closure__[0].cell_contents if eager else asyncio.Task

    def construct(coro: Coroutine[Any, Any, Any], *, loop: asyncio.AbstractEventLoop, **options: Any) -> Any:
        ours = _run.get() is driver
        if ours:
            coro = Driven(coro, driver)
        task = constructor(coro, loop=loop, **options) if eager or before is None else before(loop, coro, **options)
        if ours:
            tasks.append(task)
        return task

    def make(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        return construct(coro, loop=loop, **options)

    if eager:  # anyio knows these by their code, and starts its own tasks later
        loop.set_task_factory(asyncio.create_eager_task_factory(construct))  # type: ignore[attr-defined, unused-ignore]
    else:
        loop.set_task_factory(make)
    try:
        yield tasks
    finally:
        loop.set_task_factory(before)


@contextmanager
def _following_trio(driver: Driver) -> Generator[list[Any]]:
    import trio

    class Steps(trio.abc.Instrument):
        def task_spawned(self, task: trio.lowlevel.Task) -> None:
            if task.context.get(_run) is driver:
                tasks.append(task)

        def after_task_step(self, task: trio.lowlevel.Task) -> None:
            if task is not host and task in tasks:
                driver.suspended(task.coro)

        def task_exited(self, task: trio.lowlevel.Task) -> None:
            if task in tasks:
                tasks.remove(task)

    tasks: list[Any] = []
    host = current_backend()[2]
    steps = Steps()
    trio.lowlevel.add_instrument(steps)
    try:
        with _same_order():
            yield tasks
    finally:
        trio.lowlevel.remove_instrument(steps)


@contextmanager
def _same_order() -> Generator[None]:
    """Have trio, which runs what is ready in an order of chance, choose the same one in each run."""
    dice: Any = getattr(sys.modules["trio._core._run"], "_r", None)
    if not isinstance(dice, random.Random):
        yield
        return
    state = dice.getstate()
    dice.seed(0)
    try:
        yield
    finally:
        dice.setstate(state)


async def end_all(living: Callable[[], list[Any]], group: anyio.abc.TaskGroup) -> None:
    """End the tasks of a run that did not end when they were cancelled, through every shield."""
    for _ in range(100):
        for task in living():
            task.cancel() if isinstance(task, asyncio.Task) else _unshield(task)
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await checkpoint()


def _unshield(task: trio.lowlevel.Task) -> None:
    status: Any = getattr(task, "_cancel_status", None)  # trio has no other way to reach what is shielded
    while status is not None:
        if status._scope.shield:
            status._scope.shield = False
        status = status._parent
