"""`cancelable_dependency` in all the ways it is used, and what FastAPI makes of it."""

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import anyio
import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from hother.cancelable import Cancelable, CancelationReason, DisconnectCancelation, TimeoutCancelation
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, cancelable_dependency

from .hand_made import LEFT, NO_BODY, Channel

Operation = Annotated[Cancelable, Depends(cancelable_dependency)]


def plain() -> Cancelable:
    """Call it without a request, as the documents do."""
    return cancelable_dependency(timeout=30.0)


async def plain_async() -> Cancelable:
    """Call it without a request in a coroutine function, and do not await the result."""
    return cancelable_dependency(timeout=30.0)


async def awaited(request: Request) -> Cancelable:
    """Await it with a request."""
    return await cancelable_dependency(request, timeout=30.0)


def with_connection(connection: HTTPConnection) -> Cancelable:
    """Call it with a connection in a worker thread."""
    return cancelable_dependency(connection, 30)


def with_timedelta(request: Request) -> Cancelable:
    """Give the timeout as a timedelta."""
    return cancelable_dependency(request, timeout=timedelta(seconds=30))


WAYS: list[Callable[..., Any]] = [cancelable_dependency, plain, plain_async, awaited, with_connection, with_timedelta]
NEED_THE_MIDDLEWARE = (plain, plain_async)


@pytest.mark.parametrize(
    ("way", "middleware"),
    [
        *(pytest.param(way, True, id=f"{way.__name__}-middleware") for way in WAYS),
        *(pytest.param(way, False, id=f"{way.__name__}-alone") for way in WAYS if way not in NEED_THE_MIDDLEWARE),
    ],
)
async def test_operation_ends_with_the_client(way: Callable[..., Any], middleware: bool) -> None:
    """However it is called, the endpoint gets an operation that ends with DISCONNECT and has the timeout asked for."""
    app, channel, operations = FastAPI(), Channel(NO_BODY), list[Cancelable]()
    if middleware:
        app.add_middleware(RequestCancelationMiddleware)

    @app.get("/")
    async def endpoint(operation: Annotated[Cancelable, Depends(way)]) -> None:
        operations.append(operation)
        async with operation:
            assert operation.remaining() > 29
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        while not operations and not channel.sent:
            await anyio.sleep(0.001)
        channel.push(LEFT)
    assert operations[0].context.cancel_reason is CancelationReason.DISCONNECT
    assert operations[0].is_cancelled
    assert channel.sent == []


@pytest.mark.virtual_time
@pytest.mark.parametrize("way", [plain_async, awaited], ids=["plain", "awaited"])
async def test_timeout(way: Callable[..., Any]) -> None:
    """The timeout counts from entry and raises what a handler of the app can answer, also without the middleware."""
    for middleware in (True, False):
        app, channel = FastAPI(), Channel(NO_BODY)
        if middleware:
            app.add_middleware(RequestCancelationMiddleware)

        @app.exception_handler(TimeoutCancelation)
        async def answer(request: Request, error: TimeoutCancelation) -> JSONResponse:
            return JSONResponse(str(error.reason), status_code=504)

        @app.get("/")
        async def endpoint(operation: Annotated[Cancelable, Depends(way)]) -> None:
            await anyio.sleep(100)
            started = anyio.current_time()
            try:
                async with operation:
                    await anyio.sleep(1000)
            finally:
                assert anyio.current_time() - started == pytest.approx(30)

        await channel.run_alone(app)
        assert [message.get("status") for message in channel.sent] == [504, None]


def endpoint_without(item: int) -> None:
    """Take one query parameter."""


def endpoint_with(item: int, operation: Operation, own: Annotated[Cancelable, Depends(plain)]) -> None:
    """Take one query parameter."""


def test_schema_stays_as_it_is() -> None:
    """Neither the dependency nor its timeout adds anything to the OpenAPI schema."""
    schemas = list[Any]()
    for endpoint in (endpoint_without, endpoint_with):
        app = FastAPI()
        app.get("/", operation_id="endpoint", summary="endpoint")(endpoint)
        schemas.append(app.openapi())
    assert schemas[0] == schemas[1]
    assert [each["name"] for each in schemas[0]["paths"]["/"]["get"]["parameters"]] == ["item"]


async def test_client_does_not_control_the_timeout() -> None:
    """A query parameter of that name means nothing."""
    app = FastAPI()

    @app.get("/")
    async def endpoint(operation: Operation) -> bool:
        async with operation:
            pass
        return operation.deadline is None

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.get("/", params={"timeout": "0.001", "request": "x"})
    assert response.json() is True


async def test_one_operation_for_each_request() -> None:
    """Whoever depends on it within a request gets the same operation; the next request gets another."""
    app, seen = FastAPI(), list[Cancelable]()

    async def other(operation: Operation) -> Cancelable:
        return operation

    @app.get("/")
    async def endpoint(first: Operation, second: Annotated[Cancelable, Depends(other)]) -> None:
        assert first is second
        seen.append(first)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for _ in range(2):
            assert (await client.get("/")).status_code == 200
    assert seen[0] is not seen[1]


async def test_override() -> None:
    """`dependency_overrides` replaces it, as for any dependency."""
    app, made = FastAPI(), Cancelable(name="for the test")
    app.dependency_overrides[cancelable_dependency] = lambda: made

    @app.get("/")
    async def endpoint(operation: Operation) -> str | None:
        return operation.context.name

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/")).json() == "for the test"


async def test_it_runs_in_no_thread() -> None:
    """FastAPI takes it for a coroutine function, so that it costs no worker thread, and sees one parameter."""
    assert list(inspect.signature(cancelable_dependency).parameters) == ["request"]
    app, limiter = FastAPI(), anyio.to_thread.current_default_thread_limiter()

    @app.get("/")
    async def endpoint(operation: Operation) -> str:
        return "ok"

    before, limiter.total_tokens = limiter.total_tokens, 0
    try:
        channel = Channel(NO_BODY)
        with anyio.fail_after(5):
            await channel.run_alone(app)
    finally:
        limiter.total_tokens = before
    assert channel.sent[0]["status"] == 200


async def test_awaited_twice() -> None:
    """Awaiting gives the operation itself, as often as somebody does so."""
    operation = cancelable_dependency(timeout=5)
    assert await operation is operation
    assert await operation is operation
    assert isinstance(operation, Cancelable)
    async with operation as entered:
        assert entered is operation


@pytest.mark.parametrize(("timeout", "error"), [(0, ValueError), (-1, ValueError), ("3", TypeError)])
async def test_bad_timeouts(timeout: Any, error: type[Exception]) -> None:
    """A bad timeout is an error at once."""
    with pytest.raises(error, match="timeout"):
        cancelable_dependency(timeout=timeout)


async def test_yield_dependencies_clean_up() -> None:
    """What other dependencies do after `yield` runs to its end, awaits included, when the client has left."""
    app, channel, cleaned = FastAPI(), Channel(NO_BODY), anyio.Event()
    app.add_middleware(RequestCancelationMiddleware)

    async def session() -> Any:
        try:
            yield "session"
        except DisconnectCancelation:
            await anyio.sleep(0.001)
            cleaned.set()
            raise

    @app.get("/")
    async def endpoint(session: Annotated[str, Depends(session)], operation: Operation) -> None:
        async with operation:
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        await anyio.wait_all_tasks_blocked()
        channel.push(LEFT)
    assert cleaned.is_set()
    assert channel.sent == []
