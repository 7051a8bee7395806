"""`with_cancelation` on endpoints of every kind: they run as the operation of their request."""

import functools
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from fastapi import FastAPI

from hother.cancelable import Cancelable, CancelationReason, current_operation
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, with_cancelation

from .asking import app_with, ask
from .hand_made import LEFT, NO_BODY, Channel, make_app, with_and_without


def where_it_runs(value: int) -> list[Any]:
    """Return what an endpoint finds when it runs."""
    operation = current_operation()
    assert operation is not None
    assert operation.is_running
    return [value, operation.context.name, threading.current_thread() is threading.main_thread()]


async def coroutine(value: int) -> list[Any]:
    """Run on the loop."""
    await anyio.sleep(0)
    return where_it_runs(value)


def plain(value: int) -> list[Any]:
    """Run in a thread."""
    return where_it_runs(value)


class Plain:
    """Run in a thread."""

    def __call__(self, value: int) -> list[Any]:
        return where_it_runs(value)

    def method(self, value: int) -> list[Any]:
        """Be a method that runs in a thread."""
        return where_it_runs(value)

    @staticmethod
    def static(value: int) -> list[Any]:
        """Be a static method that runs in a thread."""
        return where_it_runs(value)

    @with_cancelation
    def decorated(self, value: int) -> list[Any]:
        """Be decorated in the class."""
        return where_it_runs(value)

    @with_cancelation
    @staticmethod
    def decorated_static(value: int) -> list[Any]:
        """Be decorated in the class, and static."""
        return where_it_runs(value)


class Coroutine:
    """Run on the loop."""

    async def __call__(self, value: int) -> list[Any]:
        return where_it_runs(value)

    async def method(self, value: int) -> list[Any]:
        """Be a method that runs on the loop."""
        return where_it_runs(value)

    @with_cancelation(timeout=5)
    async def decorated(self, value: int) -> list[Any]:
        """Be decorated in the class."""
        return where_it_runs(value)

    @classmethod
    async def of_class(cls, value: int) -> list[Any]:
        """Be a method of the class."""
        return where_it_runs(value)


