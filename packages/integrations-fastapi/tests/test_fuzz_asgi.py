"""The middleware against the bare app, with requests made up at random, legal and illegal."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message

from hother.cancelable.integrations.fastapi import GracefulShutdown, RequestCancelationMiddleware

from .fuzzed_requests import EXAMPLES, Kind, requests
from .fuzzing import Backend, Do, Wrap, begin_alike, serve

on_both = pytest.mark.parametrize("backend", ["asyncio", "trio"])
of_both = pytest.mark.parametrize("kind", ["http", "websocket"])


def bare(app: ASGIApp) -> ASGIApp:
    """Return the app as it is."""
    return app


def twice(app: ASGIApp) -> ASGIApp:
    """Put two middlewares around an app, one with a deadline."""
    return RequestCancelationMiddleware(RequestCancelationMiddleware(app, default_timeout=60))


def with_everything(app: ASGIApp) -> ASGIApp:
    """Put the middleware around an app with all that may end a request."""
    return RequestCancelationMiddleware(app, default_timeout=60, shutdown=GracefulShutdown())


WAYS: list[Wrap] = [RequestCancelationMiddleware, twice, with_everything]


def told_to_nobody(sent: list[Message]) -> int:
    """Return how many messages come before a response which only says that the client has left, or that this broke."""
    for position, message in enumerate(sent):
        if message["type"] == "http.response.start":
            return position if message.get("status") in (499, 500) else len(sent)
    return len(sent)


@on_both
@of_both
@EXAMPLES
@given(data=st.data())
def test_it_changes_nothing(backend: Backend, kind: Kind, data: st.DataObject) -> None:
    """Without operations the app sees, and the server gets, what they would without the middleware."""
    request = data.draw(requests(kind, Do("cancel"), in_operation=False))
    wrap = data.draw(st.sampled_from(WAYS))
    expected, seen = serve(request, bare, backend), serve(request, wrap, backend)
    assert begin_alike(expected, seen)
    if seen.departed and seen != expected:
        assume(not request.send_fails and not seen.cancelled)  # a send that is not made raises nothing
        expected.by_server = expected.by_server[: told_to_nobody(expected.by_server)]
    assert seen == expected


@given(kind=st.text().filter(lambda kind: kind not in ("http", "websocket")))
@example("lifespan")
@example("webtransport")
def test_other_protocols_pass_untouched(kind: str) -> None:
    """For scopes of other protocols the app is called with the very same scope, `receive` and `send`."""
    given: list[object] = []

    async def app(*arguments: object) -> None:
        given.extend(arguments)

    arguments: Any = ({"type": kind}, object(), object())
    call = RequestCancelationMiddleware(app, default_timeout=1)(*arguments)
    with contextlib.closing(call), pytest.raises(StopIteration):
        call.send(None)
    assert all(found is passed for found, passed in zip(given, arguments, strict=True))
