"""The stream of events: what it tells, how it resumes, and when it ends."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI

from hother.cancelable import Cancelable, CancelationReason, CancelationToken
from hother.cancelable.core import ambient_token

pytest.importorskip("hother.cancelable.registry", reason="hother-cancelable-registry is not installed")

from hother.cancelable.integrations.fastapi.operations.feed import Feeder
from hother.cancelable.integrations.fastapi.operations.presenting import Presenter
from hother.cancelable.registry import EventKind, OperationRegistry

from .operations_app import Store, api, client, done, record, running, work
from .operations_events import Told, event_of, events_of


class Stream:
    """A stream that is being read."""

    text = ""
    status = 0
    took = 0.0

    @property
    def events(self) -> list[Told]:
        """What was told."""
        return events_of(self.text)


async def read(app: Any, stream: Stream, last: str | None) -> None:
    """Read a stream to its end."""
    began = anyio.current_time()
    headers = {} if last is None else {"Last-Event-ID": last}
    async with client(app, headers=headers, timeout=None) as http:
        response: httpx.Response = await http.get("/events")
    stream.text, stream.status = response.text, response.status_code
    stream.took = anyio.current_time() - began


@asynccontextmanager
async def reading(app: Any, last: str | None = None) -> AsyncGenerator[Stream]:
    """Read a stream while the body runs, and then to its end."""
    stream = Stream()
    async with anyio.create_task_group() as group:
        group.start_soon(read, app, stream, last)
        await anyio.wait_all_tasks_blocked()
        yield stream


@pytest.mark.virtual_time
async def test_a_stream_ends_by_itself() -> None:
    """A stream begins with where it stands and when to come back, and ends after 55 s so that no shutdown waits."""
    async with reading(api(OperationRegistry())) as stream:
        pass
    [ready] = stream.events
    assert (stream.status, ready.kind, ready.data, ready.retry) == (200, "ready", {"resumed": False}, "1000")
    assert ready.id
    assert stream.took == pytest.approx(55, abs=0.5)


@pytest.mark.virtual_time
async def test_silence_is_broken() -> None:
    """Where nothing happens a comment is sent every 15 s, so that no proxy closes the connection."""
    async with reading(api(OperationRegistry())) as stream:
        pass
    assert stream.text.count(": ping\n\n") == 3


@pytest.mark.virtual_time
async def test_life_of_an_operation() -> None:
    """Each step of an operation is told once, in order, with the operation as it was then."""
    registry, operation = OperationRegistry(), work("job", operation_id="1", metadata={"pages": 3, "password": "x"})
    async with reading(api(registry, metadata_keys=["pages"])) as stream, running(registry, operation):
        await anyio.sleep(1)
        await operation.report_progress("half", {"percent": 50})
        await anyio.sleep(1)
        await registry.cancel("1", CancelationReason.SHUTDOWN, "bye", wait=5)
    [_, started, progress, requested, delivered, finished] = stream.events
    kinds = [started.kind, progress.kind, requested.kind, delivered.kind, finished.kind]
    assert kinds == ["started", "progress", "cancel_requested", "cancel_delivered", "finished"]
    assert progress.data["kind"] == "progress"
    assert progress.data["worker"] == "local"
    assert progress.data["operation"]["progress"]["percent"] == 50.0
    assert requested.data["operation"]["status"] == "running"
    assert finished.data["operation"]["status"] == "cancelled"
    assert finished.data["operation"]["metadata"] == {"pages": 3}
    ids = [each.id for each in stream.events]
    assert len(set(ids)) == len(ids)


@pytest.mark.virtual_time
async def test_reports_that_are_outdated_are_left_out() -> None:
    """Of many reports within a tenth of a second the last is told, and nothing else is left out."""
    registry, operation = OperationRegistry(), work("job")
    async with reading(api(registry)) as stream, running(registry, operation):
        for number in range(500):
            await operation.report_progress(str(number))
        await done(registry, work("other"))
        await anyio.sleep(1)
    told = [(each.kind, each.name) for each in stream.events[1:]]
    assert told.count(("progress", "job")) <= 3
    assert [each for each in told if each[0] != "progress"] == [
        ("started", "job"), ("started", "other"), ("finished", "other"), ("finished", "job"),
    ]  # fmt: skip
    assert [each.data["operation"]["progress"]["message"] for each in stream.events if each.kind == "progress"][
        -1
    ] == "499"


@pytest.mark.virtual_time
async def test_resuming() -> None:
    """Who comes back with the id of the last event gets all that came after it, each once, also after silence."""
    registry = OperationRegistry()
    app, seen = api(registry), list[str]()
    async with reading(app) as stream:
        pass
    last = stream.events[-1].id
    for round_ in range(3):
        await done(registry, work(f"before-{round_}"))
        async with reading(app, last) as stream:
            await done(registry, work(f"while-{round_}"))
        assert stream.events[0][:3] == ("ready", last, {"resumed": True})
        seen += [each.name for each in stream.events if each.kind == "finished"]
        last = stream.events[-1].id
    assert seen == ["before-0", "while-0", "before-1", "while-1", "before-2", "while-2"]


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    "old", ["{mark}-999", "{mark}-" + "9" * 5000, "{mark}-", "{mark}-x", "00000000-0", "0", "nonsense"], ids=range(7)
)
async def test_ids_that_are_too_old(old: str) -> None:
    """An id that is kept no longer, or that another process has given, begins anew with a reset."""
    registry = OperationRegistry()
    app = api(registry)
    async with reading(app) as first:
        pass
    mark = (first.events[0].id or "").partition("-")[0]
    async with reading(app, old.format(mark=mark)) as stream:
        await done(registry, work("job"))
    kinds = [each.kind for each in stream.events]
    assert kinds.count("reset") == 1
    assert kinds[-3:] == ["reset", "started", "finished"]
    async with reading(app, stream.events[-1].id) as again:
        pass
    assert [each.kind for each in again.events] == ["ready"]


@pytest.mark.virtual_time
async def test_ids_of_another_life() -> None:
    """An id that an earlier life of the process has given is not taken for one of this life."""
    async with reading(api(OperationRegistry())) as first:
        pass
    registry = OperationRegistry()
    app = api(registry)
    async with reading(app, first.events[0].id) as stream:
        pass
    assert [each.kind for each in stream.events] == ["reset"]


class Ambient:
    """Has the operations of each request end with a token, as the middleware does that ends them at shutdown."""

    def __init__(self, app: FastAPI, token: CancelationToken) -> None:
        self.app = app
        self.token = token

    async def __call__(self, *request: Any) -> None:
        with ambient_token(lambda: self.token):
            await self.app(*request)


@pytest.mark.virtual_time
async def test_shutdown() -> None:
    """A stream whose request is told to end does so at once, and whole: no piece of an event is left."""
    registry, token = OperationRegistry(), CancelationToken()
    async with reading(Ambient(api(registry), token)) as stream:
        await done(registry, work("job"))
        await anyio.sleep(10)
        token.cancel_sync(CancelationReason.SHUTDOWN)
    assert stream.took == pytest.approx(10, abs=0.5)
    assert [each.kind for each in stream.events] == ["ready", "started", "finished"]


@pytest.mark.virtual_time
async def test_cancelled_from_around() -> None:
    """An operation around the request ends the stream as it ends everything else."""
    registry, around = OperationRegistry(), Cancelable(move_on=True)
    app = api(registry)

    async def inside(*request: Any) -> None:
        async with around:
            await app(*request)
        await request[2]({"type": "http.response.body", "body": b"", "more_body": False})

    async with reading(inside) as stream:
        await anyio.sleep(10)
        around.token.cancel_sync()
    assert stream.took == pytest.approx(10, abs=0.5)


@pytest.mark.virtual_time
async def test_streams_do_not_watch_themselves() -> None:
    """Where every operation is listed, the streams of open pages are not, nor counted, nor told of."""
    registry = OperationRegistry()
    registry.track_all()
    try:
        async with reading(api(registry)) as first, reading(api(registry)) as second:
            assert await registry.list_operations() == []
            async with work("job"):
                pass
    finally:
        registry.track_no_more()
    for stream in (first, second):
        assert [(each.kind, each.name) for each in stream.events[1:]] == [("started", "job"), ("finished", "job")]
    assert [each.name for each in await registry.get_history()] == ["job"]
    assert (await registry.get_statistics())["total_started"] == 1


async def test_nothing_stays_behind() -> None:
    """When a stream has ended nobody waits for events any more."""
    registry, token = OperationRegistry(), CancelationToken()
    async with reading(Ambient(api(registry), token)):
        token.cancel_sync()
    await done(registry, work())
    assert registry.engine.tracker.feed._wakers == {}


async def test_events_of_all_processes() -> None:
    """With a shared store the ids are the store's own, so that every process can resume the stream of another."""
    store = Store()
    store.publish(EventKind.STARTED, record("0"))
    feeder = Feeder(OperationRegistry(store), Presenter())
    beginning = await feeder.begin(None)
    assert (beginning.first.event, beginning.first.id) == ("ready", "1-0")
    store.publish(EventKind.STARTED, record("1"))
    assert beginning.events is not None
    told = event_of(feeder.encoded(await anext(beginning.events)).decode().strip())
    assert (told.kind, told.id, told.data["operation"]["id"]) == ("started", "2-0", "1")
    other = Feeder(OperationRegistry(store), Presenter())
    resumed = await other.begin("1-0")
    assert (resumed.first.event, json.loads(resumed.first.raw_data or "")) == ("ready", {"resumed": True})
    assert resumed.events is not None
    assert (await anext(resumed.events)).id == "2-0"
    late = await other.begin("99-0")
    assert late.events is not None
    assert event_of(other.encoded(await anext(late.events)).decode().strip()).kind == "reset"
