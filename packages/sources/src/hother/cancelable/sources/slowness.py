"""Naming a predicate that holds up the event loop, once in a process."""

from __future__ import annotations

import inspect
import warnings
from functools import partial
from types import FunctionType, MethodType

_named: set[object] = set()
"""The predicates that were named, by where they are written: functions that are made anew each time are one."""


def name_slow(predicate: object, name: str, seconds: float) -> None:
    """Warn of a predicate at its own file and line, unless it was named before.

    Where warnings are errors it is raised each time.

    Args:
        predicate: The predicate.
        name: What records call the condition.
        seconds: How long it has taken.
    """
    function = _written(predicate)
    code = None if function is None else function.__code__
    key = (type(predicate), name) if code is None else (code.co_filename, code.co_firstlineno, code.co_qualname)
    if key in _named:
        return
    message = (
        f"the condition {name!r} held up the event loop for {seconds * 1000:.0f} ms; "
        "with in_thread=True it is asked in a worker thread"
    )
    if function is None or code is None:
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    else:
        warnings.warn_explicit(message, RuntimeWarning, code.co_filename, code.co_firstlineno, function.__module__)
    _named.add(key)


def _written(predicate: object) -> FunctionType | None:
    """Return the function of Python that a predicate calls in the end; None where that is none of Python's."""
    while isinstance(predicate, partial):
        predicate = predicate.func
    if not isinstance(predicate, (FunctionType, MethodType)):
        predicate = type(predicate).__call__
    function = inspect.unwrap(predicate)
    function = getattr(function, "__func__", function)
    return function if isinstance(function, FunctionType) else None
