"""Writes notes to the store, as one incarnation of this process after the other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any, Final

from hother.cancelable.registry.backend import Local
from hother.cancelable.registry.records import OperationRecord

from .complaints import Complaints
from .delivery import BLOCK, Delivery, Inbox, Request
from .identity import Identity
from .link import REPLY_TIMEOUT, Link, Refused
from .notes import Notes
from .rows import fields_of, flat, score_of
from .scripts import BEAT, BYE, FINISH, HELLO, PUT, REAP, WITHDRAW, Script
from .settings import Settings
from .taken import Taken

BATCH: Final = 100
LISTED_LEASES: Final = 20
"""For how many leases a lost process and its operations stay listed."""
PROGRESS_INTERVAL: Final = 1.0
"""How often progress is written, in seconds."""


class LeaseLost(Exception):
    """Raised when the store does not know this incarnation any more."""


class Writer:
    """What the service thread does; every method may raise `BackendUnavailable`, and is then called again."""

    def __init__(self, local: Local, notes: Notes, link: Link, identity: Identity, settings: Settings) -> None:
        self._local = local
        self._notes = notes
        self._link = link
        self._identity = identity
        self._settings = settings
        self._delivery = Delivery(local, link.renewed())
        self._inbox: Inbox | None = None
        self._in_hand: list[OperationRecord] = []
        self._vanished: set[str] = set()
        self._complaints = Complaints()
        self._taken = Taken(self._complaints)
        self._dropped = 0
        self._next_beat = 0.0
        self._next_progress = 0.0
        self.last_beat: float | None = None
        """When the store has heard of this process last, on the clock of `time.monotonic`."""

    def join(self) -> None:
        """Take part as a new incarnation: everything that runs is written, and the inbox is read."""
        settings, worker = self._settings, self._identity.worker
        row = self._identity.row | {
            "version": version("hother-cancelable-registry"),
            "lease": str(settings.lease),
            "heartbeat": str(settings.heartbeat),
        }
        self._link.call(HELLO, worker, settings.lease, settings.history_limit, *flat(row))
        self._put_all()
        self._inbox = Inbox(worker, self._link.renewed(BLOCK + REPLY_TIMEOUT), self._delivery)
        self._inbox.start()
        self._next_beat = 0.0

    def renew(self) -> None:
        """Become another incarnation, since the lease of this one has run out."""
        self.stop_inbox()
        self._identity.renew()

    def resume(self) -> None:
        """Make the store right again after it was away; it may have forgotten something."""
        self._vanished.update(self._notes.take_forgotten())
        self.beat()
        self._put_all()
        self._reconcile()

    def beat(self) -> None:
        """Renew the lease, deliver what the inbox has missed, and look after processes that were lost."""
        lag = self._local.loop_lag()
        reply = self._call(BEAT, self._identity.worker, self._settings.lease, "" if lag is None else lag)
        self.last_beat = time.monotonic()
        self._next_beat = self.last_beat + self._settings.heartbeat
        self._deliver(reply)
        while self._link.call(REAP, self._settings.lease * LISTED_LEASES, self._settings.history_limit):
            pass
        self._try_again(self._taken.ids())
        self._withdraw_vanished()

    def flush(self) -> None:
        """Write what was noted, with a heartbeat in between where one is due."""
        while True:
            self._beat_if_due()
            self._in_hand = self._in_hand or self._notes.take_ended(BATCH)
            if not self._in_hand:
                break
            self._finish(self._in_hand)
            self._in_hand = []
        self._try_again(self._taken.take_due())
        self._vanished.update(self._notes.take_forgotten())
        changed = self._notes.take_changed()
        if self._notes.has_progress and time.monotonic() >= self._next_progress:
            self._next_progress = time.monotonic() + PROGRESS_INTERVAL
            changed = list(dict.fromkeys((*changed, *self._notes.take_progressed())))
        try:
            self._put(self._found(changed))
        except BaseException:
            self._notes.put_back(changed)
            raise
        if self._notes.take_loss() or self._notes.dropped > self._dropped:
            self._dropped = self._notes.dropped
            self._reconcile()

    def idle_time(self) -> float:
        """Return for how many seconds there is nothing to do unless something is noted."""
        due = min(self._next_beat, self._taken.due)
        return (min(due, self._next_progress) if self._notes.has_progress else due) - time.monotonic()

    def leave(self) -> None:
        """Tell the others that this process takes part no more."""
        self.flush()
        self.stop_inbox()
        while self._link.call(BYE, self._identity.worker, self._settings.history_limit):
            pass

    def stop_inbox(self) -> None:
        """Stop reading requests for this incarnation."""
        if self._inbox is not None:
            self._inbox.stop()
            self._inbox = None

    def close(self) -> None:
        """Close all connections."""
        inbox = self._inbox
        self.stop_inbox()
        if inbox is not None:
            inbox.join()
        self._delivery.close()
        self._link.close()

    def _beat_if_due(self) -> None:
        if time.monotonic() >= self._next_beat:
            self.beat()

    def _put_all(self) -> None:
        self._put(self._local.running())

    def _found(self, changed: Iterable[str]) -> Iterator[OperationRecord]:
        for operation_id in changed:
            record = self._local.find(operation_id)
            if record is not None:
                yield record
            else:  # its end is on the way, or it is followed no more
                self._vanished.add(operation_id)

    def _put(self, records: Iterable[OperationRecord]) -> None:
        for batch in _batches(records):
            self._put_batch(batch)
            self._beat_if_due()

    def _put_batch(self, batch: list[OperationRecord]) -> None:
        reply = self._write(PUT, batch)
        self._taken.note([record.id for record in batch], {each[1] for each in reply if each[0] == "TAKEN"})
        self._deliver(reply)

    def _try_again(self, ids: list[str]) -> None:
        """Write what still runs here of operations whose id another process held."""
        records = {each: self._local.find(each) for each in ids}
        self._taken.forget(each for each, record in records.items() if record is None)
        for batch in _batches(record for record in records.values() if record is not None):
            self._put_batch(batch)

    def _finish(self, records: list[OperationRecord]) -> None:
        self._write(FINISH, records)
        self._vanished.difference_update(record.id for record in records)
        self._taken.forget(record.id for record in records)

    def _write(self, script: Script, records: list[OperationRecord]) -> list[Any]:
        """Write operations; one that cannot be written is left out, and keeps no other one waiting."""
        rows = [(record.id, row) for record in records if (row := self._row(record))]
        try:
            return self._write_rows(script, [row for _, row in rows])
        except Refused:
            return [each for name, row in rows for each in self._write_alone(script, name, row)]

    def _write_alone(self, script: Script, operation_id: str, row: list[str | float]) -> list[Any]:
        try:
            return self._write_rows(script, [row])
        except Refused as error:
            self._complaints.tell(operation_id, str(error))
            return []

    def _write_rows(self, script: Script, rows: Iterable[list[str | float]]) -> list[Any]:
        args = [each for row in rows for each in row]
        earlier = " ".join(self._identity.earlier)
        return self._call(script, self._identity.worker, earlier, self._settings.history_limit, *args)

    def _row(self, record: OperationRecord) -> list[str | float]:
        """Return an operation as the scripts take it; nothing where it holds something that cannot be printed."""
        try:
            fields = flat(fields_of(record, self._settings.metadata_keys))
        except Exception as error:
            self._complaints.tell(record.id, f"it cannot be written as text: {type(error).__name__}")
            return []
        return [record.id, score_of(record), len(fields) // 2, *fields]

    def _call(self, script: Script, *args: str | float) -> list[Any]:
        reply: list[Any] = self._link.call(script, *args)
        if reply[0] == "GONE":
            raise LeaseLost
        return reply[1:]

    def _deliver(self, reply: list[Any]) -> None:
        requests = [Request(*each[1:]) for each in reply if each[0] == "CANCEL"]
        if requests:
            self._delivery.deliver(self._identity.worker, requests)

    def _withdraw_vanished(self) -> None:
        """Take back what is followed no more and has not ended. Called a while after it was noticed."""
        ended = self._notes.ended_ids() | {record.id for record in self._in_hand}
        gone = [each for each in self._vanished - ended if self._local.find(each) is None]
        self._vanished.clear()
        self._withdraw("forget", gone)

    def _reconcile(self) -> None:
        """Give up what the store believes to run here and does not: its end was too much to keep, or was forgotten."""
        held = self._link.members(f"owned:{self._identity.worker}")
        known = {record.id for record in (*self._local.running(), *self._in_hand)} | self._notes.ended_ids()
        self._withdraw("lose", [each for each in held if each not in known])

    def _withdraw(self, how: str, ids: list[str]) -> None:
        for start in range(0, len(ids), BATCH):
            self._link.call(WITHDRAW, self._identity.worker, how, *ids[start : start + BATCH])


def _batches(records: Iterable[OperationRecord]) -> Iterator[list[OperationRecord]]:
    batch: list[OperationRecord] = []
    for record in records:
        batch.append(record)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
