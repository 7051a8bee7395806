"""Without the middleware, a streaming response watches for its client itself, or has the watching go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.types import Message

from hother.cancelable import Cancelable, CancelationReason
from hother.cancelable.integrations.fastapi import (
    cancelable_dependency,
    cancelable_streaming_response,
    get_request_token,
)

from .hand_made import LEFT, NO_BODY, Channel
from .streams import Diary, count_tasks, give, is_complete, run, sending, wait_after

Operation = Annotated[Cancelable, Depends(cancelable_dependency)]


class TypicalChannel(Channel):
    """A channel that says "disconnect" as soon as the response is complete, as servers do."""

    async def send(self, message: Message) -> None:
        """Say so while the last message is being sent."""
        if not message.get("more_body", True):
            self.push(LEFT)
            await anyio.sleep(0.01)
        await super().send(message)


def app_with(make: Any) -> FastAPI:
    """Return an app with one endpoint, which streams what is made for its request."""
    app = FastAPI()

    @app.get("/")
    async def endpoint(request: Request, operation: Operation) -> Any:
        return cancelable_streaming_response(make(request), operation)

    return app


async def test_watching_goes_on_after_the_endpoint() -> None:
    """The operation of the dependency ends with the client, though its endpoint has returned before."""
    channel, diary, operations = Channel(NO_BODY), Diary(), list[Any]()
    app = FastAPI()

    @app.get("/")
    async def endpoint(operation: Operation) -> Any:
        operations.append(operation)
        return cancelable_streaming_response(wait_after(diary, "x"), operation)

    async with sending(channel, app, False):
        assert not operations[0].cancel_requested
        channel.push(LEFT)
    assert operations[0].context.cancel_reason is CancelationReason.DISCONNECT
    assert diary.entries == ["closing", "closed"]


async def test_end_of_the_response_cancels_no_token() -> None:
    """The token of a request is not cancelled by what the server says once the response is complete."""
    channel, tokens = TypicalChannel(NO_BODY), list[Any]()

    def make(request: Request) -> AsyncIterator[str]:
        tokens.append(get_request_token(request))
        return give("x")

    await run(channel, app_with(make), False)
    assert is_complete(channel)
    assert not tokens[0].is_cancelled


async def test_nothing_watches_after_the_response() -> None:
    """When the response is complete, nobody waits for its client any more."""
    before = count_tasks()
    await run(Channel(NO_BODY), app_with(lambda _: give("x")), False)
    assert count_tasks() == before
    await run(Channel(NO_BODY), cancelable_streaming_response(give("x")), False)
    assert count_tasks() == before


async def test_token_in_the_generator() -> None:
    """The generator itself may ask for the token of its request, and hears of the client leaving."""
    channel, seen = Channel(NO_BODY), list[Any]()
    app = FastAPI()

    @app.get("/")
    async def endpoint(request: Request) -> Any:
        async def generate() -> AsyncIterator[str]:
            token = get_request_token(request)
            token.on_cancel(lambda token: seen.append(token.reason))
            yield "data: x\n\n"
            await anyio.sleep_forever()

        return cancelable_streaming_response(generate())

    async with sending(channel, app, False):
        channel.push(LEFT)
    assert seen == [CancelationReason.DISCONNECT]
