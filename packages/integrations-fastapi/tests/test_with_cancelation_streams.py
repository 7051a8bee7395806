"""`with_cancelation` on endpoints that are generators: event streams, lines of JSON, and raw responses."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from hother.cancelable import Cancelable, OperationStatus, current_operation
from hother.cancelable.integrations.fastapi import with_cancelation

from .asking import Heard, app_with, ask
from .generators import ROUTES, each_route, note
from .hand_made import LEFT, NO_BODY, Channel, make_app, with_and_without


def count(number: int = 3) -> Iterator[str]:
    """Yield numbers, in a thread."""
    for each in range(number):
        yield str(each)


async def count_on_the_loop(number: int = 3) -> AsyncIterator[str]:
    """Yield numbers."""
    for each in range(number):
        await anyio.sleep(0)
        yield str(each)


def twice(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate twice."""
    return with_cancelation(with_cancelation(endpoint))


@each_route
@with_and_without
@pytest.mark.parametrize("endpoint", [count, count_on_the_loop])
@pytest.mark.parametrize("decorate", [with_cancelation, with_cancelation(timeout=60), twice], ids=["bare", "60", "2"])
async def test_what_is_sent(
    endpoint: Callable[..., Any], decorate: Callable[..., Any], route: str, middleware: bool
) -> None:
    """All of it arrives as without the decorator, message by message, and nothing is left behind."""
    channels = list[Channel]()
    for each in (endpoint, decorate(endpoint)):
        app, channel = make_app(middleware=middleware), Channel(NO_BODY)
        app.get("/", **ROUTES[route])(each)
        await channel.run_alone(app)
        channel.push(LEFT)
        await anyio.wait_all_tasks_blocked()
        channels.append(channel)
    assert channels[1].sent == channels[0].sent
    assert len(channels[1].sent) == 5
    assert "hother.cancelable.status" not in channels[1].scope
    assert channels[1].in_flight == 0
    assert channels[1].most_in_flight <= 1


@each_route
@with_and_without
async def test_operation(route: str, middleware: bool) -> None:
    """Each step runs in the same operation, which has the name of the request and completes with the stream."""
    operations = list[Cancelable | None]()

    async def endpoint() -> AsyncIterator[str]:
        for _ in range(3):
            operations.append(current_operation())
            yield ""
        operations.append(current_operation())

    app = make_app(middleware=middleware)
    app.get("/shop", **ROUTES[route])(with_cancelation(endpoint))
    assert (await ask(app, "/shop")).status == 200
    operation, *others = operations
    assert operation is not None
    assert others == [operation] * 3
    assert operation.context.name == "GET /shop"
    assert operation.context.status is OperationStatus.COMPLETED


@each_route
async def test_operation_in_threads(route: str) -> None:
    """A plain generator runs in worker threads, finds its operation there, and is closed there."""
    happened = list[Any]()

    def endpoint() -> Iterator[str]:
        try:
            note(happened, "began")
            yield "one"
            note(happened, "went on")
        finally:
            note(happened, "finally")

    await ask(app_with(with_cancelation(endpoint), **ROUTES[route]))
    assert [each[:2] for each in happened] == [("began", False), ("went on", False), ("finally", False)]
    assert happened[0][2] is happened[1][2] is happened[2][2]
    assert happened[0][2].is_completed


async def test_errors() -> None:
    """An error of the generator passes as it is."""

    @with_cancelation
    async def endpoint() -> AsyncIterator[str]:
        yield "one"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ask(app_with(endpoint, **ROUTES["raw"]))


async def test_direct_iteration() -> None:
    """Without FastAPI the decorated function is an async generator, also for a plain one."""
    assert [item async for item in with_cancelation(count_on_the_loop)(2)] == ["0", "1"]
    in_thread: Any = with_cancelation(count)
    assert [item async for item in in_thread(2)] == ["0", "1"]
    heard: Heard = await ask(app_with(in_thread), "/?number=1")
    assert heard.body == b'"0"\n'
