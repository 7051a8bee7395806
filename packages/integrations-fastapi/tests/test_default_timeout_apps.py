"""The middleware's deadline in apps of FastAPI: with handlers, dependencies, background tasks and own timeouts.

Each test handles one GET request for "/" on virtual clocks.
"""

import logging
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import anyio
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from hother.cancelable import Cancelable, CancelationError, TimeoutCancelation
from hother.cancelable.integrations.fastapi import (
    RequestCancelationMiddleware,
    add_cancelation_handlers,
    cancelable_dependency,
    cancelable_within,
    with_cancelation,
)

from .ended_requests import Clock, answer, assert_timed_out
from .hand_made import NO_BODY, Channel

pytestmark = pytest.mark.virtual_time

Operation = Annotated[Cancelable, Depends(cancelable_dependency)]


@pytest.fixture(params=["added", "around"])
def place(request: pytest.FixtureRequest) -> str:
    """Where the middleware lies: added to the app, inside Starlette's own error middleware, or around all of it."""
    return str(request.param)


async def get(app: FastAPI, place: str, caplog: pytest.LogCaptureFixture) -> Channel:
    """Have the app handle a request with half a second of time, and check that nothing is logged."""
    served: ASGIApp = app
    if place == "added":
        app.add_middleware(RequestCancelationMiddleware, default_timeout=0.5)
    else:
        served = RequestCancelationMiddleware(app, default_timeout=0.5)
    channel = Channel(NO_BODY, scheme="http", server=("test", 80), root_path="", http_version="1.1")
    with caplog.at_level(logging.INFO):
        await served(channel.scope, channel.receive, channel.send)
    assert caplog.messages == []
    return channel


