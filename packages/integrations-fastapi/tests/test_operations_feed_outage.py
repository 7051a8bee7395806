"""The stream of events while the shared store is away."""

from __future__ import annotations

import anyio
import pytest

pytest.importorskip("hother.cancelable.registry", reason="hother-cancelable-registry is not installed")

from hother.cancelable.integrations.fastapi.operations import feed
from hother.cancelable.integrations.fastapi.operations.presenting import Presenter
from hother.cancelable.registry import Event, EventKind, OperationRegistry

from .operations_app import Store, api, client, record
from .operations_events import Told, events_of


async def told(store: Store, last: str | None = None) -> list[Told]:
    """Return what a stream tells until it ends."""
    headers = {} if last is None else {"Last-Event-ID": last}
    async with client(api(OperationRegistry(store)), headers=headers, timeout=None) as http:
        return events_of((await http.get("/events")).text)


@pytest.mark.parametrize("last", [None, "1-0"])
async def test_away_from_the_beginning(last: str | None) -> None:
    """A stream that begins or resumes while the store is away says so, and ends for the browser to try again."""
    store = Store()
    store.publish(EventKind.STARTED, record("1"))
    store.is_away = True
    [event] = await told(store, last)
    assert (event.kind, event.id, event.retry) == ("degraded", None, "1000")


async def test_away_half_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the store goes away under a stream, the stream says so, and ends."""
    monkeypatch.setattr(feed, "LOOK_SECONDS", 0.01)
    store, heard, is_sent = Store(), list[Told](), anyio.Event()
    encoded = feed.Feeder.encoded

    def note(self: feed.Feeder, event: Event) -> bytes:
        is_sent.set()
        return encoded(self, event)

    async def listen() -> None:
        heard.extend(await told(store, "0-0"))

    monkeypatch.setattr(feed.Feeder, "encoded", note)
    store.publish(EventKind.STARTED, record("1"))
    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await is_sent.wait()
        store.is_away = True
    assert [each.kind for each in heard] == ["ready", "started", "degraded"]


@pytest.mark.parametrize("odd", ["-5", "5-", "1-2-3", "9" * 30, "\u0661"])
async def test_ids_that_no_store_gives(odd: str) -> None:
    """An id that cannot be one of the shared store begins anew with a reset, and breaks no stream."""
    beginning = await feed.Feeder(OperationRegistry(Store()), Presenter(())).begin(odd)
    assert beginning.first.event == "reset"
