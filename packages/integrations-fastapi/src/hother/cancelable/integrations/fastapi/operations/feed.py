"""The stream of events: server-sent events that resume, and that hold up no shutdown.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, NamedTuple

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from starlette.types import Send

from fastapi import Header
from fastapi.sse import EventSourceResponse, ServerSentEvent, format_sse_event
from hother.cancelable import Cancelable
from hother.cancelable.registry import BackendUnavailable, Event, EventFeed, EventKind, OperationRegistry

from .presenting import Presenter, backend_state
from .schemas import OperationEvent

STREAM_SECONDS: Final = 55.0
"""After how long a stream ends, for the browser to resume it."""
RETRY_MILLISECONDS: Final = 1000
"""How long a browser waits before it resumes."""
PING_SECONDS: Final = 15.0
"""After how much silence a comment is sent, for proxies that would close the connection."""
REST_SECONDS: Final = 0.1
"""How long to gather events before the next ones are sent."""
LOOK_SECONDS: Final = 1.0
"""How often to look whether the shared store is still there."""
_STREAM: Final = "operations page: events"
"""The name of the operation that is a stream."""
_BACKLOG: Final = 1000
_OWN: Final = re.compile(r"\d{1,20}", re.ASCII)
_SHARED: Final = re.compile(r"\d{1,20}(-\d{1,20})?", re.ASCII)
"""What the ids of events look like: those of this process alone, and those of a shared store."""
_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

EVENTS_DOCUMENTED: Final[dict[str, Any]] = {
    "description": "Server-sent events. The first is `ready`, or `reset` where `Last-Event-ID` is too old: then, where "
    "`ready` says `resumed: false`, and at each further `reset`, list the operations anew. `degraded`: the shared "
    "store is away, list those of this process, and those of all when the stream has resumed without saying so again. "
    "All others are named after their kind, and their data is an OperationEvent.",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


class Beginning(NamedTuple):
    """How a stream begins."""

    events: EventFeed | None
    """What follows; None where the shared store is away."""
    first: ServerSentEvent


class Feeder:
    """The endpoint that tells what happens.

    Without a shared store the ids of events count in this process alone: they are marked, so that another process, or
    the next life of this one, does not take them for its own.
    """

    def __init__(self, registry: OperationRegistry, presenter: Presenter) -> None:
        self._registry = registry
        self._presenter = presenter
        self._mark = "" if registry.is_shared else f"{secrets.token_hex(4)}-"

    async def follow_events(
        self, last_event_id: Annotated[str | None, Header(description="Resume after this event.")] = None
    ) -> EventSourceResponse:
        """Tell what happens, as server-sent events. Of several reports of progress within 0.1 s the last is told."""
        return EventStream(self, last_event_id)

    async def begin(self, last: str | None) -> Beginning:
        """Return where a stream begins, and the event that says so."""
        if await self._is_cut_off():
            return Beginning(None, DEGRADED)
        if last and (known := self._known(last)) is not None:
            return Beginning(known, _event("ready", last, {"resumed": True}))
        try:
            position = await self._registry.position()
        except BackendUnavailable:
            return Beginning(None, DEGRADED)
        kind = "reset" if last else "ready"
        return Beginning(self._registry.events(position), _event(kind, self._mark + position, {"resumed": False}))

    async def wait_until_cut_off(self) -> None:
        """Wait until the shared store is away; where there is none, for ever."""
        if not self._registry.is_shared:
            await anyio.sleep_forever()
        while not await self._is_cut_off():  # noqa: ASYNC110 - nothing tells when it is
            await anyio.sleep(LOOK_SECONDS)

    async def hide(self, stream: Cancelable) -> None:
        """List a stream no more: who looks at operations shall not be one of them, nor be counted as cancelled."""
        await self._registry.unregister(stream.operation_id)

    def encoded(self, event: Event) -> bytes:
        """Return an event as bytes."""
        if event.kind is EventKind.MISSED:
            return _wire(_event("reset", self._mark + event.id, {"resumed": False}))
        data: OperationEvent = self._presenter.event(event)
        return _wire(ServerSentEvent(raw_data=data.model_dump_json(), event=event.kind.value, id=self._mark + event.id))

    async def _is_cut_off(self) -> bool:
        return await backend_state(self._registry) == "degraded"

    def _known(self, last: str) -> EventFeed | None:
        """Return what has come after an event, if its id is one of ours."""
        position = last.removeprefix(self._mark)
        form = _OWN if self._mark else _SHARED
        if not last.startswith(self._mark) or form.fullmatch(position) is None:
            return None
        return self._registry.events(position)


class EventStream(EventSourceResponse):
    """Sends events until its time is up, its client leaves, or its request is told to end.

    It pushes, where FastAPI would pull from a generator: an operation that a generator holds open would be left in
    another task when the client has gone.
    """

    def __init__(self, feeder: Feeder, last: str | None) -> None:
        super().__init__(_nothing(), headers=_HEADERS)
        self._feeder = feeder
        self._last = last

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with Cancelable.with_timeout(STREAM_SECONDS, name=_STREAM, move_on=True) as stream:
            await self._feeder.hide(stream)
            beginning = await self._feeder.begin(self._last)
            await _send(send, _wire(beginning.first))
            if beginning.events is not None:
                await self._follow(beginning.events, send)
                await _send(send, _wire(DEGRADED))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _follow(self, events: EventFeed, send: Send) -> None:
        """Tell what happens until the shared store is away."""
        arriving, arrived = anyio.create_memory_object_stream[Event](_BACKLOG)
        with arriving, arrived:
            async with anyio.create_task_group() as group:
                group.start_soon(_gather, events, arriving)
                group.start_soon(self._push, arrived, send)
                await self._feeder.wait_until_cut_off()
                group.cancel_scope.cancel()

    async def _push(self, arrived: ObjectReceiveStream[Event], send: Send) -> None:
        while True:
            batch = await _next_batch(arrived)
            await _send(send, b"".join(map(self._feeder.encoded, batch)) if batch else b": ping\n\n")
            await anyio.sleep(REST_SECONDS)


async def _gather(events: EventFeed, arriving: ObjectSendStream[Event]) -> None:
    async for event in events:
        if event.record is None or event.record.name != _STREAM:
            await arriving.send(event)


async def _next_batch(arrived: ObjectReceiveStream[Event]) -> list[Event]:
    """Return what has arrived, without reports that later ones replace; nothing after a long silence."""
    batch: list[Event] = []
    with anyio.move_on_after(PING_SECONDS):
        batch.append(await arrived.receive())
        batch += _arrived_already(arrived)
    latest = {event.record.id: event.id for event in batch if event.record is not None}
    return [
        event
        for event in batch
        if event.kind is not EventKind.PROGRESS or event.record is None or latest[event.record.id] == event.id
    ]


def _arrived_already(arrived: Any) -> list[Event]:
    events: list[Event] = []
    try:
        while len(events) < _BACKLOG:
            events.append(arrived.receive_nowait())
    except anyio.WouldBlock:
        pass
    return events


def _event(kind: str, identity: str | None, data: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(raw_data=json.dumps(data), event=kind, id=identity, retry=RETRY_MILLISECONDS)


def _wire(event: ServerSentEvent) -> bytes:
    return format_sse_event(data_str=event.raw_data, event=event.event, id=event.id, retry=event.retry)


DEGRADED: Final = _event("degraded", None, {})
"""Says that the shared store is away."""


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield
