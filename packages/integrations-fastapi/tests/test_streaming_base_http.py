"""A response that is cut off does not look complete below Starlette's `BaseHTTPMiddleware`, either."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hother.cancelable import Cancelable, ManualCancelation, TimeoutCancelation
from hother.cancelable.integrations.fastapi import cancelable_streaming_response

from .hand_made import NO_BODY, Channel
from .streams import bodies, give, run


def below(response: ASGIApp) -> ASGIApp:
    """Return the response with the middleware around it."""
    return BaseHTTPMiddleware(response, dispatch=lambda request, call_next: call_next(request))


@pytest.mark.parametrize("move_on", [True, False])
@pytest.mark.parametrize("media_type", ["text/plain", "text/event-stream"])
async def test_body_is_cut_off(media_type: str, move_on: bool) -> None:
    """The middleware is kept from giving half of a body the end of a whole one, and the exception leaves it."""
    channel, operation = Channel(NO_BODY), Cancelable(move_on=move_on)

    async def generate() -> AsyncIterator[str]:
        yield "data: half"
        operation.cancel_sync()
        await anyio.sleep_forever()

    with pytest.raises(ManualCancelation):
        await run(channel, below(cancelable_streaming_response(generate(), operation, media_type)), False)
    assert bodies(channel) == [b"data: half"]
    assert [each for each in channel.sent if each["type"] == "http.response.body" and not each["more_body"]] == []


@pytest.mark.virtual_time
async def test_start_is_lost() -> None:
    """Where the start has not reached the middleware there is nothing to cut off: the exception leaves as it is."""
    channel = Channel(NO_BODY)
    response = cancelable_streaming_response(give("x"), Cancelable(timeout=1))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def lose_the_start(message: Message) -> None:
            if message["type"] == "http.response.start":
                await anyio.sleep_forever()
            await send(message)

        await response(scope, receive, lose_the_start)

    with pytest.raises(TimeoutCancelation):
        await run(channel, below(app), False)
    assert channel.sent == []
