"""Decorated generators that are ended on time: event streams say why, others are cut off."""

import json
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.types import Message

from hother.cancelable import Cancelable, CancelationError, CancelationReason, current_operation
from hother.cancelable.integrations.fastapi import with_cancelation

from .asking import app_with, ask
from .generators import ROUTES, each_route, endless, endless_in_thread
from .hand_made import NO_BODY, Channel, make_app, with_and_without

LAST = b'event: cancelled\ndata: {"reason": "%s", "detail": "%s"}\n\n'


@pytest.mark.virtual_time
@with_and_without
async def test_event_stream_that_takes_too_long(middleware: bool) -> None:
    """An event stream ends with an event that says why, and cleanly."""
    happened, app = list[Any](), make_app(middleware=middleware)
    app.get("/", **ROUTES["sse"])(with_cancelation(timeout=3)(endless(happened)))
    heard = await ask(app)
    assert heard.body == b'data: "0"\n\ndata: "1"\n\n' + LAST % (b"timeout", b"The request took too long")
    assert heard.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert anyio.current_time() >= 3
    assert happened[-1][0] == "finally"


@pytest.mark.parametrize("way", ["router", "nested routers", "default of the app", "default of a router", "mount"])
async def test_event_streams_everywhere(way: str) -> None:
    """So do those that are event streams because of a default, and those behind routers and mounts."""

    @with_cancelation
    async def endpoint() -> AsyncIterator[str]:
        yield "one"
        operation = current_operation()
        assert operation is not None
        await operation.cancel(CancelationReason.SHUTDOWN)
        await anyio.sleep_forever()

    default: Any = {"default_response_class": EventSourceResponse}
    app = FastAPI(**(default if way == "default of the app" else {}))
    router = APIRouter(**(default if way == "default of a router" else {}))
    options: dict[str, Any] = {} if "default" in way else ROUTES["sse"]
    (app if way == "default of the app" else router).get("/stream", **options)(endpoint)
    if way == "nested routers":
        outer = APIRouter(prefix="/nested")
        outer.include_router(router)
        app.include_router(outer)
    elif way == "mount":
        inner = FastAPI()
        inner.include_router(router)
        app.mount("/mounted", inner)
    else:
        app.include_router(router)
    path = {"nested routers": "/nested/stream", "mount": "/mounted/stream"}.get(way, "/stream")
    heard = await ask(app, path)
    assert heard.body == b'data: "one"\n\n' + LAST % (b"shutdown", b"The server is shutting down")


@pytest.mark.parametrize("reason", [each for each in CancelationReason if each is not CancelationReason.DISCONNECT])
async def test_last_event_of_each_reason(reason: CancelationReason) -> None:
    """The last event names the reason and says nothing of the inside, also for an operation of the endpoint's own."""

    @with_cancelation
    async def endpoint() -> AsyncIterator[ServerSentEvent]:
        yield ServerSentEvent(data="one", id="1")
        async with Cancelable() as mine:
            await mine.cancel(reason, "a secret of the server")
            await anyio.sleep_forever()

    body = (await ask(app_with(endpoint, **ROUTES["sse"]))).body
    first, last, rest = body.split(b"\n\n")
    assert (first, rest) == (b'data: "one"\nid: 1', b"")
    event, data = last.split(b"\n")
    assert event == b"event: cancelled"
    assert json.loads(data.removeprefix(b"data: "))["reason"] == reason.value
    assert b"secret" not in data


def assert_is_cut(sent: list[Message]) -> None:
    """Check that a response began, once, and was not finished."""
    assert sent[0]["status"] == 200
    assert [each["type"] for each in sent] == ["http.response.start", *["http.response.body"] * 2]
    assert all(each["more_body"] for each in sent[1:])


@pytest.mark.virtual_time
@pytest.mark.parametrize("route", ["jsonl", "raw"])
async def test_other_stream_that_takes_too_long(route: str) -> None:
    """Other streams are cut off: half of them is not taken for the whole. Behind the middleware that is no error."""
    for middleware in (True, False):
        happened, app, channel = list[Any](), make_app(middleware=middleware), Channel(NO_BODY)
        app.get("/", **ROUTES[route])(with_cancelation(timeout=3)(endless(happened)))
        if middleware:
            await channel.run_alone(app)
        else:
            with pytest.raises(CancelationError):
                await channel.run_alone(app)
        assert_is_cut(channel.sent)
        assert happened[-1][0] == "finally"


@pytest.mark.parametrize("route", ["jsonl", "raw"])
async def test_stream_in_threads_that_takes_too_long(route: str) -> None:
    """So it is with a plain generator, which looks; it is closed in a worker thread."""
    happened, app, channel = list[Any](), make_app(middleware=True), Channel(NO_BODY)
    endpoint = endless_in_thread(happened, threading.Event())
    app.get("/", **ROUTES[route])(with_cancelation(timeout=0.1)(endpoint))
    await channel.run_alone(app)
    assert_is_cut(channel.sent)
    assert happened[-1][:2] == ("finally", False)


@pytest.mark.virtual_time
@each_route
async def test_no_time_passes_before_the_first_item_is_asked_for(route: str) -> None:
    """The timeout runs while the client takes its time, and interrupts the next step, not the sending."""
    app, received = make_app(middleware=True), list[Message]()

    @app.get("/", **ROUTES[route])
    @with_cancelation(timeout=3)
    async def endpoint() -> AsyncIterator[str]:
        for number in range(30):  # FastAPI asks for some events ahead
            yield str(number)
            await anyio.sleep(0)

    async def send(message: Message) -> None:
        await anyio.sleep(2)
        received.append(message)

    channel = Channel(NO_BODY)
    await app(channel.scope, channel.receive, send)
    assert [each["type"] for each in received[:2]] == ["http.response.start", "http.response.body"]
    assert len(received) < 20
    assert (b"timeout" in received[-2]["body"]) is (route == "sse")


@each_route
async def test_generator_that_never_waits(route: str) -> None:
    """The timeout ends it, too, at its next step; so it does in threads."""

    async def tight() -> AsyncIterator[str]:
        while True:
            yield "again"

    def tight_in_thread() -> Iterator[str]:
        while True:
            yield "again"

    for endpoint in (tight, tight_in_thread):
        for timeout in (0.03, 0.3, 3):  # on a busy machine the time may be up before the first item has been sent
            app = make_app(middleware=True)
            app.get("/", **ROUTES[route])(with_cancelation(timeout=timeout)(endpoint))
            heard = await ask(app)
            if heard.status != 504 and heard.body:
                break
        assert heard.sent[-1]["more_body"] is (route != "sse")
        assert (b"timeout" in heard.body) is (route == "sse")
