"""How operations come to be listed."""

from __future__ import annotations

from hother.cancelable import Cancelable, add_observer, remove_observer
from hother.cancelable.core import observe, require, stop_observing

from .engine import Engine
from .errors import DuplicateOperation


def join(engine: Engine, operation: Cancelable) -> None:
    """List an operation; see `OperationRegistry.register`."""
    require(Cancelable, operation, "operation", "a Cancelable")
    if not (operation.is_pending or operation.is_running):
        raise ValueError(f"{operation!r} has ended; register it before it is entered, or while it runs")
    # It may be entered or left on its loop while this runs in a thread: it is heard of from here on, then looked at.
    observe(operation, engine.tracker)
    try:
        engine.tracker.add(operation)
    except DuplicateOperation:
        stop_observing(operation, engine.tracker)
        raise
    _end_if_over(engine, operation)


def leave(engine: Engine, operation_id: str) -> bool:
    """List an operation no more; see `OperationRegistry.unregister`."""
    require(str, operation_id, "operation_id", "a string")
    operation = engine.tracker.operation(operation_id)
    if operation is None:
        return False
    stop_observing(operation, engine.tracker)
    return engine.tracker.remove(operation_id)


def track(engine: Engine) -> None:
    """List every operation from now on; once is enough."""
    try:
        add_observer(engine.tracker)
    except ValueError:  # it does so already
        pass


def track_no_more(engine: Engine) -> None:
    """Take `track` back; what is listed is followed to its end."""
    _follow_listed(engine)
    try:
        remove_observer(engine.tracker)
    except ValueError:
        pass
    _follow_listed(engine)  # and what was entered meanwhile, in another thread


def _follow_listed(engine: Engine) -> None:
    for entry in engine.tracker.entries():
        observe(entry.operation, engine.tracker)
        _end_if_over(engine, entry.operation)


def _end_if_over(engine: Engine, operation: Cancelable) -> None:
    if not (operation.is_pending or operation.is_running):
        engine.tracker.operation_ended(operation)
