"""Making one operation of several."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .callbacks import as_one
from .observer import add_all
from .reason import PENDING

if TYPE_CHECKING:
    from .operation import Cancelable
    from .source import CancelationSource
    from .token import CancelationToken


def combined(kind: type[Cancelable], parts: tuple[Cancelable, ...]) -> Cancelable:
    """Return an operation that ends with any of the parts, one or more; see `Cancelable.combine`."""
    _check(kind, parts)
    whole = kind()
    whole._move_on, whole._callback_timeout = parts[0]._move_on, parts[0]._callback_timeout
    tokens: list[CancelationToken] = []
    sources: dict[int, CancelationSource] = {}
    progress: list[Callable[..., Any] | None] = []
    for part in parts:
        tokens += (part._token, *part._tokens)
        for source in part._sources:
            sources[id(source)] = source
        progress.append(part._progress)
        _add(whole, part)
    whole._tokens, whole._sources, whole._progress = tuple(tokens), tuple(sources.values()), as_one(progress)
    return whole


def _add(whole: Cancelable, part: Cancelable) -> None:
    whole._name = part._name if whole._name is None else whole._name
    whole._parent = part._parent if whole._parent is None else whole._parent
    whole._detached = whole._detached or part._detached
    if part._timeout is not None and (whole._timeout is None or part._timeout < whole._timeout):
        whole._timeout = part._timeout
    if part._observers:
        add_all(whole, part)
    if part._metadata is not None:
        whole._metadata = {**(whole._metadata or {}), **part._metadata}
    if part._callbacks is not None:
        _add_callbacks(whole, part._callbacks)


def _check(kind: type[Cancelable], parts: tuple[Cancelable, ...]) -> None:
    seen: set[int] = set()
    for part in parts:
        if not isinstance(part, kind):
            raise TypeError(f"only operations can be combined, not {part!r}")
        if part._status is not PENDING:
            raise RuntimeError(f"{part._label()} was entered already; combine operations before")
        if id(part) in seen:
            raise ValueError(f"{part._label()} cannot be combined with itself")
        seen.add(id(part))


def _add_callbacks(whole: Cancelable, callbacks: dict[str, list[Callable[..., Any]]]) -> None:
    for event, listed in callbacks.items():
        for callback in listed:
            whole._on(event, callback)
