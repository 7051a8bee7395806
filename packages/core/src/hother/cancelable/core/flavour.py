"""Whether a cancelled operation may also raise an `asyncio.CancelledError`, and what becomes of it.

A `CancelledError` that ends a task in a task group, in `gather` or in a portal gets lost on the way: siblings die and
the group ends as if all were well. So an exception that somebody waits for is a plain one. Only where nobody watches
the task is it *also* a `CancelledError`, so that `except asyncio.CancelledError` around the block catches it.

Two gaps remain, on asyncio alone. A task that nobody watched until it had ended by such an exception, and that is
awaited only then in a child of a task group, looks to that group like a child that was cancelled. And where the main
task hosts a task group, and a child fails while the exception passes through, the group raises the child's error alone.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Collection
from typing import Any

from .exceptions import CancelationError

_both: dict[tuple[type[CancelationError], bool], type[CancelationError]] = {}
"""The classes that are also a `CancelledError`, and whether what becomes of them is reported."""
_eager: Collection[Any] = getattr(asyncio.tasks, "_eager_tasks", ())
"""The tasks that run before whoever makes them has them, on Python 3.12 and later."""


def for_task(task: Any, kind: type[CancelationError], message: str | None) -> CancelationError:
    """Return an exception of the flavour that is safe to raise in the native task that runs this."""
    try:
        callbacks: list[tuple[Any, Any]] = task._callbacks or []
    except AttributeError:  # no asyncio, or no way to tell
        return kind(message)
    if task in _eager:  # so new that nobody can watch it yet
        return kind(message)
    main = False
    for callback, _ in callbacks:
        if _is_main(callback):
            main = True  # the loop itself takes what ends this task
        elif _watches(callback):
            return kind(message)
    key = kind, not main
    error = (_both.get(key) or _both.setdefault(key, _also_cancelled_error(*key)))(message)
    if not main:
        _have_reported(error, task, callbacks)
    return error


def _is_main(callback: object) -> bool:
    return "run_until_complete" in getattr(callback, "__qualname__", "")


def _watches(callback: object) -> bool:
    """Tell a callback that takes the task's outcome from those that only tidy up when it ends."""
    if getattr(callback, "__module__", None) == "anyio._backends._asyncio":
        return not getattr(callback, "__qualname__", "").startswith(("find_root_task.", "WorkerThread."))
    return not isinstance(callback, _Reporter)


def _also_cancelled_error(kind: type[CancelationError], reported: bool) -> type[CancelationError]:
    namespace: dict[str, Any] = {
        "__doc__": kind.__doc__,
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "_plain": kind,
    }
    if reported:
        namespace.update(__del__=_at_its_end, _reporter=None)
    return type(kind.__name__, (kind, asyncio.CancelledError), namespace)


def _have_reported(error: Any, task: asyncio.Task[Any], callbacks: list[tuple[Any, Any]]) -> None:
    """Have an exception reported that ends a task which nobody watches."""
    reporter = next((callback for callback, _ in callbacks if isinstance(callback, _Reporter)), None)
    if reporter is None:
        reporter = _Reporter(task)
        task.add_done_callback(reporter)
    reporter.last = weakref.ref(error)
    error._reporter = reporter


class _Reporter:
    """Sees whether an exception ended its task, and notes how it looked then.

    Asyncio says "Task exception was never retrieved" for plain exceptions alone, so this does it for the others.
    """

    last: weakref.ref[BaseException]
    task_name: str | None = None
    loop: asyncio.AbstractEventLoop | None = None
    traceback_id = 0

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = weakref.ref(task)

    def __call__(self, task: asyncio.Task[Any]) -> None:
        error = self.last()
        if error is None or not task.cancelled() or not any(each is error for each in gc.get_referents(task)):
            return  # it was caught inside the task, whatever ended that
        # Later `gather` calls make a new CancelledError of this text, so it is not a blank one.
        task._cancel_message = str(error)  # type: ignore[attr-defined]
        self.task_name = task.get_name()
        self.loop = task.get_loop()
        self.traceback_id = id(error.__traceback__)

    def dismiss(self) -> None:
        """Leave a task that goes on."""
        task = self.task()
        if task is not None:
            task.remove_done_callback(self)


def _at_its_end(self: Any) -> None:
    """Report an exception that ended a task and that nobody took from it: raising it again grows its traceback."""
    reporter: _Reporter | None = self._reporter
    if reporter is None:
        return
    if reporter.loop is None:
        if reporter.last() is self:
            reporter.dismiss()
    elif id(self.__traceback__) == reporter.traceback_id:
        message = f"Task {reporter.task_name!r} was ended by an exception that was never retrieved"
        reporter.loop.call_exception_handler({"message": message, "exception": self})
