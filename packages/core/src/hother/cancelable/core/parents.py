"""How an operation hangs on the one above it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token
from typing import TYPE_CHECKING

from . import loops
from .cause import Cause
from .current import Ambient
from .listeners import Outbox, deliver, post_all
from .loops import Backend, Loop
from .reason import CancelationReason, OperationStatus

if TYPE_CHECKING:
    from anyio import CancelScope

    from .state import OperationState
    from .token import CancelationToken

_CANCELLED_ABOVE = "cancelled above"
"""Where an operation keeps which one above it was told to stop, as one inside it has found."""


def place_under(operation: OperationState, above: OperationState | Ambient) -> None:
    """Take the surroundings that an operation is entered in as its parent, unless it was given another."""
    if isinstance(above, Ambient):
        operation._tokens += (above.provide(),)
        if above.operation is None:
            return
        above = above.operation
    operation._parent = above if operation._parent is None else operation._parent


def may_enclose(above: OperationState, operation: OperationState) -> bool:
    """Tell whether an operation is open in the task of another one, and not just between two of its steps."""
    return above._task is operation._task and above._scope is not None


def link_to_ancestors(operation: OperationState) -> None:
    """Let ancestors that may not enclose an operation end it all the same."""
    links: list[ParentLink] = []
    ancestor = operation._parent
    while ancestor is not None and not may_enclose(ancestor, operation):
        if ancestor._status in (OperationStatus.PENDING, OperationStatus.RUNNING):
            links.append(ParentLink(operation, ancestor))
        ancestor = ancestor._parent
    operation._links = tuple(links)
    for link in links:
        link.ancestor._token._listen(link, operation._loop)


class ParentLink:
    """Ends an operation with one of its ancestors, unless that one's scope does it by itself."""

    __slots__ = ("_child", "ancestor")

    def __init__(self, child: OperationState, ancestor: OperationState) -> None:
        self._child = child
        self.ancestor: OperationState = ancestor

    def remove(self) -> None:
        """Take the link off the ancestor."""
        self.ancestor._token._listeners.pop(self, None)

    def _told(self, token: CancelationToken, cause: Cause, here: Loop | None, outbox: Outbox) -> None:
        deliver(self, self._child._loop, here, outbox)

    def _deliver(self) -> None:
        child, cause = self._child, self.ancestor._outcome or self.ancestor._token.cause
        if cause is not None and child.is_running and not encloses(self.ancestor, child):
            child._token._request(caused_by(self.ancestor, cause), child._loop)


def tell_children(operation: OperationState) -> None:
    """Pass on to operations that no scope encloses what has ended this one from outside."""
    outbox: Outbox = {}
    token, cause = operation._token, operation._outcome
    for listener in list(token._listeners):
        if isinstance(listener, ParentLink) and cause is not None and token._listeners.pop(listener, False):
            listener._told(token, cause, operation._loop, outbox)
    post_all(outbox)


def encloses(outer: OperationState, inner: OperationState) -> bool:
    """Tell whether cancelling one operation's scope reaches the other's, or would but for a shield."""
    return _compare(loops.encloses, outer, inner)


def reaches(outer: OperationState, inner: OperationState) -> bool:
    """Tell whether cancelling one operation's scope reaches the other's."""
    return _compare(loops.reaches, outer, inner)


def _compare(
    relation: Callable[[Backend, CancelScope, CancelScope], bool], outer: OperationState, inner: OperationState
) -> bool:
    if outer._scope is None or inner._scope is None or outer._loop is not inner._loop:
        return False
    return relation(inner._backend, outer._scope, inner._scope)


def caused_by(ancestor: OperationState, cause: Cause) -> Cause:
    """Return the cause of an operation that ends because of an ancestor."""
    origin = cause.context if cause.reason is CancelationReason.PARENT and cause.context else ancestor.context
    name = f"operation {origin.name or origin.id!r}"
    return Cause(CancelationReason.PARENT, cause.message or f"{name} was cancelled", name, cause.time, None, origin)


def cancelled_above(operation: OperationState) -> Cause | None:
    """Return the cause that the nearest enclosing operation with a request to stop passes on."""
    entered_in = operation._previous.old_value
    if isinstance(entered_in, Ambient):
        entered_in = entered_in.operation
    if operation._detached or entered_in is Token.MISSING:
        entered_in = None
    found: OperationState | None = operation._token._facts.get(_CANCELLED_ABOVE)
    if found is None:
        found = _find_cancelled(operation._parent, operation) or _find_cancelled(entered_in, operation)
    if found is None or (cause := found._token.cause) is None:
        return None
    if entered_in is not None and entered_in is not found and reaches(entered_in, operation):
        # it is left next, and needs not look through all that are above it again
        entered_in._token._facts[_CANCELLED_ABOVE] = found
    return caused_by(found, cause)


def _find_cancelled(ancestor: OperationState | None, operation: OperationState) -> OperationState | None:
    while ancestor is not None:
        if ancestor._token.cause is not None and reaches(ancestor, operation):
            return ancestor
        ancestor = ancestor._parent
    return None
