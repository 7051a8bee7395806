"""`get_request_token`, with the middleware and without."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
import pytest
from fastapi import BackgroundTasks, Body, Depends, Request, Response, WebSocket
from fastapi.responses import StreamingResponse
from starlette.requests import HTTPConnection

from hother.cancelable import Cancelable, CancelationReason, CancelationToken, DisconnectCancelation
from hother.cancelable.integrations.fastapi import get_request_token

from .hand_made import LEFT, NO_BODY, Channel, make_app, piece, with_and_without


@with_and_without
async def test_token_of_a_leaving_client(middleware: bool) -> None:
    """The token is cancelled when the client leaves, and the operation on it ends; nobody is told of an error."""
    app, channel = make_app(middleware=middleware), Channel(NO_BODY)
    tokens: list[CancelationToken] = []

    @app.get("/")
    async def endpoint(request: Request) -> None:
        tokens.append(get_request_token(request))
        async with Cancelable.with_token(tokens[0]):
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        await anyio.wait_all_tasks_blocked()
        channel.push(LEFT)
    assert tokens[0].reason is CancelationReason.DISCONNECT
    assert channel.sent == []


@with_and_without
async def test_token_is_the_same_for_all(middleware: bool) -> None:
    """A request has one token, whoever asks; as a dependency it may be asked for in a worker thread."""
    app, channel = make_app(middleware=middleware), Channel(NO_BODY)
    tokens: list[CancelationToken] = []

    def in_a_thread(connection: HTTPConnection) -> CancelationToken:
        return get_request_token(connection)

    @app.get("/")
    async def endpoint(
        request: Request,
        first: Annotated[CancelationToken, Depends(get_request_token)],
        second: Annotated[CancelationToken, Depends(in_a_thread)],
    ) -> None:
        tokens.extend([first, second, get_request_token(request)])
        await first.wait_for_cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        while channel.in_flight == 0 and not channel.sent:
            await anyio.sleep(0.001)
        channel.push(LEFT)
    assert len(tokens) == 3
    assert len(set(tokens)) == 1


@with_and_without
async def test_body_is_not_eaten(middleware: bool) -> None:
    """An endpoint that reads its body itself gets all of it, while the token is watched."""
    app, channel = make_app(middleware=middleware), Channel(method="POST")
    bodies: list[bytes] = []

    @app.post("/")
    async def endpoint(request: Request) -> None:
        get_request_token(request)
        await anyio.wait_all_tasks_blocked()
        assert not await request.is_disconnected()
        bodies.append(await request.body())

    channel.push(piece(b"one"), piece(b"two"), piece(b"three", more=False))
    await channel.run_alone(app)
    assert bodies == [b"onetwothree"]
    assert channel.most_in_flight == 1


@with_and_without
async def test_body_that_fastapi_has_read(middleware: bool) -> None:
    """Where FastAPI has read the body for its parameters, the client is watched, also if it had sent `Expect`."""
    app = make_app(middleware=middleware)
    headers = [(b"content-type", b"application/json"), (b"expect", b"100-continue")]
    channel = Channel(method="POST", headers=headers)

    @app.post("/")
    async def endpoint(request: Request, data: Annotated[dict[str, int], Body()]) -> None:
        async with Cancelable.with_token(get_request_token(request)):
            await anyio.sleep_forever()

    channel.push(piece(b'{"number":'), piece(b" 1}", more=False))
    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        await anyio.wait_all_tasks_blocked()
        assert channel.in_flight == 1
        channel.push(LEFT)
    assert channel.sent == []


@with_and_without
async def test_endpoint_leaves_no_watch(middleware: bool) -> None:
    """After the request nothing reads any more, and the token is cancelled by nothing that comes later."""
    app, channel = make_app(middleware=middleware), Channel(NO_BODY)
    tokens: list[CancelationToken] = []

    @app.get("/")
    async def endpoint(token: Annotated[CancelationToken, Depends(get_request_token)]) -> str:
        tokens.append(token)
        await anyio.wait_all_tasks_blocked()
        return "done"

    await channel.run_alone(app)
    assert channel.in_flight == 0
    channel.push(LEFT)
    await anyio.wait_all_tasks_blocked()
    assert not tokens[0].is_cancelled


@with_and_without
async def test_background_task_is_left_alone(middleware: bool) -> None:
    """A background task with the token of its request goes on when the client leaves after the response."""
    app, channel = make_app(middleware=middleware), Channel(NO_BODY)
    operation = Cancelable()

    async def work(token: CancelationToken) -> None:
        channel.push(LEFT)
        await anyio.wait_all_tasks_blocked()
        assert not token.is_cancelled
        async with operation:
            await anyio.sleep(0.001)

    @app.get("/")
    async def endpoint(tasks: BackgroundTasks, token: Annotated[CancelationToken, Depends(get_request_token)]) -> None:
        tasks.add_task(work, token)

    await channel.run_alone(app)
    assert operation.is_completed


async def test_stream_without_the_middleware() -> None:
    """Without the middleware Starlette alone listens during the response; it cancels the operation of the generator."""
    app, channel = make_app(middleware=False), Channel(NO_BODY, asgi={"spec_version": "2.3"})
    operation = Cancelable()

    @app.get("/")
    async def endpoint(request: Request) -> StreamingResponse:
        get_request_token(request)

        async def events() -> AsyncIterator[str]:
            async with operation:
                yield "event"
                await anyio.sleep_forever()

        return StreamingResponse(events())

    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        await anyio.wait_all_tasks_blocked()
        assert channel.most_in_flight == 1
        channel.push(LEFT)
    assert operation.is_cancelled


async def test_web_socket_without_the_middleware() -> None:
    """Without the middleware the token of a web socket is watched as long as its endpoint runs."""
    app, channel = make_app(middleware=False), Channel({"type": "websocket.connect"}, kind="websocket")
    tokens: list[CancelationToken] = []

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        tokens.append(get_request_token(websocket))
        await websocket.accept()
        assert await websocket.receive_text() == "hello"
        async with Cancelable.with_token(tokens[0]):
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        channel.push({"type": "websocket.receive", "text": "hello"})
        await anyio.wait_all_tasks_blocked()
        channel.push({"type": "websocket.disconnect", "code": 1006})
    assert tokens[0].reason is CancelationReason.DISCONNECT


@pytest.mark.parametrize("make", [HTTPConnection, Request], ids=["connection", "request"])
async def test_nobody_would_cancel_it(make: Any) -> None:
    """Where nothing can watch a request, the error says to add the middleware."""
    channel = Channel(NO_BODY)
    with pytest.raises(RuntimeError, match="add RequestCancelationMiddleware"):
        get_request_token(make(channel.scope))


async def test_exception_handlers_come_first() -> None:
    """Without the middleware too, an app's own handler for the exception is asked."""
    app, channel = make_app(middleware=False), Channel(NO_BODY)
    handled = anyio.Event()

    async def handle(request: Request, error: Exception) -> Response:
        handled.set()
        return Response(status_code=499)

    @app.get("/")
    async def endpoint(token: Annotated[CancelationToken, Depends(get_request_token)]) -> None:
        async with Cancelable.with_token(token):
            await anyio.sleep_forever()

    app.add_exception_handler(Exception, handle)
    app.add_exception_handler(DisconnectCancelation, handle)
    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        await anyio.wait_all_tasks_blocked()
        channel.push(LEFT)
    assert handled.is_set()
