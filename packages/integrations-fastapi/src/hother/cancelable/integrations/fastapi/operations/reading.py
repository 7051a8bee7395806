"""The endpoints that read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from hother.cancelable.registry import OperationRecord, OperationRegistry, RecordStatus, TreeNode

from .history import history_part
from .presenting import Presenter, backend_state, moment, now, worker
from .problems import ProblemError
from .schemas import (
    OperationDetail,
    OperationHistory,
    OperationList,
    OperationsHealth,
    OperationStatistics,
    OperationTree,
    OperationWorkers,
)

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Cursor = Annotated[str | None, Query(description="What the part before has given.")]
Status = Annotated[list[RecordStatus] | None, Query(description="One status or, repeated, several.")]
Name = Annotated[str | None, Query(description="A part of the name; a pattern for all of it with `*`, `?` or `[`.")]
MinAge = Annotated[float | None, Query(gt=0, allow_inf_nan=False, description="How long it has run, in seconds.")]
Cancelling = Annotated[bool | None, Query(description="Whether it was told to stop and has not ended.")]


class Reader:
    """The endpoints that read."""

    def __init__(self, registry: OperationRegistry, presenter: Presenter) -> None:
        self._registry = registry
        self._presenter = presenter

    async def list_operations(
        self,
        status: Status = None,
        name: Name = None,
        worker: str | None = None,
        parent: str | None = None,
        min_age: MinAge = None,
        cancelling: Cancelling = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> OperationList:
        """List what runs, oldest first."""
        try:
            page = await self._registry.page(
                limit,
                cursor,
                status=status,
                name_pattern=name,
                worker=worker,
                parent_id=parent,
                min_age=min_age,
                cancelling=cancelling,
            )
        except ValueError:
            raise ProblemError(422, "the cursor is none that an earlier answer gave; leave it out") from None
        return OperationList(
            as_of=moment(page.as_of),
            backend=await backend_state(self._registry, page.view),
            operations=[self._presenter.operation(record) for record in page.records],
            cursor=page.cursor,
        )

    async def get_operation(self, operation_id: str) -> OperationDetail:
        """Tell of one operation, while it runs and some time after."""
        operation = self._presenter.operation(await self._found(operation_id))
        return OperationDetail(**await self._answer(), operation=operation)

    async def get_operation_tree(self, operation_id: str) -> OperationTree:
        """Tell of one operation and what runs below it."""
        roots = await self._registry.tree(operation_id)
        if not roots:  # it has ended: what is left below it stands at the top of what runs
            record = await self._found(operation_id)
            below = [node for node in await self._registry.tree() if node.record.parent_id == operation_id]
            roots = [TreeNode(record, below)]
        nodes = [self._presenter.node(record, depth) for record, depth in flattened(roots)]
        return OperationTree(**await self._answer(), operations=nodes)

    async def list_ended_operations(
        self,
        status: Status = None,
        since: Annotated[datetime | None, Query(description="When it ended at the earliest.")] = None,
        name: Name = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> OperationHistory:
        """List what has ended, latest first."""
        records, more = await history_part(self._registry, limit, cursor, status=status, since=since, name=name)
        operations = [self._presenter.operation(record) for record in records]
        return OperationHistory(**await self._answer(), operations=operations, cursor=more)

    async def list_workers(self) -> OperationWorkers:
        """List the processes that take part."""
        workers = [worker(record) for record in await self._registry.workers()]
        return OperationWorkers(**await self._answer(), workers=workers)

    async def get_statistics(self) -> OperationStatistics:
        """Tell how many operations run and have ended, how, and how long it took."""
        return OperationStatistics(**await self._answer(), **await self._registry.get_statistics())

    async def get_health(self) -> OperationsHealth:
        """Tell how the connection to the shared store stands."""
        health: dict[str, Any] = await self._registry.health()
        facts: dict[str, Any] = {key: health.get(key) for key in ("queue", "heartbeat_age", "error")}
        return OperationsHealth(**await self._answer(), **facts)

    async def _answer(self) -> dict[str, Any]:
        return {"as_of": now(), "backend": await backend_state(self._registry)}

    async def _found(self, operation_id: str) -> OperationRecord:
        record = await self._registry.get(operation_id)
        if record is not None:
            return record
        if self._registry.is_shared and await backend_state(self._registry) == "degraded":
            raise ProblemError(
                503, "it does not run in this process, and the others cannot be asked", {"Retry-After": "2"}
            )
        raise ProblemError(404, "no operation with this id is known")


def flattened(roots: list[TreeNode]) -> list[tuple[OperationRecord, int]]:
    """Return trees as a list, each operation before its children and with its depth."""
    found, waiting = list[tuple[OperationRecord, int]](), [(root, 0) for root in reversed(roots)]
    while waiting:
        node, depth = waiting.pop()
        found.append((node.record, depth))
        waiting += [(child, depth + 1) for child in reversed(node.children)]
    return found