def asynchronous(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a coroutine function of a plain one, by a decorator."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def transparent(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate with a plain function, which hands a coroutine on."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


ON_THE_LOOP: dict[str, Callable[..., Any]] = {
    "coroutine": coroutine,
    "object": Coroutine(),
    "method": Coroutine().method,
    "class method": Coroutine.of_class,
    "partial": functools.partial(coroutine),
    "partial of a partial": functools.partial(functools.partial(coroutine)),
    "partial of an object": functools.partial(Coroutine()),
    "made asynchronous": asynchronous(plain),
    "wrapped": transparent(coroutine),
    "wrapped partial": functools.partial(transparent(coroutine)),
}
IN_A_THREAD: dict[str, Callable[..., Any]] = {
    "function": plain,
    "object": Plain(),
    "method": Plain().method,
    "static": Plain.static,
    "partial": functools.partial(plain),
    "partial of an object": functools.partial(Plain()),
    "wrapped": transparent(plain),
    "lambda": lambda value: where_it_runs(value),
}
DECORATORS: list[Any] = [
    pytest.param(with_cancelation, id="bare"),
    pytest.param(with_cancelation(), id="called"),
    pytest.param(with_cancelation(timeout=5), id="timeout"),
    pytest.param(lambda endpoint: with_cancelation(with_cancelation(endpoint)), id="twice"),
]


async def found_by(endpoint: Callable[..., Any]) -> list[Any]:
    """Return what an endpoint finds that is called with 5."""
    heard = await ask(app_with(endpoint, "/shop"), "/shop?value=5")
    assert heard.status == 200, heard.body
    found: list[Any] = heard.json()
    assert found[:2] in (["5", "GET /shop"], [5, "GET /shop"])  # a lambda has no types
    return found


@pytest.mark.parametrize("decorate", DECORATORS)
@pytest.mark.parametrize("name", ON_THE_LOOP)
async def test_endpoint_on_the_loop(decorate: Callable[..., Any], name: str) -> None:
    """An endpoint that is asynchronous finds its operation, and runs where it would without the decorator."""
    assert (await found_by(decorate(ON_THE_LOOP[name])))[2] is True


@pytest.mark.parametrize("decorate", DECORATORS)
@pytest.mark.parametrize("name", IN_A_THREAD)
async def test_endpoint_in_a_thread(decorate: Callable[..., Any], name: str) -> None:
    """A plain endpoint runs in a worker thread as ever, and finds its operation there."""
    assert (await found_by(decorate(IN_A_THREAD[name])))[2] is False


async def test_methods_decorated_in_their_class() -> None:
    """The decorator may stand on methods, too; they are bound as others are."""
    assert (await found_by(Coroutine().decorated))[2] is True
    assert (await found_by(Plain().decorated))[2] is False
    assert (await found_by(Plain.decorated_static))[2] is False


async def test_direct_calls() -> None:
    """Without FastAPI a decorated function takes its arguments as before; its operation has no request then."""

    @with_cancelation(timeout=5)
    async def endpoint(value: int, other: int = 2) -> tuple[int, int, Cancelable | None]:
        return value, other, current_operation()

    value, other, operation = await endpoint(1, other=3)
    assert (value, other) == (1, 3)
    assert isinstance(operation, Cancelable)
    assert operation.is_completed
    assert operation.context.name is None


async def test_direct_calls_of_plain_functions() -> None:
    """A plain one is asynchronous then, since it runs in a thread."""
    endpoints: list[Any] = [with_cancelation(Plain().method), Plain().decorated, with_cancelation(plain)]
    for endpoint in endpoints:
        assert await endpoint(5) == await endpoint(value=5) == [5, None, False]


@pytest.mark.loops("asyncio", "trio")
async def test_threads_of_the_pool() -> None:
    """Plain endpoints take a thread of the same pool as without the decorator, so that its limit holds."""
    limiter = anyio.to_thread.current_default_thread_limiter()

    def borrowed(value: int) -> int:
        return int(limiter.borrowed_tokens)

    assert (await ask(app_with(with_cancelation(borrowed)), "/?value=1")).json() == 1


@with_and_without
@pytest.mark.parametrize("path", ["bare", "called"])
async def test_client_leaves(path: str, middleware: bool) -> None:
    """When the client leaves the endpoint is interrupted, nothing is sent, and the scope says 499 for metrics."""
    app, channel, operations = make_app(middleware=middleware), Channel(NO_BODY), list[Cancelable]()
    started = anyio.Event()

    async def endpoint() -> None:
        operations.append(current_operation())  # type: ignore[arg-type]
        started.set()
        await anyio.sleep_forever()

    app.get("/")(with_cancelation(endpoint) if path == "bare" else with_cancelation(timeout=60)(endpoint))
    async with anyio.create_task_group() as group:
        group.start_soon(channel.run_alone, app)
        await started.wait()
        channel.push(LEFT)
    assert operations[0].context.cancel_reason is CancelationReason.DISCONNECT
    assert channel.sent == []
    assert channel.scope["hother.cancelable.status"] == 499


@with_and_without
async def test_response_that_is_complete(middleware: bool) -> None:
    """A client that leaves after its response was not cancelled, and no task is left that would wait for it."""
    app, channel = make_app(middleware=middleware), Channel(NO_BODY)
    app.get("/")(with_cancelation(coroutine))
    channel.scope["query_string"] = b"value=1"
    await channel.run_alone(app)
    channel.push(LEFT)
    await anyio.wait_all_tasks_blocked()
    assert channel.sent[0]["status"] == 200
    assert "hother.cancelable.status" not in channel.scope
    assert channel.in_flight == 0


async def test_operations_within_are_children() -> None:
    """An operation that the endpoint enters is a child of the endpoint's, as are those of its tasks."""
    parents = list[Any]()

    async def work() -> None:
        async with Cancelable() as inner:
            parents.append(inner.parent)

    @with_cancelation
    async def endpoint() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(work)
        await work()
        parents.append(current_operation())

    app = FastAPI()
    app.add_middleware(RequestCancelationMiddleware)
    app.get("/")(endpoint)
    assert (await ask(app)).status == 200
    assert parents[0] is parents[1] is parents[2]


BAD: list[tuple[Any, type[Exception], str]] = [
    (lambda: with_cancelation(timeout=0), ValueError, "timeout"),
    (lambda: with_cancelation(timeout=-1), ValueError, "timeout"),
    (lambda: with_cancelation(timeout=float("nan")), ValueError, "timeout"),
    (lambda: with_cancelation(timeout="3"), TypeError, "timeout"),  # type: ignore[call-overload]
    (lambda: with_cancelation("/path"), TypeError, "timeout"),  # type: ignore[call-overload]
    (lambda: with_cancelation(timeout=3)(None), TypeError, r"with_cancelation\(\) decorates an endpoint, not None"),  # type: ignore[type-var]
    (lambda: with_cancelation()("/path"), TypeError, "not '/path'"),  # type: ignore[type-var]
    (lambda: with_cancelation(raise_on_cancel="no"), TypeError, "raise_on_cancel"),  # type: ignore[call-overload]
    (lambda: with_cancelation(coroutine, 3), TypeError, "raise_on_cancel"),  # type: ignore[call-overload]
]


def test_wrong_arguments() -> None:
    """A wrong argument is an error at once, which names it."""
    for call, error, message in BAD:
        with pytest.raises(error, match=message):
            call()
