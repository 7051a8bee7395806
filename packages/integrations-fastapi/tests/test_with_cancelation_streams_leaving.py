"""Decorated generators whose client leaves: they are ended and closed before the request is over."""

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio

from hother.cancelable import CancelationReason
from hother.cancelable.integrations.fastapi import with_cancelation

from .generators import ROUTES, each_route, endless, endless_in_thread, note
from .hand_made import LEFT, NO_BODY, Channel, make_app, with_and_without


@each_route
@with_and_without
async def test_client_leaves(route: str, middleware: bool) -> None:
    """When the client leaves, the generator's `finally` has run when the request is over; nothing more is sent."""
    happened, app, channel = list[Any](), make_app(middleware=middleware), Channel(NO_BODY)
    app.get("/", **ROUTES[route])(with_cancelation(endless(happened)))
    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        while len(channel.sent) < 3:
            await anyio.sleep(0)
        await anyio.wait_all_tasks_blocked()
        channel.push(LEFT)
    assert happened[-1][0] == "finally"
    operation = happened[0][2]
    assert operation.is_cancelled
    assert all(each["body"] == b"" for each in channel.sent[3:])
    if middleware:
        assert operation.context.cancel_reason is CancelationReason.DISCONNECT
        assert channel.scope["hother.cancelable.status"] == 499


@each_route
async def test_client_leaves_between_two_items(route: str) -> None:
    """Behind the middleware the generator ends at its next step, also where it never waits."""
    happened, app, channel = list[Any](), make_app(middleware=True), Channel(NO_BODY)

    @app.get("/", **ROUTES[route])
    @with_cancelation
    async def endpoint() -> AsyncIterator[str]:
        try:
            while True:
                note(happened, "again")
                yield "again"
        finally:
            note(happened, "finally")

    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        while len(channel.sent) < 10:
            await anyio.sleep(0)
        channel.push(LEFT)
    assert happened[-1][0] == "finally"
    assert happened[0][2].context.cancel_reason is CancelationReason.DISCONNECT


@each_route
@with_and_without
async def test_client_leaves_a_thread(route: str, middleware: bool) -> None:
    """A plain generator that looks whether to stop does so, and is closed in a worker thread."""
    happened, app, channel = list[Any](), make_app(middleware=middleware), Channel(NO_BODY)
    app.get("/", **ROUTES[route])(with_cancelation(endless_in_thread(happened, threading.Event())))
    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        while len(channel.sent) < 3:
            await anyio.sleep(0.001)
        channel.push(LEFT)
    assert happened[-1][:2] == ("finally", False)
    assert all(each["body"] == b"" for each in channel.sent[3:])


@each_route
async def test_client_leaves_a_thread_that_does_not_look(route: str) -> None:
    """One that does not look is waited for, and closed only then; its last item is dropped."""
    happened, waiting, channel = list[Any](), threading.Event(), Channel(NO_BODY)
    in_thread = anyio.Event()
    app = make_app(middleware=True)

    @app.get("/", **ROUTES[route])
    @with_cancelation
    def endpoint() -> Iterator[str]:
        try:
            yield "one"
            yield "two"
            anyio.from_thread.run_sync(in_thread.set)
            waiting.wait(10)
            note(happened, "came back")
            yield "three"
        finally:
            note(happened, "finally")

    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        await in_thread.wait()
        channel.push(LEFT)
        await anyio.sleep(0.1)
        assert happened == []
        waiting.set()
    assert [each[:2] for each in happened] == [("came back", False), ("finally", False)]
    assert len(channel.sent) <= 3
