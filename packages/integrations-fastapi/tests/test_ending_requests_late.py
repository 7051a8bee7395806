"""Answers that come when a request has been ended already: of threads and shields, with background tasks after them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from fastapi import BackgroundTasks, FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from hother.cancelable import Cancelable, CancelationError, CancelationReason, TimeoutCancelation
from hother.cancelable.integrations.fastapi import (
    RequestCancelationMiddleware,
    cancelable_within,
    get_request_token,
    with_cancelation,
)

from .hand_made import LEFT, NO_BODY, Channel
from .serving import every_server, serving


def make_app() -> FastAPI:
    """Return an app whose requests may take 0.3 s."""
    app = FastAPI()
    app.add_middleware(RequestCancelationMiddleware, default_timeout=0.3)

    @app.get("/thread")
    def thread() -> str:
        time.sleep(0.6)
        return "late"

    @app.get("/shield")
    async def shield() -> str:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.6)
        return "late"

    return app


@every_server
@pytest.mark.server
@pytest.mark.parametrize("path", ["/thread", "/shield"])
@pytest.mark.parametrize("below", [False, True], ids=["alone", "below BaseHTTPMiddleware"])
def test_late_answer_is_whole(kind: str, path: str, below: bool) -> None:
    """What cannot be interrupted answers after all, one whole response or a 504, and the server serves on."""
    app = make_app()
    if below:

        @app.middleware("http")
        async def pass_on(request: Request, call_next: Any) -> Response:
            answer: Response = await call_next(request)
            return answer

    with serving(app, kind) as server:
        for _ in range(2):
            client = server.connect()
            client.get(path)
            status, body = client.response()
            assert (status, body) in [
                (200, b'"late"'),
                (504, b'{"detail":"The request took too long"}'),
            ] or status == 504


@pytest.mark.virtual_time
async def test_background_task_of_a_stream_that_was_ended() -> None:
    """A stream that ends by itself when it is told to has its end at once, and its background task its own time."""
    app, done = FastAPI(), list[Any]()
    app.add_middleware(RequestCancelationMiddleware, default_timeout=0.3)
    ends = list[float]()

    async def background() -> None:
        async with Cancelable() as operation:
            await anyio.sleep(3)
        done.append(operation.cancel_requested)

    @app.get("/")
    async def endpoint() -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            yield "first"
            try:
                async with Cancelable():
                    await anyio.sleep(9)
            except TimeoutCancelation:
                yield "last"

        tasks = BackgroundTasks()
        tasks.add_task(background)
        return StreamingResponse(body(), background=tasks)

    class Timed(Channel):
        async def send(self, message: Message) -> None:
            await super().send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                ends.append(anyio.current_time())

    channel, start = Timed(NO_BODY), anyio.current_time()
    await channel.run_alone(app)
    assert ends[0] - start < 1
    assert len(ends) == 1
    assert done == [False]


@pytest.mark.parametrize("reason", [CancelationReason.DISCONNECT, CancelationReason.TIMEOUT])
async def test_errors_that_a_cancelation_has_caused_are_not_swallowed(reason: CancelationReason) -> None:
    """A RuntimeError of the app's own, raised from a cancelation, leaves as any other, also for a client that left."""
    channel = Channel(NO_BODY, LEFT)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        get_request_token(Request(scope, receive))
        await anyio.wait_all_tasks_blocked()
        raise RuntimeError("rollback failed") from CancelationError("left", reason=reason)

    with pytest.raises(RuntimeError, match="rollback failed"):
        await channel.run(app)


async def test_looking_ends_where_a_server_sends_empty_messages_for_ever() -> None:
    """`is_disconnected` answers although there is always one more message behind the body."""
    channel, answers = Channel(*[NO_BODY] * 1000), list[bool]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        await request.body()
        answers.append(await request.is_disconnected())

    with anyio.fail_after(5):
        await channel.run(app)
    assert answers == [False]
    assert channel.delivered < 100