@pytest.mark.parametrize("kind", ["operation", "dependency", "decorator", "none"])
async def test_kinds_of_endpoints(place: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """With an operation of its own, the dependency's, the decorator's or none, the endpoint's client gets one 504."""
    app = FastAPI()

    async def endpoint() -> None:
        await anyio.sleep_forever()

    async def own() -> None:
        async with Cancelable():
            await anyio.sleep_forever()

    async def dependent(operation: Operation) -> None:
        async with operation:
            await anyio.sleep_forever()

    kinds: dict[str, Any] = {
        "operation": own,
        "dependency": dependent,
        "decorator": with_cancelation(endpoint),
        "none": endpoint,
    }
    app.get("/")(kinds[kind])
    assert_timed_out(await get(app, place, caplog))


async def test_handlers_of_the_app_answer(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """Where the app has handlers for cancellations, their 504 is the one."""
    app = FastAPI()
    add_cancelation_handlers(app)

    @app.get("/")
    async def endpoint() -> None:
        async with Cancelable():
            await anyio.sleep_forever()

    channel = await get(app, place, caplog)
    assert answer(channel) == (504, {"detail": "The request took too long"})
    assert channel.sent[1]["body"] == b'{"detail":"The request took too long"}'  # as Starlette writes JSON


async def test_handler_of_the_user_answers(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """A handler of the user for the exception answers as it likes."""
    app = FastAPI()

    @app.exception_handler(TimeoutCancelation)
    async def handle(request: Request, error: TimeoutCancelation) -> JSONResponse:
        return JSONResponse({"error": error.message}, 503)

    @app.get("/")
    async def endpoint() -> None:
        async with Cancelable():
            await anyio.sleep_forever()

    assert answer(await get(app, place, caplog)) == (503, {"error": "not done within 0.5 s"})


async def test_answer_of_the_documents(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """The 408 that an endpoint of the guide makes of a timeout goes through."""
    app = FastAPI()

    @app.get("/", response_model=None)
    async def endpoint(cancel: Operation) -> JSONResponse | None:
        try:
            async with cancel:
                await anyio.sleep_forever()
        except TimeoutCancelation:
            return JSONResponse(status_code=408, content={"error": "Operation timed out"})
        return None

    assert answer(await get(app, place, caplog)) == (408, {"error": "Operation timed out"})


@pytest.mark.parametrize("scope", ["function", "request"])
async def test_dependency_cleans_up(place: str, scope: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A dependency's clean-up that awaits completes where the endpoint has an operation, and sees the exception."""
    app, steps = FastAPI(), list[Any]()

    async def session() -> AsyncGenerator[None]:
        try:
            yield
        except CancelationError as error:
            steps.append(error.reason.value)
            raise
        finally:
            await anyio.sleep(0.2)
            steps.append("closed")

    @app.get("/")
    async def endpoint(session: Annotated[None, Depends(session, scope=scope)], operation: Operation) -> None:
        async with operation:
            await anyio.sleep_forever()

    assert_timed_out(await get(app, place, caplog))
    assert steps == ["timeout", "closed"]


async def test_waiting_dependency(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """A dependency may wait too long as well."""
    app = FastAPI()

    async def slow() -> None:
        await anyio.sleep_forever()

    @app.get("/")
    async def endpoint(slow: Annotated[None, Depends(slow)]) -> None:
        raise AssertionError

    assert_timed_out(await get(app, place, caplog))


async def test_background_task_has_its_time(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """A background task, with an operation or without, is left alone, and so is what it uses of the request."""
    app, operation, steps = FastAPI(), Cancelable(), list[str]()

    async def work() -> None:
        async with operation:
            await anyio.sleep(1)
        await anyio.sleep(1)
        steps.append("worked")

    @app.get("/")
    async def endpoint(tasks: BackgroundTasks, own: Operation) -> str:
        tasks.add_task(work)
        async with own:
            return "ok"

    assert answer(await get(app, place, caplog)) == (200, "ok")
    assert steps == ["worked"]
    assert not operation.cancel_requested


async def test_background_task_of_an_answer_that_was_late(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """So is one that belongs to what the app has answered in the grace time."""
    app, operation, steps = FastAPI(), Cancelable(), list[str]()

    async def work() -> None:
        async with operation:
            await anyio.sleep(5)
        steps.append("worked")

    @app.get("/", status_code=202)
    async def endpoint(tasks: BackgroundTasks, own: Operation) -> str:
        tasks.add_task(work)
        try:
            async with own:
                await anyio.sleep_forever()
        except TimeoutCancelation:
            return "later"
        return ""

    assert answer(await get(app, place, caplog)) == (202, "later")
    assert steps == ["worked"]
    assert not operation.cancel_requested


@pytest.mark.parametrize("status", [404, 500])
async def test_other_answers_pass(place: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    """In time the app's own errors are its own."""
    app = FastAPI()

    @app.get("/")
    async def endpoint() -> None:
        raise HTTPException(status, "mine")

    assert answer(await get(app, place, caplog)) == (status, {"detail": "mine"})


async def test_error_of_the_app_passes(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """An exception in time leaves as it is, for the server to log, after Starlette's 500."""
    app = FastAPI()

    @app.get("/")
    async def endpoint() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await get(app, place, caplog)


@pytest.mark.parametrize("kind", ["decorator", "within", "dependency"])
@pytest.mark.parametrize("seconds", [0.2, 2])
async def test_endpoint_with_a_timeout_of_its_own(
    place: str, kind: str, seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    """An endpoint that states a timeout has that one, be it shorter or longer than the middleware's."""
    app, clock = FastAPI(), Clock()
    add_cancelation_handlers(app)

    def as_configured(request: Request) -> Cancelable:
        return cancelable_dependency(request, seconds)

    async def decorated() -> None:
        await anyio.sleep_forever()

    async def within(operation: Annotated[Cancelable, Depends(cancelable_within(seconds))]) -> None:
        async with operation:
            await anyio.sleep_forever()

    async def dependent(request: Request) -> None:
        async with as_configured(request):
            await anyio.sleep_forever()

    kinds: dict[str, Any] = {
        "decorator": with_cancelation(timeout=seconds)(decorated),
        "within": within,
        "dependency": dependent,
    }
    app.get("/")(kinds[kind])
    channel = await get(app, place, caplog)
    assert answer(channel) == (504, {"detail": "The request took too long"})
    assert clock.now == seconds
