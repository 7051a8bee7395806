"""`RedisBackend`: the registries of many processes and hosts, joined in one Redis or Valkey."""

from __future__ import annotations

import _thread
import atexit
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final, TypeVar

import redis

from hother.cancelable import CancelationReason
from hother.cancelable.registry.asking import asked_at
from hother.cancelable.registry.backend import Local, Statistics
from hother.cancelable.registry.filters import OperationFilter
from hother.cancelable.registry.forks import call_at_exit, follow_forks
from hother.cancelable.registry.records import (
    CancelResult,
    CancelState,
    Event,
    EventKind,
    OperationRecord,
    Page,
    WorkerRecord,
)

from . import feed, reading
from .address import pool_of, pool_of_client
from .deadline import ANSWER_TIMEOUT, answer_by
from .identity import Identity
from .link import Link, pairs
from .notes import Notes
from .questions import Questions
from .rows import flat, record_of, request_fields
from .scripts import CANCEL, PROBE
from .service import Service, health_of
from .settings import Settings, checked_namespace
from .waiting import find, wait_for_end
from .writer import Writer

T = TypeVar("T")

_LEAVE: Final = 2.0


class RedisBackend:
    """A shared store in Redis 6.2 or later, or Valkey.

    Operations never wait for it: a thread of its own writes what they note, reads requests to cancel, and comes back by
    itself when the server was away. It needs no event loop, and works after `os.fork` and in spawned processes.

    Each process holds a lease on the server's clock. A process that is not heard of for so long is lost, and so are its
    operations, until it returns. `cancel` promises that a request reaches the operation's process as long as that
    process and the server live; what has become of it is told, and never more.

    Names are cut after 200 characters, messages and errors after 1,000, and reports of stuck operations after 4,000. Of
    the metadata only `metadata_keys` leave the process, as JSON of 4 KiB at most; what does not fit is left out.

    Args:
        url: Where the server is: `redis://`, `rediss://` (TLS) or `unix://`, with user and password where needed. They
            appear in no log, error or repr.
        namespace: Which registries belong together on this server.
        lease: After how many seconds of silence a process counts as lost.
        heartbeat: How often a process is heard of, in seconds; a third of the lease by default.
        metadata_keys: Which keys of the operations' metadata others may see.
        history_limit: How many ended operations the server keeps; of several processes' limits the greatest holds.
        required: Fail at once where the server cannot be used, or not written, when the registry starts; otherwise it
            is tried again and again, and a warning is logged.
        client: A `redis.Redis` of your own; its address, login and TLS settings are used in place of `url`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the url is none, the namespace is empty or has braces or white space, a time or limit is not
            positive, the lease is longer than a day, or the heartbeat than half of the lease.

    Example:
        ```python
        from hother.cancelable.registry import RedisBackend

        backend = RedisBackend("redis://:secret@cache.example:6379/0", namespace="shop", metadata_keys=["order"])
        print(backend)
        #> <RedisBackend cache.example:6379/0 namespace='shop'>
        ```
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        namespace: str = "default",
        lease: float | timedelta = 15.0,
        heartbeat: float | timedelta | None = None,
        metadata_keys: Iterable[str] = (),
        history_limit: int = 10_000,
        required: bool = False,
        client: redis.Redis | None = None,
    ) -> None:
        prefix = f"canc:{{{checked_namespace(namespace)}}}:"
        self._settings = Settings.of(lease, heartbeat, metadata_keys, history_limit)
        self._namespace = namespace
        self._required = required
        self._link = Link(pool_of(url) if client is None else pool_of_client(client), prefix)
        self._local: Local | None = None
        self._is_closed = False
        self._service: Service | None = None
        self._resting: Service | None = None
        self._begin_process()
        follow_forks(self)

    @property
    def worker(self) -> str:
        return self._identity.worker

    def attach(self, local: Local) -> None:
        if self._local is not None:
            raise RuntimeError(f"{self!r} serves a registry already; make a backend for each")
        if self._required:
            with answer_by(time.monotonic() + ANSWER_TIMEOUT):
                self._link.call(PROBE)
        self._local = local
        self._started()

    def changed(self, operation_id: str, kind: EventKind) -> None:
        if kind is EventKind.PROGRESS:
            self._notes.progressed(operation_id)
        elif kind is EventKind.FINISHED:  # an end comes by `ended`: this is followed no more
            self._notes.forgotten(operation_id)
        else:
            self._notes.changed(operation_id)
        if self._service is None:
            self._start_soon()

    def ended(self, record: OperationRecord) -> None:
        self._notes.ended(record)
        if self._service is None:
            self._start_soon()

    def page(self, wanted: OperationFilter, limit: int, cursor: str | None) -> Page:
        return self._ask(lambda: reading.page(self._link, wanted, limit, cursor))

    def count(self, wanted: OperationFilter) -> int:
        return self._ask(lambda: reading.count(self._link, wanted))

    def get(self, operation_id: str) -> OperationRecord | None:
        return self._ask(lambda: find(self._link, operation_id))

    def cancel(
        self,
        operation_id: str,
        reason: CancelationReason,
        message: str | None,
        origin: str | None,
        wait: float | None,
    ) -> CancelResult:
        request = flat(request_fields(reason, message, origin))
        answer = self._ask(lambda: self._link.call(CANCEL, operation_id, "1" if wait else "", *request))
        state = CancelState(answer[0])
        if state is CancelState.NOT_FOUND:
            return CancelResult(state, None)
        record: OperationRecord | None = record_of(operation_id, pairs(answer[1]))
        if wait and state is not CancelState.ENDED:
            record = wait_for_end(self._link, operation_id, wait)
            if record is not None and record.has_ended:
                state = CancelState.ENDED
        return CancelResult(state, record)

    def history(self, wanted: OperationFilter, limit: int, since: float | None) -> list[OperationRecord]:
        return self._ask(lambda: reading.history(self._link, wanted, limit, since))

    def workers(self) -> list[WorkerRecord]:
        return self._ask(lambda: reading.workers(self._link))

    def statistics(self) -> Statistics:
        return self._ask(lambda: reading.statistics(self._link))

    def events(self, after: str, timeout: float) -> list[Event]:
        return feed.events(self._link, after, timeout)

    def position(self) -> str:
        with answer_by(time.monotonic() + ANSWER_TIMEOUT):
            return feed.position(self._link)

    def health(self) -> dict[str, Any]:
        if self._service is None:  # after a fork, in a process that has done nothing else yet
            self._start_soon()
        return health_of(self._service, self._notes)

    def close(self) -> None:
        self._is_closed = True
        atexit.unregister(self.close)
        service, self._service = self._service, None
        if service is not None:
            service.stop(_LEAVE)
        self._link.close()

    def before_fork(self) -> None:
        """Let the thread come to rest before this process is forked."""
        self._resting = self._service
        if self._resting is not None:
            self._resting.rest()

    def after_fork_in_parent(self) -> None:
        """Let the thread go on after this process was forked."""
        if self._resting is not None:
            self._resting.go_on()
            self._resting = None

    def after_fork(self) -> None:
        """Become a process of its own, with nothing of its parent's; its threads start when they are needed."""
        self._link = self._link.renewed()
        self._begin_process()

    def _begin_process(self) -> None:
        self._identity = Identity()
        self._notes = Notes()
        self._service = self._resting = None
        self._is_starting = False
        self._starting = threading.Lock()
        self._questions = Questions(self._link)

    def _start_soon(self) -> None:
        """Start the threads without waiting for that: the caller may be a signal handler."""
        if self._local is None or self._is_closed or self._is_starting:
            return
        self._is_starting = True
        try:
            _thread.start_new_thread(self._started, ())
        except RuntimeError:  # the interpreter is about to end
            pass

    def _started(self) -> Service | None:
        """Return the service, which is started if there is a registry to serve."""
        with self._starting:
            if self._service is None and self._local is not None and not self._is_closed:
                link = self._link.renewed(self._settings.reply_timeout)
                writer = Writer(self._local, self._notes, link, self._identity, self._settings)
                service = Service(writer, self._notes, link.address, self._settings.longest_pause)
                service.start()
                call_at_exit(self.close)
                self._service = service
            return self._service

    def _ask(self, question: Callable[[], T]) -> T:
        """Ask the store, after what this process has noted was written."""
        due = asked_at() + ANSWER_TIMEOUT
        return self._questions.ask(question, due, self._started(), is_looker=self._local is None)

    def __repr__(self) -> str:
        return f"<RedisBackend {self._link.address} namespace={self._namespace!r}>"
