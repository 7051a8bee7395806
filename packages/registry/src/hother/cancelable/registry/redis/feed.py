"""Reading what has happened in all processes."""

from __future__ import annotations

import re
import time
from typing import Final

from hother.cancelable.registry.records import Event, EventKind

from .link import Link
from .rows import event_of
from .scripts import FEED
from .waiting import SLICE

_POSITION: Final = re.compile(r"\d+(-\d+)?", re.ASCII)


def position(link: Link) -> str:
    """Return where the feed stands.

    Raises:
        BackendUnavailable: If the store cannot be reached.
    """
    where: str = link.call(FEED, "")[0]
    return where


def events(link: Link, after: str, timeout: float) -> list[Event]:
    """Return what has happened after an event, waiting so many seconds at most; only `MISSED` if that is gone.

    Raises:
        BackendUnavailable: If the store cannot be reached.
        ValueError: If there can be no such event.
    """
    if _POSITION.fullmatch(after) is None:
        raise ValueError(f"{after!r} is no id of an event; begin with after=None")
    end = time.monotonic() + timeout
    where, has_missed = link.call(FEED, after)
    if has_missed:
        return [Event(where, EventKind.MISSED, time.time())]
    while True:
        entries = link.read("events", after, min(max(end - time.monotonic(), 0), SLICE))
        found = _events_of(link, entries)
        if found or time.monotonic() >= end:
            return found
        after = entries[-1][0] if entries else after


def _events_of(link: Link, entries: list[tuple[str, dict[str, str]]]) -> list[Event]:
    """Read entries; the metadata is kept with the operations alone."""
    ids = list(dict.fromkeys(fields["id"] for _, fields in entries if "id" in fields))
    values = link.values([f"op:{each}" for each in ids], "metadata") if ids else []
    metadata = dict(zip(ids, values, strict=True))
    found = [event_of(each, fields, metadata.get(fields.get("id", ""))) for each, fields in entries]
    return [event for event in found if event is not None]
