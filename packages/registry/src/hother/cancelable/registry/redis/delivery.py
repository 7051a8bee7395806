"""Requests to cancel on their last mile: from the store to the operations of this process."""

from __future__ import annotations

import threading
from typing import Final, NamedTuple

from hother.cancelable.registry.backend import Local
from hother.cancelable.registry.errors import BackendUnavailable

from .link import Link
from .rows import reason_of
from .scripts import ACKNOWLEDGE

BLOCK: Final = 2.0
"""How long one read of the inbox waits, in seconds."""
_PAUSE: Final = 0.2


class Request(NamedTuple):
    """A request to cancel, as it comes from the store."""

    id: str
    reason: str
    message: str
    origin: str


class Delivery:
    """Tells operations to stop, and the store that they were told. The same request may come more than once."""

    def __init__(self, local: Local, link: Link) -> None:
        self._local = local
        self._link = link
        self._under_way: set[str] = set()  # a callback that hangs in one thread must not catch the other one, too

    def deliver(self, worker: str, requests: list[Request]) -> None:
        """Tell the operations.

        Raises:
            BackendUnavailable: If the store cannot be told; it asks again then.
        """
        told = [request.id for request in requests if self._tell(request)]
        if told:
            self._link.call(ACKNOWLEDGE, worker, *told)

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _tell(self, request: Request) -> bool:
        if request.id in self._under_way:
            return False
        self._under_way.add(request.id)
        try:
            reason, message, origin = reason_of(request.reason), request.message or None, request.origin or None
            self._local.cancel(request.id, reason, message, origin)
        finally:
            self._under_way.discard(request.id)
        return True


class Inbox:
    """Reads the requests for one incarnation of this process as they are made, in a thread of its own."""

    def __init__(self, worker: str, link: Link, delivery: Delivery) -> None:
        self._worker = worker
        self._link = link
        self._delivery = delivery
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cancelable-registry-inbox", daemon=True)

    def start(self) -> None:
        """Begin to read; connected already, so that a fork soon after finds no thread that is busy with that.

        Raises:
            BackendUnavailable: If the store cannot be reached.
        """
        self._link.check()
        self._thread.start()

    def stop(self) -> None:
        """Stop reading, though a read may be waiting."""
        self._stopped.set()
        self._link.close()

    def join(self) -> None:
        """Wait a little until the thread has ended."""
        if self._thread.ident is not None:
            self._thread.join(_PAUSE)

    def _run(self) -> None:
        last = "0-0"
        while not self._stopped.is_set():
            try:
                last = self._read(last)
            except Exception:  # the store is away, as the other thread will tell, or the link was closed
                self._stopped.wait(_PAUSE)
        self._link.close()

    def _read(self, last: str) -> str:
        entries = self._link.read(f"inbox:{self._worker}", last, BLOCK)
        if self._stopped.is_set() or not entries:
            return last
        requests = [Request(**{name: fields[name] for name in Request._fields}) for _, fields in entries]
        try:
            self._delivery.deliver(self._worker, requests)
        except BackendUnavailable:
            pass  # it stays pending, so that the next heartbeat brings it again
        return entries[-1][0]
