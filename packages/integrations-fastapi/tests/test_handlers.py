"""`add_cancelation_handlers`: every cancelled request of an app is answered, without decorators."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from typing import Annotated, Any

import anyio
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.routing import Route

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    DisconnectCancelation,
    TimeoutCancelation,
)
from hother.cancelable.integrations.fastapi import (
    RequestCancelationMiddleware,
    add_cancelation_handlers,
    cancelable_dependency,
    cancelable_within,
)

from .asking import Heard, ask
from .hand_made import LEFT, NO_BODY, Channel, make_app, with_and_without

STATUSES: dict[CancelationReason, int] = {
    CancelationReason.TIMEOUT: 504,
    CancelationReason.MANUAL: 499,
    CancelationReason.DISCONNECT: 499,
    CancelationReason.SIGNAL: 503,
    CancelationReason.SHUTDOWN: 503,
    CancelationReason.CONDITION: 500,
    CancelationReason.PARENT: 500,
    CancelationReason.ERROR: 500,
    CancelationReason.EXTERNAL: 500,
}


async def cancel(reason: CancelationReason) -> None:
    """End an operation for a reason."""
    async with Cancelable() as operation:
        await operation.cancel(reason, "a secret of the server")
        await anyio.sleep_forever()


def check(reason: CancelationReason) -> None:
    """Find in a thread that an operation was ended."""
    raise CancelationError("a secret of the server", reason=reason)


async def depends_on_cancel(given: Annotated[None, Depends(cancel)]) -> str:
    """Depend on something that is cancelled."""
    return "done"


async def depends_on_check(given: Annotated[None, Depends(check)]) -> str:
    """Depend on something that is cancelled in a thread."""
    return "done"


async def session(reason: CancelationReason) -> AsyncGenerator[None]:
    """Be cancelled before the endpoint begins."""
    await cancel(reason)
    yield


def session_in_thread(reason: CancelationReason) -> Generator[None]:
    """Be cancelled before the endpoint begins, in a thread."""
    check(reason)
    yield


async def closing(reason: CancelationReason) -> AsyncGenerator[None]:
    """Be cancelled after the endpoint has returned, and before its response."""
    yield
    await cancel(reason)


async def depends_on_session(given: Annotated[None, Depends(session)]) -> str:
    """Depend on something that yields."""
    return "done"


async def depends_on_session_in_thread(given: Annotated[None, Depends(session_in_thread)]) -> str:
    """Depend on something that yields in a thread."""
    return "done"


async def depends_on_closing(given: Annotated[None, Depends(closing, scope="function")]) -> str:
    """Depend on something that does not get to its end."""
    return "done"


ENDPOINTS: list[Callable[..., Any]] = [
    cancel,
    check,
    depends_on_cancel,
    depends_on_check,
    depends_on_session,
    depends_on_session_in_thread,
    depends_on_closing,
]


def app_with_handlers(*, middleware: bool = False) -> FastAPI:
    """Return an app with the handlers."""
    app = make_app(middleware=middleware)
    add_cancelation_handlers(app)
    return app


def assert_answer(heard: Heard, reason: CancelationReason) -> None:
    """Check the one response to a cancelled request."""
    assert heard.status == STATUSES[reason]
    assert set(heard.json()) == {"detail"}
    assert "secret" not in heard.json()["detail"]
    assert ("retry-after" in heard.headers) is (reason is CancelationReason.SHUTDOWN)
    assert [each["type"] for each in heard.sent] == ["http.response.start", "http.response.body"]


@with_and_without
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_every_place(endpoint: Callable[..., Any], middleware: bool) -> None:
    """Endpoints, plain ones and dependencies, before and after: each reason has its status."""
    app = app_with_handlers(middleware=middleware)
    app.get("/")(endpoint)
    for reason in CancelationReason:
        assert_answer(await ask(app, f"/?reason={reason.value}"), reason)


def test_every_reason_has_a_status() -> None:
    """The table is complete."""
    assert set(STATUSES) == set(CancelationReason)


@pytest.mark.virtual_time
@with_and_without
async def test_timeout_of_a_dependency(middleware: bool) -> None:
    """An operation from `cancelable_within` that runs out of time is a 504."""
    app = app_with_handlers(middleware=middleware)

    @app.get("/")
    async def endpoint(operation: Annotated[Cancelable, Depends(cancelable_within(3))]) -> None:
        async with operation:
            await anyio.sleep_forever()

    assert_answer(await ask(app), CancelationReason.TIMEOUT)


async def test_routers_and_their_dependencies() -> None:
    """Routers of the app count, and what they depend on."""
    app, router, inner = app_with_handlers(), APIRouter(dependencies=[Depends(cancel)]), APIRouter(prefix="/inner")
    inner.get("/cancel")(cancel)
    router.include_router(inner)
    app.include_router(router)
    assert_answer(await ask(app, "/inner/cancel?reason=timeout"), CancelationReason.TIMEOUT)


@pytest.mark.parametrize("inner_first", [True, False])
async def test_mounted_apps(inner_first: bool) -> None:
    """A mounted app has handlers of its own, as with all handlers; an app without them raises."""
    outer, inner, without = FastAPI(), FastAPI(), FastAPI()
    for app in (inner, outer) if inner_first else (outer, inner):
        add_cancelation_handlers(app)
    for app in (outer, inner, without):
        app.get("/cancel")(cancel)
    outer.mount("/inner", inner)
    outer.mount("/without", without)
    for path in ("/cancel", "/inner/cancel"):
        assert_answer(await ask(outer, f"{path}?reason=signal"), CancelationReason.SIGNAL)
    with pytest.raises(RuntimeError) as raised:  # the inner app has answered with a 500 already
        await ask(outer, "/without/cancel?reason=signal")
    assert isinstance(raised.value.__cause__, CancelationError)


async def test_starlette() -> None:
    """An app of Starlette has them, too."""

    async def endpoint(request: Request) -> JSONResponse:
        await cancel(CancelationReason.SHUTDOWN)
        return JSONResponse("done")

    app = Starlette(routes=[Route("/", endpoint)])
    add_cancelation_handlers(app)
    assert_answer(await ask(app), CancelationReason.SHUTDOWN)


async def test_handlers_of_ones_own() -> None:
    """A handler for a subclass goes before, whichever was added first; others are answered as ever."""
    for own_first in (True, False):
        app = FastAPI()
        app.get("/")(cancel)
        if not own_first:
            add_cancelation_handlers(app)

        @app.exception_handler(TimeoutCancelation)
        async def handle(request: Request, error: TimeoutCancelation) -> JSONResponse:
            return JSONResponse("mine", 408)

        if own_first:
            add_cancelation_handlers(app)
        heard = await ask(app, "/?reason=timeout")
        assert (heard.status, heard.json()) == (408, "mine")
        assert_answer(await ask(app, "/?reason=manual"), CancelationReason.MANUAL)


async def test_other_errors_pass() -> None:
    """A `TimeoutError` that is not ours is none of them."""
    app = app_with_handlers()

    @app.get("/")
    async def endpoint() -> None:
        raise TimeoutError("of a driver")

    with pytest.raises(TimeoutError, match="of a driver"):
        await ask(app)


@with_and_without
async def test_client_leaves(middleware: bool) -> None:
    """A client that has left hears nothing, and nothing is raised."""
    app, channel, started = app_with_handlers(middleware=middleware), Channel(NO_BODY), anyio.Event()

    @app.get("/")
    async def endpoint(operation: Annotated[Cancelable, Depends(cancelable_dependency)]) -> None:
        async with operation:
            started.set()
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        await started.wait()
        channel.push(LEFT)
    assert channel.sent == []
    assert channel.scope["hother.cancelable.status"] == 499


async def test_client_of_another_request_left() -> None:
    """That some other client has left is told to one that is there."""
    app = app_with_handlers(middleware=True)

    @app.get("/")
    async def endpoint() -> None:
        raise DisconnectCancelation

    assert_answer(await ask(app), CancelationReason.DISCONNECT)


async def test_response_that_has_started() -> None:
    """It cannot be answered any more: behind the middleware it is cut off, silently."""
    app, channel = app_with_handlers(), Channel(NO_BODY)
    app.add_middleware(RequestCancelationMiddleware)

    @app.get("/", response_class=StreamingResponse)
    async def endpoint() -> AsyncIterator[str]:
        yield "one"
        await cancel(CancelationReason.TIMEOUT)

    await channel.run_alone(app)
    assert channel.sent_types == ["http.response.start", "http.response.body"]
    assert channel.sent[0]["status"] == 200
    assert channel.sent[1]["more_body"] is True


@pytest.mark.parametrize("app", [None, FastAPI, "app", APIRouter()], ids=["None", "class", "str", "router"])
def test_wrong_argument(app: Any) -> None:
    """What is no app is refused at once."""
    with pytest.raises(TypeError, match="app must be an app of FastAPI or Starlette, not"):
        add_cancelation_handlers(app)
