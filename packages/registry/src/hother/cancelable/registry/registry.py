"""The registry for async code: what runs, and how to stop it by id."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, TypeVar, Unpack

import anyio
from anyio import to_thread
from anyio.lowlevel import RunVar

from hother.cancelable import Cancelable, CancelationReason, Observer
from hother.cancelable.core import require, set_process_wide

from .arguments import cancel_arguments, ended_filter, epoch, seconds_or_none, whole_number
from .asking import Asker, asker
from .backend import Backend, Statistics
from .engine import MOST, Engine
from .events import EventFeed
from .filters import FilterOptions, FiltersButStatus, MoreFilters, OperationFilter, Statuses
from .joining import join, leave, track, track_no_more
from .records import CancelResult, CancelState, OperationRecord, Page, WorkerRecord
from .tree import TreeNode, tree_of
from .waiting import wait_for_end

T = TypeVar("T")

THREADS: Final = 20
"""How many questions to a shared store may wait at a time."""


class OperationRegistry:
    """Lists operations while they run and after, and cancels them by id.

    Operations are listed that were made with `register_globally=True` (in the registry of `get_instance`), that were
    registered by hand, or all of them after `track_all`. With a backend the registries of several processes are joined:
    listing and cancelling then reach all of them. The path of operations never waits for it. Where the shared store
    cannot be reached, listings tell of this process alone (`Page.view` says so), and what needs another process raises
    `BackendUnavailable`.

    What is handed out are snapshots. `ThreadSafeRegistry` answers the same to code without an event loop.

    Args:
        backend: The shared store; without one the registry knows of this process alone.
        history_limit: How many ended operations this process remembers.

    Raises:
        TypeError: If the limit is no whole number.
        ValueError: If it is negative.

    Example:
        ```python
        import anyio

        from hother.cancelable import Cancelable, OperationRegistry


        async def report() -> None:
            async with Cancelable(name="report", register_globally=True, move_on=True):
                await anyio.sleep_forever()


        async def main() -> None:
            registry = OperationRegistry.get_instance()
            async with anyio.create_task_group() as group:
                group.start_soon(report)
                await anyio.wait_all_tasks_blocked()
                [running] = await registry.list_operations(name_pattern="rep*")
                result = await registry.cancel(running.id, message="not needed", wait=5)
                print(result.state.value, result.record and result.record.status.value)
                #> ended cancelled


        anyio.run(main)
        ```
    """

    _instances: ClassVar[dict[str, OperationRegistry]] = {}  # what is decided once: setdefault is atomic

    def __init__(self, backend: Backend | None = None, *, history_limit: int = 1000) -> None:
        self._engine = Engine(backend, min(whole_number(history_limit, "history_limit", 0), sys.maxsize))
        self.observer: Observer = self._engine.tracker
        """What follows the operations of this process."""

    @property
    def engine(self) -> Engine:
        """What answers; for those that build on the registry within this package."""
        return self._engine

    @property
    def is_shared(self) -> bool:
        """Whether it has a shared store, and knows of other processes; `health` tells whether that can be reached."""
        return self._engine.backend is not None

    @classmethod
    def get_instance(cls) -> OperationRegistry:
        """Return the registry of the process, which `register_globally=True` uses."""
        known = OperationRegistry._instances.get("process")
        if known is None:
            OperationRegistry._instances.setdefault("process", cls())
            known = _tell_core(OperationRegistry._instances)
        return known

    def install(self) -> OperationRegistry:
        """Make this the registry of the process, for operations made from now on; return it.

        Call it at the start of the program, for a registry with a backend.
        """
        OperationRegistry._instances["process"] = self
        _tell_core(OperationRegistry._instances)
        return self

    def track_all(self) -> None:
        """List every operation that is entered from now on, registered or not."""
        track(self._engine)

    def track_no_more(self) -> None:
        """Take `track_all` back; what is listed stays listed until it ends."""
        track_no_more(self._engine)

    async def register(self, operation: Cancelable) -> None:
        """List an operation, before or after it was entered. One that is never entered stays listed: unregister it.

        Raises:
            DuplicateOperation: If another one that has not ended has its id.
            ValueError: If it has ended.
            TypeError: If it is no operation.
        """
        join(self._engine, operation)

    async def unregister(self, operation_id: str) -> bool:
        """List an operation of this process no more; it goes on. False if it was not listed.

        Raises:
            TypeError: If the id is no string.
        """
        return leave(self._engine, operation_id)

    async def get_operation(self, operation_id: str) -> Cancelable | None:
        """Return the operation itself, if it runs in this process.

        Raises:
            TypeError: If the id is no string.
        """
        require(str, operation_id, "operation_id", "a string")
        return self._engine.tracker.operation(operation_id)

    async def get(self, operation_id: str) -> OperationRecord | None:
        """Return what is known of an operation that runs, or has ended not long ago, in any process.

        Raises:
            TypeError: If the id is no string.
        """
        return await self._ask(self._engine.get, operation_id)

    async def list_operations(
        self,
        status: Statuses | None = None,
        parent_id: str | None = None,
        name_pattern: str | None = None,
        **more: Unpack[MoreFilters],
    ) -> list[OperationRecord]:
        """Return what runs, oldest first.

        Args:
            status: One status or several.
            parent_id: The id of the operation that it was entered in.
            name_pattern: A part of the name; a pattern for the whole of it where it has `*`, `?` or `[`.
            **more: See `MoreFilters`.

        Raises:
            TypeError: If a filter has the wrong type.
            ValueError: If a status is unknown, or an age zero, negative or NaN.
        """
        wanted = OperationFilter.of({"status": status, "parent_id": parent_id, "name_pattern": name_pattern, **more})
        return await self._ask(self._engine.running, wanted)

    async def page(self, limit: int = 100, cursor: str | None = None, **filters: Unpack[FilterOptions]) -> Page:
        """Return a part of what runs, oldest first; each operation is visited once, also while others come and go.

        Args:
            limit: How many at most; up to 500.
            cursor: What the part before gave; None for the first.
            **filters: See `FilterOptions`.

        Raises:
            BackendUnavailable: If the shared store gave the cursor, and cannot be reached: begin with the first page.
            TypeError: If an argument has the wrong type.
            ValueError: If the limit or the cursor is none.
        """
        limit = min(whole_number(limit, "limit", 1), MOST)
        return await self._ask(self._engine.page, OperationFilter.of(filters), limit, cursor)

    async def count(self, **filters: Unpack[FilterOptions]) -> int:
        """Return how many operations run that the filters are about: how many `cancel_all` would tell."""
        return await self._ask(self._engine.count, OperationFilter.of(filters))

    async def tree(self, root: str | None = None) -> list[TreeNode]:
        """Return what runs as trees of parents and children.

        Args:
            root: The id of the operation whose tree is wanted; None for all.
        """
        return tree_of(await self._ask(self._engine.running, OperationFilter()), root)

    async def cancel(
        self,
        operation_id: str,
        reason: CancelationReason = CancelationReason.MANUAL,
        message: str | None = None,
        *,
        wait: float | timedelta | None = None,
    ) -> CancelResult:
        """Tell an operation to stop, in whichever process it runs, and perhaps wait for its end.

        Args:
            operation_id: Its id.
            reason: Why.
            message: What to tell the reader of the record.
            wait: How long to wait for its end at most, in seconds or as a `timedelta`; None does not wait.

        Returns:
            What is known then; that it has ended only if it has.

        Raises:
            BackendUnavailable: If it does not run here, and the shared store cannot be reached.
            TypeError: If an argument has the wrong type.
            ValueError: If the time to wait is zero, negative or NaN.
        """
        cancel_arguments(operation_id, reason, message)
        seconds = seconds_or_none(wait, "wait")
        entry = self._engine.tracker.entry(operation_id)
        if entry is None:
            # who waits takes no thread of those who ask
            limit = None if seconds is None else anyio.CapacityLimiter(1)
            question = self._engine.cancel_elsewhere
            return await self._ask(question, operation_id, reason, message, seconds, limiter=limit)
        here = self._engine.cancel_here(entry, reason, message)
        if seconds is None or here.state is CancelState.ENDED:
            return here
        ended = await wait_for_end(entry, seconds)
        return here if ended is None else CancelResult(CancelState.ENDED, ended)

    async def cancel_operation(
        self,
        operation_id: str,
        reason: CancelationReason = CancelationReason.MANUAL,
        message: str | None = None,
    ) -> bool:
        """Tell an operation to stop; whether this request was the first. See `cancel`."""
        return (await self.cancel(operation_id, reason, message)).state is CancelState.REQUESTED

    async def cancel_all(
        self,
        status: Statuses | None = None,
        reason: CancelationReason = CancelationReason.MANUAL,
        message: str | None = None,
        **filters: Unpack[FiltersButStatus],
    ) -> int:
        """Tell every operation to stop that the filters are about; without any filter, all. Ask `count` before.

        Args:
            status: One status or several.
            reason: Why.
            message: What to tell the reader of the records.
            **filters: See `FilterOptions`.

        Returns:
            How many were told by this call, and not by another one before.

        Raises:
            BackendUnavailable: If the shared store goes away meanwhile.
            TypeError: If an argument has the wrong type.
            ValueError: If a filter has an impossible value.
        """
        cancel_arguments("", reason, message)
        wanted = OperationFilter.of({"status": status, **filters})
        told = 0
        for record in await self._ask(self._engine.running, wanted):
            told += (await self.cancel(record.id, reason, message)).state is CancelState.REQUESTED
        return told

    async def get_history(
        self,
        limit: int | None = None,
        status: Statuses | None = None,
        since: datetime | float | None = None,
        *,
        name_pattern: str | None = None,
    ) -> list[OperationRecord]:
        """Return what has ended, latest first.

        Args:
            limit: How many at most; None for all that is kept (500 from a shared store).
            status: One status or several.
            since: When it ended at the earliest: a `datetime`, or seconds since the epoch.
            name_pattern: As in `list_operations`.

        Raises:
            TypeError: If an argument has the wrong type.
            ValueError: If the limit is negative or a status unknown.
        """
        most = None if limit is None else whole_number(limit, "limit", 0)
        return await self._ask(self._engine.history, ended_filter(status, name_pattern), most, epoch(since))

    async def get_statistics(self) -> Statistics:
        """Return numbers of what runs and has ended, by status and reason, and how long it took."""
        return await self._ask(self._engine.statistics)

    async def cleanup_completed(self, older_than: float | timedelta | None = None, keep_failed: bool = True) -> int:
        """Forget what has ended in this process.

        Args:
            older_than: Only what ended so long ago, in seconds or as a `timedelta`.
            keep_failed: Whether failed operations stay.

        Returns:
            How many were forgotten.

        Raises:
            TypeError: If the age is no time span.
            ValueError: If it is zero, negative or NaN.
        """
        return self._engine.clean_up(seconds_or_none(older_than, "older_than"), keep_failed)

    async def clear_all(self) -> None:
        """Forget everything of this process: what runs goes on, unlisted, and the numbers begin anew."""
        self._engine.tracker.clear()

    async def workers(self) -> list[WorkerRecord]:
        """Return the processes that take part; none without a shared store.

        Raises:
            BackendUnavailable: If it cannot be reached.
        """
        return await self._ask(self._engine.workers)

    async def health(self) -> dict[str, Any]:
        """Return how the connection to the shared store stands: see `Backend.health`.

        Without a store there is `available`, which is true, and `view`.
        """
        return await self._ask(self._engine.health)

    async def position(self) -> str:
        """Return where the feed of events stands now: `events(after=...)` gives what comes later.

        Raises:
            BackendUnavailable: If there is a shared store that cannot be reached.
        """
        return await self._ask(self._engine.position)

    def events(self, after: str | None = None) -> EventFeed:
        """Follow what happens, from now on or after an event whose id is known.

        Args:
            after: The id of the last event that is known.

        Returns:
            What `async for` takes. Operations never wait for a slow reader; one that was too slow gets an event of the
            kind `MISSED`.

        Raises:
            TypeError: If `after` is no string.
            ValueError: If it is no id of an event.
        """
        return EventFeed(self._engine, after)

    async def close(self) -> None:
        """Leave the shared store, so that the others need not wait to notice."""
        if (backend := self._engine.backend) is not None:
            await to_thread.run_sync(backend.close, limiter=_askers())

    async def _ask(self, question: Callable[..., T], *args: Any, limiter: anyio.CapacityLimiter | None = None) -> T:
        """Ask the engine; in a thread of its own kind where that may wait for the shared store."""
        if self._engine.backend is None:
            return question(*args)
        who = Asker()
        token = asker.set(who)
        try:
            return await to_thread.run_sync(question, *args, limiter=limiter or _askers(), abandon_on_cancel=True)
        finally:
            who.has_gone = True  # or an abandoned wait would hold up the end of the process
            asker.reset(token)


def _tell_core(instances: Mapping[str, OperationRegistry]) -> OperationRegistry:
    """Have core know the registry of the process, also where another thread installs one meanwhile; return it."""
    while True:
        current = instances["process"]
        set_process_wide(current.observer)
        if instances["process"] is current:
            return current


_limiter: RunVar[anyio.CapacityLimiter] = RunVar("hother.cancelable.registry.limiter")


def _askers() -> anyio.CapacityLimiter:
    """Return what bounds the threads that ask a shared store, apart from those that work."""
    try:
        return _limiter.get()
    except LookupError:
        mine = anyio.CapacityLimiter(THREADS)
        _limiter.set(mine)
        return mine
