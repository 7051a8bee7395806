"""Rules R8 to R12: what passes through the middleware, in which task the app runs, and what is left afterwards."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from starlette.types import Receive, Scope, Send

from hother.cancelable import Cancelable, DisconnectCancelation
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware
from hother.cancelable.integrations.fastapi.monitor import SCOPE_KEY

from .hand_made import LEFT, NO_BODY, Channel, respond, wait_for_the_end

variable: ContextVar[str] = ContextVar("variable", default="outside")


@pytest.mark.parametrize("kind", ["lifespan", "something new"])
async def test_other_protocols_pass(kind: str) -> None:
    """Scopes of other kinds reach the app untouched, with the server's own functions."""
    channel, seen = Channel(kind=kind), list[Any]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([scope, receive, send])

    before = dict(channel.scope)
    receive, send = channel.receive, channel.send
    await RequestCancelationMiddleware(app)(channel.scope, receive, send)
    assert seen[0] is channel.scope
    assert seen[0] == before
    assert seen[1:] == [receive, send]


async def test_scope_gets_one_key() -> None:
    """The app sees the server's own scope, with one key more."""
    channel = Channel(NO_BODY)
    before = dict(channel.scope)
    await channel.run(respond)
    monitor = channel.scope.pop(SCOPE_KEY)
    assert monitor is not None
    assert channel.scope == before


async def test_app_runs_in_the_task_of_the_server() -> None:
    """The app runs in the caller's task and context, whether it is watched or not."""
    tasks: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            await checkpoint()
        tasks.append(anyio.get_current_task().id)
        variable.set("inside")

    await Channel(NO_BODY).run(app)
    assert tasks == [anyio.get_current_task().id]
    assert variable.get() == "inside"


@pytest.mark.parametrize(
    "error", [LookupError("plain"), ExceptionGroup("group", [LookupError()])], ids=["plain", "group"]
)
async def test_exceptions_leave_as_they_are(error: Exception) -> None:
    """What the app raises leaves the middleware itself, not wrapped in a group, also when it is watched."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Cancelable():
            await checkpoint()
        raise error

    with pytest.raises(type(error)) as caught:
        await Channel(NO_BODY).run(app)
    assert caught.value is error


async def test_group_of_disconnects_is_swallowed() -> None:
    """A group that holds nothing but the exceptions of operations that ended with the client is swallowed, too."""
    channel = Channel(NO_BODY)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(wait_for_the_end, scope, receive, send)

    async with channel.running(app):
        channel.push(LEFT)


async def test_other_errors_survive_in_a_group() -> None:
    """A group that holds anything else leaves the middleware whole."""
    channel, raised = Channel(NO_BODY), list[BaseException]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await wait_for_the_end(scope, receive, send)
        except DisconnectCancelation as error:
            raised.append(ExceptionGroup("both", [error, LookupError()]))
            raise raised[0] from None

    channel.push(LEFT)
    with pytest.raises(ExceptionGroup) as caught:
        await channel.run(app)
    assert caught.value is raised[0]


async def test_nested_middleware_adds_nothing() -> None:
    """Two middlewares around the same request make one monitor, and both routes to it give the same token."""
    channel, monitors = Channel(NO_BODY), list[Any]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        monitors.append(scope[SCOPE_KEY])
        assert receive == monitors[0].receive
        assert send == monitors[0].send
        await wait_for_the_end(scope, receive, send)

    async def outside(scope: Scope, receive: Receive, send: Send) -> None:
        monitors.append(scope[SCOPE_KEY])
        await RequestCancelationMiddleware(app)(scope, receive, send)

    async with channel.running(outside):
        assert channel.in_flight == 1
        channel.push(LEFT)
    assert monitors[0] is monitors[1]
    assert channel.most_in_flight == 1


async def test_scope_may_be_used_again() -> None:
    """A scope that a server or a test uses for another request is monitored again."""
    channel = Channel(NO_BODY)
    await channel.run(respond)
    channel.push(NO_BODY)
    async with channel.running(wait_for_the_end):
        channel.push(LEFT)


async def test_unwatched_request_starts_no_task() -> None:
    """Where nobody asks for the token, the server's `receive()` is not called and no task runs."""
    channel = Channel(NO_BODY)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.wait_all_tasks_blocked()
        assert channel.in_flight == channel.delivered == 0
        await respond(scope, receive, send)

    await channel.run(app)
