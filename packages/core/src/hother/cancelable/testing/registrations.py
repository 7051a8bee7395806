"""What is left waiting on tokens."""

from __future__ import annotations

import weakref
from typing import Any

from hother.cancelable.core import CancelationToken, Loop

_watches: list[RegistrationWatch] = []


class RegistrationWatch:
    """Knows what was registered on tokens while it was open, in whatever thread."""

    def __init__(self) -> None:
        self._made: dict[weakref.ref[CancelationToken], set[int]] = {}

    def open(self) -> None:
        """Begin the watch."""
        if not _watches:
            CancelationToken._listen = _listen  # type: ignore[method-assign, assignment]
        _watches.append(self)

    def close(self) -> None:
        """End the watch."""
        _watches.remove(self)
        if not _watches:
            CancelationToken._listen = _original  # type: ignore[method-assign]

    def registered(self, token: CancelationToken, listener: object) -> None:
        """Take note of a registration."""
        self._made.setdefault(weakref.ref(token), set()).add(id(listener))

    def left(self) -> list[str]:
        """Return what to say of the registrations that are still there."""
        found: list[str] = []
        for reference, made in self._made.items():
            token = reference()
            if token is not None:
                found += [f"left {_kind(each)} on {token!r}" for each in list(token._listeners) if id(each) in made]
        return found


def _kind(listener: Any) -> str:
    callback = getattr(listener, "_callback", None)
    if callback is not None:
        return f"the callback {getattr(callback, '__qualname__', callback)!r}"
    return {"Link": "a linked token", "Cancelable": "an operation"}.get(type(listener).__name__, "somebody who waits")


_original = CancelationToken._listen


def _listen(token: CancelationToken, listener: Any, here: Loop | None) -> None:
    for watch in _watches:
        watch.registered(token, listener)
    _original(token, listener, here)
