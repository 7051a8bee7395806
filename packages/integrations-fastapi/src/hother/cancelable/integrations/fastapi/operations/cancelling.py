"""Telling operations to stop at the wish of a caller, and saying what is known then."""

from __future__ import annotations

from typing import Annotated, Final

from starlette.requests import Request
from starlette.responses import Response

from fastapi import Query
from hother.cancelable.registry import (
    CancelResult,
    CancelState,
    FilterOptions,
    OperationRecord,
    OperationRegistry,
    RecordStatus,
)

from .access import Access, Caller
from .audit import note, signed
from .presenting import Presenter
from .problems import ProblemError
from .schemas import CancelOperation, CancelOperations, CancelOutcome, CancelOutcomes, Operation, OperationSelection

MOST: Final = 500
"""How many operations one request tells to stop at most."""
LONGEST_WAIT: Final = 30.0
"""How long a request may wait for the end of an operation, in seconds."""

Wait = Annotated[
    float | None,
    Query(gt=0, le=LONGEST_WAIT, description="How long to wait for its end, in seconds."),
]


class Canceller:
    """The endpoints that cancel."""

    def __init__(self, registry: OperationRegistry, presenter: Presenter) -> None:
        self._registry = registry
        self._presenter = presenter

    async def cancel_operation(
        self,
        operation_id: str,
        request: Request,
        response: Response,
        caller: Caller,
        why: CancelOperation | None = None,
        wait: Wait = None,
    ) -> CancelOutcome:
        """Tell an operation to stop, and perhaps wait for its end.

        The answer 202 says that it was told, by this request or an earlier one. 200 says that it has ended: cancelled,
        or, where this request has waited for it, in the way that `operation.status` tells.
        """
        ended_before = wait is not None and await self._has_ended(operation_id)
        result = await self.tell(request, caller, operation_id, why or CancelOperation(), wait)
        outcome = self._outcome(result)
        if result.state is CancelState.NOT_FOUND:
            raise ProblemError(404, "no operation with this id is known")
        if result.state is not CancelState.ENDED:
            response.status_code = 202
        elif outcome.operation is not None and (wait is None or ended_before):
            _refuse_unless_cancelled(outcome.operation)
        return outcome

    async def cancel_operations(self, request: Request, caller: Caller, selection: CancelOperations) -> CancelOutcomes:
        """Tell all operations to stop that match a filter, the oldest 500 of them at most.

        Ask with `dry_run` first, then send the `count` as `expected_count`: if more match by then, nothing is told.
        """
        filters = filters_of(selection.filter)
        count = await self._registry.count(**filters)
        if selection.dry_run:
            return CancelOutcomes(dry_run=True, count=count, limit=MOST, told=0, already=0)
        if selection.expected_count is None:
            raise ProblemError(422, "send expected_count, the count that a request with dry_run has given")
        if count > selection.expected_count:
            detail = f"{count} operations match, more than the {selection.expected_count} that were confirmed"
            raise ProblemError(409, f"{detail}; nothing was cancelled", count=count)
        told, already = 0, 0
        for record in await self._matching(filters, selection.expected_count):
            result = await self.tell(request, caller, record.id, selection, None)
            told += result.state is CancelState.REQUESTED
            already += result.state is not CancelState.REQUESTED
        return CancelOutcomes(dry_run=False, count=count, limit=MOST, told=told, already=already)

    async def tell(
        self, request: Request, caller: Access, operation_id: str, why: CancelOperation, wait: float | None
    ) -> CancelResult:
        """Tell one operation to stop, and note who did.

        Raises:
            BackendUnavailable: If it does not run here, and the shared store cannot be reached.
        """
        outcome = "no answer"
        try:
            message = signed(why.message, caller)
            result = await self._registry.cancel(operation_id, why.reason, message, wait=wait)
            outcome = result.state.value
            return result
        finally:
            note(request, caller, "cancel", repr(operation_id), outcome)

    async def _matching(self, filters: FilterOptions, count: int) -> list[OperationRecord]:
        most = min(count, MOST)
        return (await self._registry.page(most, **filters)).records if most else []

    async def _has_ended(self, operation_id: str) -> bool:
        record = await self._registry.get(operation_id)
        return record is not None and record.has_ended

    def _outcome(self, result: CancelResult) -> CancelOutcome:
        record = result.record
        delivered = record is not None and record.cancel is not None and record.cancel.delivered is not None
        operation = None if record is None else self._presenter.operation(record)
        return CancelOutcome(state=result.state, delivered=delivered, operation=operation)


def _refuse_unless_cancelled(ended: Operation) -> None:
    if ended.status is not RecordStatus.CANCELLED:
        detail = f"the operation has ended before, {ended.status.value}; there is nothing to cancel"
        raise ProblemError(409, detail, operation=ended.model_dump(mode="json"))


def filters_of(selection: OperationSelection) -> FilterOptions:
    """Return the filters of the registry; those that were told to stop are left out unless they are asked for."""
    return {
        "status": selection.status,
        "name_pattern": selection.name,
        "worker": selection.worker,
        "parent_id": selection.parent,
        "min_age": selection.min_age,
        "cancelling": bool(selection.cancelling),
    }
