"""What the client of a decorated endpoint hears when its operation was cancelled."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    TimeoutCancelation,
    current_operation,
)
from hother.cancelable.integrations.fastapi import add_cancelation_handlers, with_cancelation

from .asking import Heard, app_with, ask
from .hand_made import make_app, with_and_without

STATUSES: dict[CancelationReason, tuple[int, str]] = {
    CancelationReason.TIMEOUT: (504, "The request took too long"),
    CancelationReason.MANUAL: (499, "The request was cancelled"),
    CancelationReason.SIGNAL: (503, "The server is shutting down"),
    CancelationReason.SHUTDOWN: (503, "The server is shutting down"),
    CancelationReason.CONDITION: (500, "Internal Server Error"),
    CancelationReason.PARENT: (500, "Internal Server Error"),
    CancelationReason.ERROR: (500, "Internal Server Error"),
    CancelationReason.EXTERNAL: (500, "Internal Server Error"),
    CancelationReason.DISCONNECT: (499, "The client has left"),  # which it has not: somebody else says so
}


def assert_answer(heard: Heard, reason: CancelationReason) -> None:
    """Check that a client heard once, and all, of a reason."""
    status, detail = STATUSES[reason]
    assert heard.status == status
    assert heard.json() == {"detail": detail}
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers.get("retry-after") == ("5" if reason is CancelationReason.SHUTDOWN else None)
    assert heard.headers.get("connection") == ("close" if reason is CancelationReason.SHUTDOWN else None)
    assert [each["type"] for each in heard.sent] == ["http.response.start", "http.response.body"]


def test_every_reason_has_a_status() -> None:
    """The table is complete."""
    assert set(STATUSES) == set(CancelationReason)


async def cancels(reason: CancelationReason) -> None:
    """Cancel the endpoint's own operation."""
    operation = current_operation()
    assert operation is not None
    await operation.cancel(reason, "a secret of the server")
    await anyio.sleep_forever()


def cancels_in_thread(reason: CancelationReason) -> None:
    """Do so in a worker thread, where it has to look."""
    operation = current_operation()
    assert operation is not None
    operation.cancel_sync(reason, "a secret of the server")
    operation.check()


async def cancels_its_own(reason: CancelationReason) -> None:
    """Cancel an operation that the endpoint has made."""
    async with Cancelable() as mine:
        await mine.cancel(reason, "a secret of the server")
        await anyio.sleep_forever()


async def raises(reason: CancelationReason) -> None:
    """Raise what an operation elsewhere has raised."""
    raise CancelationError("a secret of the server", reason=reason)


@pytest.mark.parametrize("reason", CancelationReason)
@pytest.mark.parametrize("endpoint", [cancels, cancels_in_thread, cancels_its_own, raises])
@pytest.mark.parametrize("decorate", [with_cancelation, with_cancelation(timeout=60)], ids=["bare", "called"])
async def test_status_of_each_reason(
    endpoint: Callable[..., Any], reason: CancelationReason, decorate: Callable[..., Any]
) -> None:
    """Each reason has its status and a detail that says nothing of the inside, however the operation was cancelled."""
    assert_answer(await ask(app_with(decorate(endpoint)), f"/?reason={reason.value}"), reason)


@pytest.mark.virtual_time
@with_and_without
async def test_timeout(middleware: bool) -> None:
    """A decorated endpoint that takes longer than its timeout is ended on time with a 504; a faster one is not."""
    app = make_app(middleware=middleware)

    @app.get("/{seconds}")
    @with_cancelation(timeout=3)
    async def endpoint(seconds: float) -> str:
        await anyio.sleep(seconds)
        return "done"

    assert (await ask(app, "/2.9")).json() == "done"
    before = anyio.current_time()
    assert_answer(await ask(app, "/300"), CancelationReason.TIMEOUT)
    assert anyio.current_time() - before == pytest.approx(3, abs=0.01)


@pytest.mark.virtual_time
async def test_each_request_has_its_own_deadline() -> None:
    """The timeout counts from the call of the endpoint, for each request anew, and dependencies do not count."""

    async def slow_dependency() -> None:
        await anyio.sleep(100)

    @with_cancelation(timeout=3)
    async def endpoint() -> str:
        await anyio.sleep(2)
        return "done"

    app = FastAPI()
    app.get("/", dependencies=[Depends(slow_dependency)])(endpoint)
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(expect, app, "done")
            await anyio.sleep(2)


async def expect(app: FastAPI, answer: str) -> None:
    """Ask and compare."""
    assert (await ask(app)).json() == answer


async def test_result_that_came_all_the_same_is_sent() -> None:
    """An endpoint that ends without being interrupted keeps its result: it is not thrown away."""

    @with_cancelation
    async def endpoint() -> str:
        operation = current_operation()
        assert operation is not None
        await operation.cancel()
        return "done"

    assert (await ask(app_with(endpoint))).json() == "done"


@pytest.mark.parametrize("handlers", [False, True], ids=["alone", "with handlers"])
@pytest.mark.parametrize("reason", CancelationReason)
async def test_with_the_handlers_of_the_app(reason: CancelationReason, handlers: bool) -> None:
    """With `add_cancelation_handlers` besides, the client hears the same, once."""
    app = app_with(with_cancelation(cancels))
    if handlers:
        add_cancelation_handlers(app)
    assert_answer(await ask(app, f"/?reason={reason.value}"), reason)


async def test_cause_is_kept() -> None:
    """The `HTTPException` has the cancellation as its cause, with the message, for a handler that logs."""
    app, causes = app_with(with_cancelation(cancels)), list[Any]()

    @app.exception_handler(HTTPException)
    async def handle(request: Request, error: HTTPException) -> JSONResponse:
        causes.append(error.__cause__)
        return JSONResponse("mine", error.status_code, error.headers)

    heard = await ask(app, "/?reason=shutdown")
    assert (heard.status, heard.json(), heard.headers["retry-after"]) == (503, "mine", "5")
    assert causes[0].reason is CancelationReason.SHUTDOWN
    assert causes[0].message == "a secret of the server"


@pytest.mark.parametrize("endpoint", [cancels, cancels_in_thread, cancels_its_own, raises])
async def test_raise_on_cancel_false(endpoint: Callable[..., Any]) -> None:
    """With `raise_on_cancel=False` the `CancelationError` itself reaches the handlers of the app."""
    app = app_with(with_cancelation(raise_on_cancel=False)(endpoint))

    @app.exception_handler(CancelationError)
    async def handle(request: Request, error: CancelationError) -> JSONResponse:
        return JSONResponse([error.reason.value, error.message], 418)

    heard = await ask(app, "/?reason=shutdown")
    assert (heard.status, heard.json()) == (418, ["shutdown", "a secret of the server"])


async def test_raise_on_cancel_false_without_a_handler() -> None:
    """Without a handler it is an error of the app like any other."""
    with pytest.raises(CancelationError):
        await ask(app_with(with_cancelation(raise_on_cancel=False)(cancels)), "/?reason=manual")


@pytest.mark.virtual_time
async def test_raise_on_cancel_false_and_a_timeout() -> None:
    """The timeout of the decorator is a `TimeoutCancelation` then."""

    @with_cancelation(0.5, raise_on_cancel=False)
    async def endpoint() -> None:
        await anyio.sleep_forever()

    with pytest.raises(TimeoutCancelation):
        await ask(app_with(endpoint))
