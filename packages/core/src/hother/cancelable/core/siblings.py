"""The tables of what is loaded when it is first asked for, and the one error where a distribution is not installed."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

_REGISTRY = ("hother.cancelable.registry", "hother-cancelable-registry")
_SOURCES = ("hother.cancelable.sources", "hother-cancelable-sources")
_STREAMS = ("hother.cancelable.streams", "hother-cancelable-streams")

SIBLINGS: dict[str, tuple[str, str]] = {
    "AllOfSource": _SOURCES,
    "AnyOfSource": _SOURCES,
    "CompositeSource": _SOURCES,
    "ConditionSource": _SOURCES,
    "OperationRegistry": _REGISTRY,
    "SignalSource": _SOURCES,
    "ThreadSafeRegistry": _REGISTRY,
    "cancelable_stream": _STREAMS,
}
"""Name -> the module that has it, and the distribution to install."""

LATE: dict[str, str] = {
    "OperationContext": ".context",
    "OperationOptions": ".options",
    "TaskBeside": ".beside",
    "cancelable": ".decorators",
    "cancelable_combine": ".decorators",
    "cancelable_method": ".decorators",
    "cancelable_with_condition": ".decorators",
    "cancelable_with_signal": ".decorators",
    "cancelable_with_token": ".decorators",
    "end_steps": ".stepping",
    "entered_here": ".stepping",
    "postponed": ".stepping",
    "start_beside": ".beside",
    "step": ".stepping",
    "with_cancelable": ".decorators",
    "with_current_operation": ".decorators",
    "with_timeout": ".decorators",
}
"""Name -> the module of core that has it, which is loaded when the name is first asked for: many programs never do."""


def load(name: str, wanted_by: str) -> Any:
    """Return a name of a sibling package.

    Args:
        name: A key of the table.
        wanted_by: What the user wrote, for the error.

    Raises:
        ImportError: If the sibling is not installed; says what to install.
    """
    module, distribution = SIBLINGS[name]
    if module in sys.modules:  # much faster where this is asked for each operation
        return getattr(sys.modules[module], name)
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        message = f"{wanted_by} needs the distribution {distribution}: pip install {distribution}"
        raise ImportError(message, name=module) from None
