"""What `with_cancelation` leaves alone: errors and timeouts of the app, and cancellations that are not its own."""

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from hother.cancelable import Cancelable, CancelationReason, ManualCancelation, OperationStatus, current_operation
from hother.cancelable.integrations.fastapi import add_cancelation_handlers, with_cancelation

from .asking import app_with, ask
from .hand_made import LEFT, NO_BODY, Channel, make_app, with_and_without


async def raises_timeout_error() -> None:
    """Raise what a database driver raises."""
    raise TimeoutError("of a driver")


async def runs_out_of_time() -> None:
    """Run out of a time of anyio."""
    with anyio.fail_after(1):
        await anyio.sleep_forever()


async def raises_error() -> None:
    """Raise any error."""
    raise ZeroDivisionError


@pytest.mark.virtual_time
@pytest.mark.parametrize("handlers", [False, True], ids=["alone", "with handlers"])
@pytest.mark.parametrize(
    ("endpoint", "error"),
    [(raises_timeout_error, TimeoutError), (runs_out_of_time, TimeoutError), (raises_error, ZeroDivisionError)],
)
async def test_errors_of_the_app(endpoint: Callable[..., Any], error: type[Exception], handlers: bool) -> None:
    """They pass as they are, also a `TimeoutError`: no 504 is made of it, but what the app makes of it."""
    app = app_with(with_cancelation(timeout=60)(endpoint))
    if handlers:
        add_cancelation_handlers(app)
    with pytest.raises(error) as raised:
        await ask(app)
    assert type(raised.value) is error

    @app.exception_handler(error)
    async def handle(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse("mine", 418)

    app.middleware_stack = None  # it was built without the handler
    assert (await ask(app)).status == 418


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_timeout_of_asyncio() -> None:
    """So does the timeout of asyncio."""

    @with_cancelation
    async def endpoint() -> str:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)
        except TimeoutError:
            return "too late"
        return "done"

    assert (await ask(app_with(endpoint))).json() == "too late"


async def test_http_exceptions() -> None:
    """An `HTTPException` of the endpoint passes, with its headers."""

    @with_cancelation
    async def endpoint() -> None:
        raise HTTPException(402, "pay first", {"x-price": "3"})

    heard = await ask(app_with(endpoint))
    assert (heard.status, heard.json(), heard.headers["x-price"]) == (402, {"detail": "pay first"}, "3")


async def test_cancellation_that_the_endpoint_handles() -> None:
    """What the endpoint catches is answered by the endpoint."""

    @with_cancelation
    async def endpoint() -> str:
        try:
            async with Cancelable() as mine:
                await mine.cancel()
                await anyio.sleep_forever()
        except ManualCancelation:
            return "cancelled"
        return "done"

    assert (await ask(app_with(endpoint))).json() == "cancelled"


def sleeping(operations: list[Any]) -> Callable[..., Any]:
    """Return an endpoint that sleeps, and notes its operation."""

    async def endpoint() -> None:
        operations.append(current_operation())
        await anyio.sleep_forever()

    return endpoint


@with_and_without
@pytest.mark.parametrize("handlers", [False, True], ids=["decorator", "with handlers"])
async def test_enclosing_scope(middleware: bool, handlers: bool) -> None:
    """A scope around the app that is cancelled, as by a server, gets its cancellation back; nothing is answered."""
    app, channel, operations = make_app(middleware=middleware), Channel(NO_BODY), list[Any]()
    app.get("/")(with_cancelation(timeout=60)(sleeping(operations)))
    if handlers:
        add_cancelation_handlers(app)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_when_it_runs, scope, operations)
            await channel.run_alone(app)
    assert scope.cancelled_caught
    assert channel.sent == []
    assert operations[0].context.cancel_reason is CancelationReason.EXTERNAL


async def cancel_when_it_runs(scope: anyio.CancelScope, operations: list[Any]) -> None:
    """Cancel a scope when the endpoint sleeps."""
    while not operations:
        await anyio.sleep(0)
    await anyio.wait_all_tasks_blocked()
    scope.cancel()


@with_and_without
@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_native_cancel(middleware: bool) -> None:
    """A task that is cancelled, as by a server that shuts down, ends as cancelled; nothing is answered."""
    app, channel, operations = make_app(middleware=middleware), Channel(NO_BODY), list[Any]()
    app.get("/")(with_cancelation(timeout=60)(sleeping(operations)))
    task = asyncio.ensure_future(channel.run_alone(app))
    while not operations:
        await asyncio.sleep(0)
    await anyio.wait_all_tasks_blocked()
    task.cancel("the server is shutting down")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert channel.sent == []


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_native_cancel_and_our_own() -> None:
    """Where both come together the enclosing one wins: the task is cancelled, and nothing is answered."""
    channel, operations = Channel(NO_BODY), list[Any]()
    app = app_with(with_cancelation(sleeping(operations)))
    task = asyncio.ensure_future(channel.run_alone(app))
    while not operations:
        await asyncio.sleep(0)
    operations[0].cancel_sync()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert channel.sent == []


async def test_operation_around_the_app() -> None:
    """An operation around the app ends with its own exception, not with a response."""
    channel, operations = Channel(NO_BODY), list[Any]()
    app = app_with(with_cancelation(sleeping(operations)))
    outer = Cancelable(name="server")
    async with anyio.create_task_group() as group:
        group.start_soon(cancel_operation_when_it_runs, outer, operations)
        with pytest.raises(ManualCancelation) as raised:
            async with outer:
                await channel.run_alone(app)
    assert raised.value.context is outer.context
    assert channel.sent == []
    assert operations[0].context.cancel_reason is CancelationReason.PARENT
    assert operations[0].context.status is OperationStatus.CANCELLED


async def cancel_operation_when_it_runs(operation: Cancelable, operations: list[Any]) -> None:
    """Cancel an operation when the endpoint sleeps."""
    while not operations:
        await anyio.sleep(0)
    await anyio.wait_all_tasks_blocked()
    await operation.cancel()


@with_and_without
@pytest.mark.parametrize("raise_on_cancel", [True, False])
@pytest.mark.parametrize("handlers", [False, True], ids=["decorator", "with handlers"])
async def test_client_leaves_under_handlers(middleware: bool, raise_on_cancel: bool, handlers: bool) -> None:
    """A client that has left hears nothing, whatever `raise_on_cancel` says and with the handlers, too."""
    app, channel, operations = make_app(middleware=middleware), Channel(NO_BODY), list[Any]()
    app.get("/")(with_cancelation(raise_on_cancel=raise_on_cancel)(sleeping(operations)))
    if handlers:
        add_cancelation_handlers(app)
    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        while not operations:
            await anyio.sleep(0)
        channel.push(LEFT)
    assert channel.sent == []
    assert channel.scope["hother.cancelable.status"] == 499


async def test_exceptions_keep_their_traceback() -> None:
    """What the endpoint raises shows the line where it was raised, under our own."""
    app = FastAPI()
    app.get("/")(with_cancelation(raises_error))
    with pytest.raises(ZeroDivisionError) as raised:
        await ask(app)
    assert raised.traceback[-1].name == "raises_error"
    assert raised.value.__cause__ is None
