"""Apps with the operations router, operations to be seen in it, and a shared store that can be away."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import TaskStatus
from fastapi import FastAPI

from hother.cancelable import Cancelable, CancelationReason

pytest.importorskip("hother.cancelable.registry", reason="hother-cancelable-registry is not installed")

from hother.cancelable.integrations.fastapi.operations import (
    Authorize,
    Level,
    mount_operations_page,
    operations_router,
)
from hother.cancelable.registry import (
    BackendUnavailable,
    CancelRequest,
    CancelResult,
    CancelState,
    Event,
    EventKind,
    Local,
    OperationFilter,
    OperationRecord,
    OperationRegistry,
    Page,
    RecordStatus,
    Statistics,
    View,
    WorkerRecord,
)

CHANGE = {"X-Cancelable": "test"}
"""The header that a script of the same site can send."""
NUMBERS: Statistics = {
    "active_operations": 2,
    "active_by_status": {"running": 2},
    "total_started": 7,
    "total_completed": 5,
    "ended_by_status": {"completed": 3, "cancelled": 2},
    "ended_by_reason": {"manual": 2},
    "history_size": 5,
    "history_by_status": {"completed": 3, "cancelled": 2},
    "average_duration_seconds": 1.5,
    "longest_duration_seconds": 4.0,
    "cancel_latency": {"delivery_mean": 0.001, "delivery_max": 0.002, "unwind_mean": 0.1, "unwind_max": 0.25},
}


def everybody(level: Level = "all") -> Authorize:
    """Let everybody in, as an async function: no thread is needed."""

    async def authorize(request: Any) -> Level:
        return level

    return authorize


def api(registry: OperationRegistry, authorize: Authorize | None = None, **options: Any) -> FastAPI:
    """Return an app with the router alone."""
    app = FastAPI()
    app.include_router(operations_router(registry, authorize=authorize or everybody(), **options))
    return app


def page(registry: OperationRegistry, authorize: Authorize | None = None, **options: Any) -> FastAPI:
    """Return an app with the page."""
    app = FastAPI()
    mount_operations_page(app, registry, authorize=authorize or everybody(), **options)
    return app


def client(app: FastAPI, peer: str | None = "127.0.0.1", **options: Any) -> httpx.AsyncClient:
    """Return a client that connects from an address; without one, through a socket in the file system."""
    address: Any = None if peer is None else (peer, 1234)
    transport = httpx.ASGITransport(app, client=address)
    return httpx.AsyncClient(transport=transport, base_url="http://test", **options)


def problem(response: httpx.Response) -> tuple[int, str]:
    """Return the status and detail of an answer, which must be a whole problem."""
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert body["type"] == "about:blank"
    assert body["title"]
    return response.status_code, body["detail"]


def work(name: str | None = None, **options: Any) -> Cancelable:
    """Make an operation that is left silently when it is cancelled."""
    return Cancelable(name=name, move_on=True, **options)


async def run(operation: Cancelable, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
    """Run an operation until it is told to stop."""
    async with operation:
        task_status.started()
        await anyio.sleep_forever()


@asynccontextmanager
async def running(registry: OperationRegistry, *operations: Cancelable) -> AsyncGenerator[None]:
    """List operations and run them in tasks of their own; what is left of them at the end is cancelled."""
    async with anyio.create_task_group() as group:
        for operation in operations:
            await registry.register(operation)
            await group.start(run, operation)
        yield
        group.cancel_scope.cancel()


async def done(registry: OperationRegistry, *operations: Cancelable) -> None:
    """Run operations to their end, one after the other."""
    for operation in operations:
        await registry.register(operation)
        async with operation:
            pass


def record(identity: str, **facts: Any) -> OperationRecord:
    """Make the record of an operation of another process."""
    facts = {"name": None, "status": RecordStatus.RUNNING, "worker": "w2", "started": time.time() - 10, **facts}
    return OperationRecord(identity, **facts)


class Store:
    """A shared store, as a `Backend`: it holds what the test puts into it, and may be away."""

    worker = "w1"

    def __init__(self, *records: OperationRecord) -> None:
        self.running = {each.id: each for each in records}
        self.ended_ones: list[OperationRecord] = []
        self.processes: list[WorkerRecord] = []
        self.told: list[tuple[str, CancelationReason, str | None]] = []
        self.ends: dict[str, RecordStatus] = {}
        """How an operation ends that is waited for; one that is not named goes on."""
        self.log: list[Event] = []
        self.is_away = False
        self._changed = threading.Condition()

    def attach(self, local: Local) -> None:
        pass

    def changed(self, operation_id: str, kind: EventKind) -> None:
        pass

    def ended(self, record: OperationRecord) -> None:
        pass

    def page(self, wanted: OperationFilter, limit: int, cursor: str | None) -> Page:
        self._answer()
        first = int(cursor or "0")
        found = [each for each in self.running.values() if wanted.matches(each)]
        rest = str(first + limit) if len(found) > first + limit else None
        return Page(found[first : first + limit], rest, time.time(), View.SHARED)

    def count(self, wanted: OperationFilter) -> int:
        self._answer()
        return sum(map(wanted.matches, self.running.values()))

    def get(self, operation_id: str) -> OperationRecord | None:
        self._answer()
        ended = (each for each in self.ended_ones if each.id == operation_id)
        return self.running.get(operation_id) or next(ended, None)

    def cancel(
        self,
        operation_id: str,
        reason: CancelationReason,
        message: str | None,
        origin: str | None,
        wait: float | None,
    ) -> CancelResult:
        found = self.get(operation_id)
        self.told.append((operation_id, reason, message))
        if found is None or found.has_ended:
            return CancelResult(CancelState.NOT_FOUND if found is None else CancelState.ENDED, found)
        state = CancelState.REQUESTED if found.cancel is None else CancelState.ALREADY_REQUESTED
        request = found.cancel or CancelRequest(reason, message, origin, time.time(), None)
        self.running[operation_id] = found = found._replace(cancel=request)
        if wait and operation_id in self.ends:
            found = found._replace(status=self.ends[operation_id], ended=time.time())
            self.ended_ones.append(self.running.pop(operation_id) and found)
            state = CancelState.ENDED
        return CancelResult(state, found)

    def history(self, wanted: OperationFilter, limit: int, since: float | None) -> list[OperationRecord]:
        self._answer()
        return [each for each in self.ended_ones if wanted.matches(each)][:limit]

    def workers(self) -> list[WorkerRecord]:
        self._answer()
        return self.processes

    def statistics(self) -> Statistics:
        self._answer()
        return NUMBERS

    def position(self) -> str:
        self._answer()
        return f"{len(self.log)}-0"

    def events(self, after: str, timeout: float) -> list[Event]:
        self._answer()
        with self._changed:
            at = int(after.partition("-")[0])
            if at > len(self.log):
                return [Event(self.position(), EventKind.MISSED, time.time())]
            self._changed.wait_for(lambda: len(self.log) > at, timeout)
            return self.log[at:]

    def publish(self, kind: EventKind, about: OperationRecord) -> None:
        """Add an event to the feed."""
        with self._changed:
            self.log.append(Event(f"{len(self.log) + 1}-0", kind, time.time(), about, about.worker))
            self._changed.notify_all()

    def health(self) -> dict[str, Any]:
        return {"available": not self.is_away, "queue": 3, "heartbeat_age": 0.5, "error": None}

    def close(self) -> None:
        pass

    def _answer(self) -> None:
        if self.is_away:
            raise BackendUnavailable("no answer from redis://me:geheim@cache:6379/0")


def named(found: Sequence[dict[str, Any]]) -> str:
    """Return the names of operations in an answer."""
    return " ".join(each["name"] or each["id"] for each in found)
