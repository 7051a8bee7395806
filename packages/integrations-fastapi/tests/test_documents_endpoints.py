"""What the documents show of `with_cancelation` works as they say, with and without the middleware, on real servers."""

from typing import Any

import anyio
import pytest
from starlette.requests import Request

from hother.cancelable import Cancelable, CancelationReason, current_operation
from hother.cancelable.integrations.fastapi import with_cancelation

from .hand_made import make_app, with_and_without
from .serving import each_server, serving

pytestmark = pytest.mark.server


@each_server
@with_and_without
def test_decorator_of_the_guide(kind: str, middleware: bool) -> None:
    """A bare `with_cancelation` answers for operations of the endpoint: 504 for a timeout, 499 for a manual cancel."""
    app = make_app(middleware=middleware)

    async def long_operation(data: dict[str, Any], cancel: Cancelable) -> str:
        if data["do"] == "cancel":
            await cancel.cancel()
        await anyio.sleep(data["seconds"])
        return "done"

    @app.post("/process")
    @with_cancelation
    async def process_data(data: dict[str, Any]) -> Any:
        async with Cancelable.with_timeout(0.1) as cancel:
            result = await long_operation(data, cancel)
            return {"result": result}

    with serving(app, kind) as server:
        client = server.connect()
        answers: list[int] = []
        for body in (
            b'{"do": "work", "seconds": 0}',
            b'{"do": "work", "seconds": 9}',
            b'{"do": "cancel", "seconds": 9}',
        ):
            client.start_post("/process", "Content-Type: application/json")
            client.chunk(body)
            client.chunk(b"")
            answers.append(client.response()[0])
    assert answers == [200, 504, 499]


@each_server
@with_and_without
def test_decorator_of_the_reference(kind: str, middleware: bool) -> None:
    """Called with a timeout it takes the place of an operation, which the endpoint finds with `current_operation`."""
    app, found = make_app(middleware=middleware), list[Any]()

    @app.get("/slow")
    @with_cancelation(timeout=0.1)
    async def slow_endpoint(request: Request) -> None:
        cancelable = current_operation()
        found.append(cancelable)
        assert request.url.path == "/slow"
        await anyio.sleep(30)

    with serving(app, kind) as server:
        client = server.connect()
        client.get("/slow")
        assert client.response()[0] == 504
    assert found[0].context.cancel_reason is CancelationReason.TIMEOUT