async def test_client_that_left_gets_no_500() -> None:
    """With the middleware around the whole app, nothing is sent to a client that has left, also no error page."""
    app, channel = FastAPI(), Channel(NO_BODY)

    @app.get("/")
    async def endpoint() -> None:
        async with Cancelable():
            channel.push(LEFT)
            await anyio.sleep_forever()

    await channel.run(app)
    assert channel.sent == []
    assert channel.scope["hother.cancelable.status"] == 499


@pytest.mark.virtual_time
async def test_default_timeout_counts_anew_after_an_operation_with_its_own() -> None:
    """A stated timeout takes the place of the default one while its operation runs; what follows has a limit again."""
    app, operation_took = FastAPI(), list[float]()
    app.add_middleware(RequestCancelationMiddleware, default_timeout=1)
    stated = cancelable_within(5)

    @app.get("/")
    async def endpoint(request: Request) -> str:
        start = anyio.current_time()
        async with await stated(request):
            await anyio.sleep(3)
        operation_took.append(anyio.current_time() - start)
        await anyio.sleep(9)
        return "never"

    channel = Channel(NO_BODY)
    await channel.run_alone(app)
    assert operation_took == [pytest.approx(3, abs=0.1)]
    assert channel.sent[0]["status"] == 504


async def test_stated_timeout_that_never_runs_changes_nothing() -> None:
    """An operation that is not entered leaves the default timeout in effect."""
    app = FastAPI()
    app.add_middleware(RequestCancelationMiddleware, default_timeout=0.05)
    stated = cancelable_within(5)

    @app.get("/")
    async def endpoint(request: Request) -> str:
        await stated(request)
        await anyio.sleep(9)
        return "never"

    channel = Channel(NO_BODY)
    await channel.run_alone(app)
    assert channel.sent[0]["status"] == 504


@pytest.mark.parametrize("reason", [CancelationReason.MANUAL, CancelationReason.SHUTDOWN])
async def test_background_task_that_is_cancelled_is_no_error(reason: CancelationReason) -> None:
    """What somebody cancels after the response is complete ends quietly; a timeout of the task is an error as ever."""
    app, raised = FastAPI(), reason
    app.add_middleware(RequestCancelationMiddleware)

    async def background() -> None:
        async with Cancelable() as operation:
            await operation.cancel(raised)
            await anyio.sleep_forever()

    @app.get("/")
    async def endpoint(tasks: BackgroundTasks) -> str:
        tasks.add_task(background)
        return "ok"

    await Channel(NO_BODY).run_alone(app)
    raised = CancelationReason.TIMEOUT
    with pytest.raises(TimeoutCancelation):
        await Channel(NO_BODY).run_alone(app)


async def test_web_socket_closes_itself_when_its_operation_ends() -> None:
    """A close that an endpoint sends in its `finally` arrives with its code."""
    channel = Channel({"type": "websocket.connect"}, kind="websocket")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        try:
            async with Cancelable() as operation:
                try:
                    await operation.cancel()
                    await anyio.sleep_forever()
                finally:
                    with anyio.CancelScope(shield=True):
                        await websocket.close(4000, "bye")
        except CancelationError:
            pass

    await channel.run(app)
    assert channel.sent[-1] == {"type": "websocket.close", "code": 4000, "reason": "bye"}


async def test_groups_of_cancelations_are_answered() -> None:
    """What leaves a task group of the endpoint as an ExceptionGroup of cancelations has the same answer."""
    app, channel = FastAPI(), Channel(NO_BODY)

    async def child() -> None:
        async with Cancelable() as operation:
            await operation.cancel(CancelationReason.TIMEOUT)
            await anyio.sleep_forever()

    @app.get("/")
    @with_cancelation
    async def endpoint() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(child)

    await channel.run_alone(app)
    assert channel.sent[0]["status"] == 504


async def test_broken_source_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An endpoint whose operation ended with the reason ERROR answers 500, and the log says what broke."""
    app, channel = FastAPI(), Channel(NO_BODY)

    @app.get("/")
    @with_cancelation
    async def endpoint() -> None:
        async with Cancelable() as operation:
            await operation.cancel(CancelationReason.ERROR, "the disk is gone")
            await anyio.sleep_forever()

    await channel.run_alone(app)
    assert channel.sent[0]["status"] == 500
    assert "the disk is gone" in caplog.text
