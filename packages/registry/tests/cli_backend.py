"""A shared store that holds what the test puts into it, and the program `cancelable` run against it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from unittest import mock

import pytest

from hother.cancelable import CancelationReason
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
    Page,
    RecordStatus,
    Statistics,
    View,
    WorkerRecord,
)

pytest.importorskip("typer", reason="the command line needs the extra cli, which is not installed")
pytest.importorskip("redis", reason="the command line needs the extra cli, which is not installed")

from hother.cancelable.registry.cli.app import app

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


class Store:
    """The shared store: a `Backend` that nobody may join, since the command line only looks."""

    worker = "nobody"

    def __init__(self, *records: OperationRecord) -> None:
        self.running: dict[str, OperationRecord] = {record.id: record for record in records}
        self.ended_ones: list[OperationRecord] = []
        self.processes: list[WorkerRecord] = []
        self.told: list[tuple[str, CancelationReason, str | None, str | None, float | None]] = []
        self.ends: dict[str, RecordStatus] = {}
        """How an operation ends that is told to stop; one that is not named goes on."""
        self.news: list[list[Event] | BaseException] = []
        """What is read of the feed, one after the other; then Ctrl-C is pressed."""
        self.is_away: bool = False
        self.is_closed: bool = False
        self.opened_with: tuple[str, str] | None = None

    def connect(self, url: str, namespace: str) -> Store:
        """Stand in for the connection to Redis."""
        self.opened_with = (url, namespace)
        return self

    def attach(self, local: Local) -> None:
        raise AssertionError("the command line must not appear as a worker")

    def changed(self, operation_id: str, kind: EventKind) -> None:
        raise AssertionError("the command line runs no operation")

    def ended(self, record: OperationRecord) -> None:
        raise AssertionError("the command line runs no operation")

    def page(self, wanted: OperationFilter, limit: int, cursor: str | None) -> Page:
        self._answer()
        first = int(cursor or "0")
        found = [record for record in self.running.values() if wanted.matches(record)]
        rest = str(first + limit) if len(found) > first + limit else None
        return Page(found[first : first + limit], rest, time.time(), View.SHARED)

    def count(self, wanted: OperationFilter) -> int:
        self._answer()
        return sum(map(wanted.matches, self.running.values()))

    def get(self, operation_id: str) -> OperationRecord | None:
        self._answer()
        ended = (record for record in self.ended_ones if record.id == operation_id)
        return self.running.get(operation_id) or next(ended, None)

    def cancel(
        self,
        operation_id: str,
        reason: CancelationReason,
        message: str | None,
        origin: str | None,
        wait: float | None,
    ) -> CancelResult:
        self.told.append((operation_id, reason, message, origin, wait))
        record = self.get(operation_id)
        if record is None or record.has_ended:
            return CancelResult(CancelState.NOT_FOUND if record is None else CancelState.ENDED, record)
        state = CancelState.REQUESTED if record.cancel is None else CancelState.ALREADY_REQUESTED
        request = record.cancel or CancelRequest(reason, message, origin, 1.0, None)
        self.running[operation_id] = record = record._replace(cancel=request)
        if wait and operation_id in self.ends:
            record = record._replace(status=self.ends[operation_id], ended=time.time())
            self.ended_ones.append(self.running.pop(operation_id) and record)
            state = CancelState.ENDED
        return CancelResult(state, record)

    def history(self, wanted: OperationFilter, limit: int, since: float | None) -> list[OperationRecord]:
        self._answer()
        return [record for record in self.ended_ones if wanted.matches(record)][:limit]

    def workers(self) -> list[WorkerRecord]:
        self._answer()
        return self.processes

    def statistics(self) -> Statistics:
        self._answer()
        return NUMBERS

    def position(self) -> str:
        self._answer()
        return "0"

    def events(self, after: str, timeout: float) -> list[Event]:
        self._answer()
        news = self.news.pop(0) if self.news else KeyboardInterrupt()
        if isinstance(news, BaseException):
            raise news
        return news

    def health(self) -> dict[str, Any]:
        return {"available": not self.is_away}

    def close(self) -> None:
        self.is_closed = True

    def _answer(self) -> None:
        if self.is_away:
            raise BackendUnavailable("no answer from redis://me:geheim@cache:6379/0")


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


class Ran(NamedTuple):
    """What a run of the program has left."""

    code: int
    raw: str
    """What was printed, with the codes for colours and the cursor."""
    err: str

    @property
    def out(self) -> str:
        """What can be read of it."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw)

    @property
    def lines(self) -> list[list[str]]:
        """What was printed into a pipe: the columns of each line."""
        return [line.split("\t") for line in self.out.splitlines()]


def record(identity: str, name: str | None = None, age: float = 10, **facts: Any) -> OperationRecord:
    """Make the record of an operation that runs."""
    facts = {"status": RecordStatus.RUNNING, "worker": "w1", "started": time.time() - age, **facts}
    return OperationRecord(identity, name, **facts)


def request(reason: CancelationReason = CancelationReason.MANUAL, message: str | None = None) -> CancelRequest:
    """Make a request to stop."""
    return CancelRequest(reason, message, "task 'admin'", 100.0, 100.5)


def run(
    store: Store,
    *arguments: str,
    terminal: bool = False,
    answer: str = "",
    variables: Mapping[str, str] | None = None,
    connect: Callable[[str, str], Any] | None = None,
) -> Ran:
    """Run the program in this process, in a pipe or in a terminal 200 columns wide, with what is typed as `answer`."""
    out: io.StringIO = Screen() if terminal else io.StringIO()
    err, code = io.StringIO(), 0
    environment = {"COLUMNS": "200", "LINES": "30", "TERM": "xterm", "NO_COLOR": "1", **(variables or {})}
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, environment))
        if "CANCELABLE_REDIS_URL" not in environment:
            os.environ.pop("CANCELABLE_REDIS_URL", None)
        stack.enter_context(mock.patch("sys.stdin", io.StringIO(answer)))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        try:
            app(list(arguments), prog_name="cancelable", obj=connect or store.connect)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Ran(code, out.getvalue(), err.getvalue())
