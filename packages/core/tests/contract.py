"""The contract of an operation as a model: who is told to stop, and what leaves a block.

It shares nothing with the implementation but the names of the outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hother.cancelable import CancelationReason, OperationStatus

from .ideal_loop import Interrupted, Raised, Scope
from .programs import TOKENS, Cancel, Operation

INTERRUPTED = "interrupted"
"""What the backend's own cancellation is called."""


@dataclass
class Record:
    """What is known of an operation in the end."""

    status: OperationStatus = OperationStatus.PENDING
    reason: CancelationReason | None = None
    requested: bool = False
    culprit: int | None = None
    left: str | frozenset[str] | None = None
    ended: float | None = None


Cause = tuple[CancelationReason, int | None]
"""A reason, and the operation above that is to blame."""


@dataclass(eq=False)
class Running:
    """An operation."""

    step: Operation
    record: Record = field(default_factory=Record)
    scope: Scope | None = None
    parent: Running | None = None
    request: Cause | None = None
    linked: list[Running] = field(default_factory=list["Running"])

    @property
    def is_running(self) -> bool:
        return self.record.status is OperationStatus.RUNNING

    def ancestors(self) -> Iterator[Running]:
        above = self.parent
        while above is not None:
            yield above
            above = above.parent

    def as_cause(self, cause: Cause) -> Cause:
        """Return what ends an operation below that ends because of this one."""
        return CancelationReason.PARENT, self.step.index if cause[1] is None else cause[1]


class Contract:
    """All operations of a program, and the tokens. `pick` chooses who is told first."""

    def __init__(self, operations: list[Operation], pick: Callable[[int], int]) -> None:
        self.pick = pick
        self.operations: list[Running] = [Running(step) for step in operations]
        self.tokens: list[CancelationReason | None] = [None] * TOKENS
        self.links: list[tuple[int, int]] = []

    def enter(self, operation: Running, scope: Scope) -> None:
        operation.scope = scope
        operation.record.status = OperationStatus.RUNNING
        scope.cancelled = operation.request is not None
        if operation.step.token is not None and (reason := self.tokens[operation.step.token]) is not None:
            self.request(operation, (reason, None))
        around = list(scope.all())
        for ancestor in operation.ancestors():
            if ancestor.scope in around:
                break
            ancestor.linked.append(operation)
            if ancestor.is_running and ancestor.request is not None:
                self.request(operation, ancestor.as_cause(ancestor.request))

    def leave(
        self, operation: Running, error: Interrupted | Raised | None, around: Scope, now: float
    ) -> Interrupted | Raised | None:
        """Decide how an operation has ended; return what leaves its block."""
        record, cause = operation.record, operation.request
        if error is None:
            record.status = OperationStatus.COMPLETED
        elif isinstance(error, Raised):
            record.status = OperationStatus.FAILED
        elif cause is not None and not around.reached:
            record.status = OperationStatus.CANCELLED
            error = None if operation.step.move_on else Raised(f"{cause[0]} of {operation.step.index}")
        else:
            record.status = OperationStatus.CANCELLED
            cause = _from_above(operation, around)
            for child in self._in_any_order(operation.linked):
                self.request(child, operation.as_cause(cause))
        record.reason, record.culprit = (None, None) if cause is None else cause
        record.requested = operation.request is not None
        record.left = INTERRUPTED if isinstance(error, Interrupted) else None if error is None else error.label
        record.ended = now
        return error

    def request(self, operation: Running, cause: Cause) -> bool:
        """Tell an operation to stop; return whether that is the first request."""
        if operation.request is not None or operation.record.ended is not None:
            return False
        operation.request = cause
        if operation.is_running and operation.scope is not None:
            operation.scope.cancelled = True
            for child in self._in_any_order(operation.linked):
                self.request(child, operation.as_cause(cause))
        return True

    def cancel(self, step: Cancel) -> bool:
        if step.of == "operation":
            return self.request(self.operations[step.index % len(self.operations)], (step.reason, None))
        index = step.index % TOKENS
        if self.tokens[index] is not None:
            return False
        self.tokens[index] = step.reason
        self._cancel_linked_tokens([index])
        return True

    def link(self, downstream: int, upstream: int) -> None:
        self.links.append((downstream, upstream))
        self._cancel_linked_tokens([])

    def _cancel_linked_tokens(self, cancelled: list[int]) -> None:
        """Cancel the tokens that are linked to cancelled ones; then tell the operations on those and on `cancelled`."""
        for _ in self.links:
            for downstream, upstream in self.links:
                if self.tokens[downstream] is None and self.tokens[upstream] is not None:
                    self.tokens[downstream] = self.tokens[upstream]
                    cancelled.append(downstream)
        for operation in self._in_any_order(self.operations):
            token = operation.step.token
            if operation.is_running and token in cancelled and (reason := self.tokens[token]) is not None:
                self.request(operation, (reason, None))

    def _in_any_order(self, operations: list[Running]) -> Iterator[Running]:
        rest = list(operations)
        while rest:
            yield rest.pop(self.pick(len(rest)))


def _from_above(operation: Running, around: Scope) -> Cause:
    for ancestor in operation.ancestors():
        if ancestor.request is not None and any(ancestor.scope is scope for scope in around.visible()):
            return ancestor.as_cause(ancestor.request)
    return CancelationReason.EXTERNAL, None
