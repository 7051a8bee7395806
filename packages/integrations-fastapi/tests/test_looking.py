"""`Request.is_disconnected`, which reads in a cancelled scope, and reads that the app gives up."""

from __future__ import annotations

import anyio
import pytest
from starlette.requests import HTTPConnection, Request
from starlette.types import Message, Receive, Scope, Send

from hother.cancelable import Cancelable, DisconnectCancelation
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, get_request_token

from .hand_made import LEFT, NO_BODY, Channel, piece, read, wait_for_the_end


async def test_end_is_told_without_a_checkpoint() -> None:
    """`is_disconnected`, which asks in a cancelled scope, hears of the client, also before a body that nobody read."""
    channel = Channel(piece(b"body", more=False), LEFT)
    answers: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(DisconnectCancelation):
            await wait_for_the_end(scope, receive, send)
        request = Request(scope, receive)
        answers.append(await request.is_disconnected())
        assert await request.body() == b"body"

    await channel.run(app)
    assert answers == [True]


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "unwatched"])
async def test_looking_swallows_no_body(watched: bool) -> None:
    """`is_disconnected` before the body is read leaves the body whole."""
    channel = Channel(piece(b"one"), piece(b"two"), piece(b"three", more=False))
    bodies: list[bytes] = []

    async def read(request: Request) -> None:
        for _ in range(3):
            assert not await request.is_disconnected()
        bodies.append(await request.body())
        assert not await request.is_disconnected()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if not watched:
            await read(request)
            return
        async with Cancelable():
            await read(request)

    await channel.run(app)
    assert bodies == [b"onetwothree"]


async def test_looking_again_and_again_sees_the_end() -> None:
    """An app that reads nothing, has no operation, and polls `is_disconnected` hears of the client leaving."""
    channel, polls = Channel(NO_BODY), list[bool]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        while not (polls and polls[-1]):
            polls.append(await request.is_disconnected())
            if len(polls) == 3:
                channel.push(LEFT)
            assert len(polls) < 10
        assert await request.body() == b""

    await channel.run(app)
    assert polls == [False, False, False, True]


async def test_look_leaves_reading_to_the_watch() -> None:
    """Where the token was asked for, looking never gives up a read: granian loses a message with each of them."""
    channel, given_up = Channel(), list[bool]()

    async def receive() -> Message:
        try:
            return await channel.receive()
        except anyio.get_cancelled_exc_class():
            given_up.append(True)
            raise

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        get_request_token(HTTPConnection(scope))
        for _ in range(3):
            assert not await Request(scope, receive).is_disconnected()
        assert given_up == []

    await RequestCancelationMiddleware(app)(channel.scope, receive, channel.send)


async def test_look_sees_the_end_without_a_watch() -> None:
    """`is_disconnected` works where nobody watches, too."""
    channel = Channel(NO_BODY, LEFT)
    answers: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        answers.append(await Request(scope, receive).is_disconnected())

    await channel.run(app)
    assert answers == [True]


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "unwatched"])
async def test_given_up_read_loses_nothing(watched: bool) -> None:
    """A read that the app gives up leaves the message to the next one."""
    channel = Channel()
    bodies: list[bytes] = []

    async def read(receive: Receive) -> None:
        with anyio.move_on_after(0.02):
            await receive()
        channel.push(piece(b"body", more=False))
        bodies.append((await receive())["body"])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if not watched:
            await read(receive)
            return
        async with Cancelable():
            await read(receive)

    await channel.run(app)
    assert bodies == [b"body"]


async def test_watch_goes_on_where_the_app_gives_up() -> None:
    """When the app, which was the one reading, gives up, the watch reads on."""
    channel = Channel(NO_BODY)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        async with anyio.create_task_group() as group:
            group.start_soon(read, receive)
            await anyio.wait_all_tasks_blocked()
            async with Cancelable():
                group.cancel_scope.cancel()
        await wait_for_the_end(scope, receive, send)

    async with channel.running(app):
        assert channel.in_flight == 1
        channel.push(LEFT)
