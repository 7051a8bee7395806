"""`cancelable_within`: a dependency with a timeout that no client controls."""

import inspect
import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, assert_type

import anyio
import httpx
import pytest
from fastapi import Depends, FastAPI, WebSocket
from starlette.requests import HTTPConnection
from starlette.types import Message

from hother.cancelable import Cancelable, CancelationReason, DisconnectCancelation, TimeoutCancelation
from hother.cancelable.integrations.fastapi import cancelable_dependency, cancelable_within

from .hand_made import LEFT, NO_BODY, Channel, make_app, with_and_without

at_most_30_seconds = cancelable_within(30)
Limited = Annotated[Cancelable, Depends(at_most_30_seconds)]
in_documents: Cancelable = Depends(at_most_30_seconds)


async def ask(app: FastAPI, **params: str) -> Any:
    """Return what the app answers to a GET request."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.get("/", params=params)
    assert response.status_code == 200
    return response.json()


@with_and_without
async def test_operation_ends_with_the_client(middleware: bool) -> None:
    """The endpoint gets an operation that is named after the request, and ends with DISCONNECT when the client goes."""
    app, channel, seen = make_app(middleware=middleware), Channel(NO_BODY), list[Cancelable]()

    @app.get("/")
    async def endpoint(operation: Limited) -> None:
        seen.append(operation)
        async with operation:
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        await anyio.wait_all_tasks_blocked()
        channel.push(LEFT)
    assert (seen[0].context.name, seen[0].context.cancel_reason) == ("GET /", CancelationReason.DISCONNECT)
    assert channel.sent == []


@pytest.mark.virtual_time
@pytest.mark.parametrize("timeout", [30, 30.0, timedelta(seconds=30)])
@with_and_without
async def test_timeout_counts_from_entry(timeout: float | timedelta, middleware: bool) -> None:
    """The timeout begins when the endpoint enters the operation."""
    app, channel, ended = make_app(middleware=middleware), Channel(NO_BODY), list[float]()

    @app.get("/")
    async def endpoint(operation: Annotated[Cancelable, Depends(cancelable_within(timeout))]) -> None:
        await anyio.sleep(100)
        started = anyio.current_time()
        with pytest.raises(TimeoutCancelation):
            async with operation:
                await anyio.sleep(1000)
        ended.append(anyio.current_time() - started)

    await channel.run_alone(app)
    assert ended == [pytest.approx(30)]


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ([{"type": "websocket.disconnect", "code": 1006}], CancelationReason.DISCONNECT),
        ([], CancelationReason.TIMEOUT),
    ],
)
async def test_web_socket(ending: list[Message], reason: CancelationReason) -> None:
    """It works in the route of a web socket, and ends when the peer goes or time is up."""
    app, seen = FastAPI(), list[Cancelable]()
    channel = Channel({"type": "websocket.connect"}, kind="websocket")

    @app.websocket("/")
    async def endpoint(websocket: WebSocket, operation: Limited) -> None:
        seen.append(operation)
        await websocket.accept()
        try:
            async with operation:
                await anyio.sleep_forever()
        except TimeoutCancelation:
            await websocket.close()

    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        await anyio.sleep(1)
        channel.push(*ending)
    assert (seen[0].context.name, seen[0].context.cancel_reason) == ("WebSocket /", reason)


def test_schema_stays_as_it_is() -> None:
    """Nothing of the dependency shows in the OpenAPI schema, and FastAPI sees one parameter, the connection."""
    schemas = list[Any]()

    def without(item: int) -> None:
        """Take one query parameter."""

    def within(item: int, operation: Limited) -> None:
        """Take one query parameter."""

    for endpoint in (without, within):
        app = FastAPI()
        app.get("/", operation_id="endpoint", summary="endpoint")(endpoint)
        schemas.append(app.openapi())
    assert schemas[0] == schemas[1]
    assert list(inspect.signature(at_most_30_seconds).parameters) == ["request"]
    assert inspect.iscoroutinefunction(at_most_30_seconds)


async def test_client_does_not_control_the_timeout() -> None:
    """A query parameter of any of these names means nothing."""
    app = FastAPI()

    @app.get("/")
    async def endpoint(operation: Limited) -> float:
        return operation.remaining()

    assert await ask(app, timeout="99999", seconds="99999", request="x") == 30


async def test_one_operation_for_each_request() -> None:
    """Who depends on the same function gets the same operation; another function, or no cache, gives another one."""
    app, seen = FastAPI(), list[Cancelable]()

    async def other(operation: Limited) -> Cancelable:
        return operation

    @app.get("/")
    async def endpoint(
        first: Limited,
        second: Annotated[Cancelable, Depends(other)],
        twin: Annotated[Cancelable, Depends(cancelable_within(30))],
        uncached: Annotated[Cancelable, Depends(at_most_30_seconds, use_cache=False)],
    ) -> None:
        assert first is second
        assert len({id(first), id(twin), id(uncached)}) == 3
        seen.append(first)

    for _ in range(2):
        await ask(app)
    assert seen[0] is not seen[1]


async def test_override() -> None:
    """`dependency_overrides` replaces it by its name, with another timeout for example."""
    app = FastAPI()
    app.dependency_overrides[at_most_30_seconds] = cancelable_within(5)

    @app.get("/")
    async def endpoint(operation: Limited) -> float:
        return operation.remaining()

    assert await ask(app) == 5


async def test_it_runs_in_no_thread() -> None:
    """It costs no worker thread: it works where there is none left."""
    app, limiter = FastAPI(), anyio.to_thread.current_default_thread_limiter()

    @app.get("/")
    async def endpoint(operation: Limited) -> str:
        return "ok"

    before, limiter.total_tokens = limiter.total_tokens, 0
    try:
        with anyio.fail_after(5):
            assert await ask(app) == "ok"
    finally:
        limiter.total_tokens = before


@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (math.nan, ValueError),
        ("30", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
)
def test_bad_timeouts(timeout: Any, error: type[Exception]) -> None:
    """A bad timeout is an error when the dependency is made, not in the first request."""
    with pytest.raises(error, match="timeout"):
        cancelable_within(timeout)


async def test_types() -> None:
    """Type checkers know what it makes, in both spellings of a dependency."""
    assert_type(at_most_30_seconds, Callable[[HTTPConnection], Awaitable[Cancelable]])
    app = FastAPI()

    @app.get("/")
    async def endpoint(annotated: Limited, default: Cancelable = in_documents) -> bool:
        return annotated is default

    assert await ask(app) is True


async def test_check_looks_at_the_request_before_entry_alone() -> None:
    """`check()` tells of the client where the operation was not entered; an entered one answers as any operation."""
    app, channel, checked = make_app(middleware=True), Channel(NO_BODY), list[str]()

    @app.get("/")
    async def endpoint(entered: Limited, waiting: Annotated[Cancelable, Depends(cancelable_dependency)]) -> None:
        waiting.check()
        async with entered, entered.shield():
            channel.push(LEFT)
            await anyio.wait_all_tasks_blocked()
            entered.check()  # a shield is silent
            with pytest.raises(DisconnectCancelation, match="the client has left"):
                waiting.check()
            checked.append("shielded")

    await channel.run_alone(app)
    assert checked == ["shielded"]
