"""The documented ways in which the middleware ends a request, with requests made up at random."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message

from hother.cancelable.integrations.fastapi import GracefulShutdown, RequestCancelationMiddleware

from .fuzzed_requests import EXAMPLES, Kind, requests
from .fuzzing import Backend, Do, Request, Seen, Wrap, begin_alike, serve
from .test_fuzz_asgi import WAYS, bare, on_both

CANCELATIONS = ("CancelationError(", "TimeoutCancelation(", "ShutdownCancelation(")


def check_ended(request: Request, expected: Seen, seen: Seen, *statuses: int) -> None:
    """Assert that a request went as it would have gone, until it was ended, and that the rest is what is promised.

    Args:
        request: What happened.
        expected: What is seen without the middleware.
        seen: What is seen with it.
        *statuses: What a client may be told that has not got its answer.
    """
    assume(not (seen.departed and request.send_fails))  # a send that is not made, to nobody, raises nothing
    sent, told = split(seen.by_server, len(expected.by_server), *statuses)
    assert expected.by_server[: len(sent)] == sent
    assert expected.by_app[: len(seen.by_app)] == seen.by_app
    assert begin_alike(expected, seen)
    assert seen.left in (None, expected.left) or (statuses and seen.left.startswith(CANCELATIONS))
    assert not told or not is_answered(sent)


def split(sent: list[Message], most: int, *statuses: int) -> tuple[list[Message], list[Message]]:
    """Return what the app has sent, and what the middleware has added."""
    for position, message in enumerate(sent):
        if message.get("status") in statuses or message.get("code") in statuses:
            return sent[:position], sent[position:]
    return sent, []


def is_answered(sent: list[Message]) -> bool:
    """Tell whether a response has begun, or a web socket was closed."""
    return any(message["type"] in ("http.response.start", "websocket.close") for message in sent)


@on_both
@EXAMPLES
@given(data=st.data(), kind=st.sampled_from(["http", "websocket"]))
def test_client_that_leaves(backend: Backend, data: st.DataObject, kind: Kind) -> None:
    """An app in an operation is ended when the client leaves, silently; if it stays, nothing is changed."""
    request = data.draw(requests(kind, Do("sleep", 0.01), in_operation=True))
    expected, seen = serve(request, bare, backend), serve(request, data.draw(st.sampled_from(WAYS)), backend)
    if seen.departed:
        check_ended(request, expected, seen)
    else:
        assert begin_alike(expected, seen)
        assert seen == expected


def with_deadline(app: ASGIApp) -> ASGIApp:
    """Put the middleware around an app, with a deadline that ends it when it sleeps."""
    return RequestCancelationMiddleware(app, default_timeout=60)


@on_both
@EXAMPLES
@given(data=st.data())
def test_deadline(backend: Backend, data: st.DataObject) -> None:
    """A response that has not begun in time is a 504 instead, and one that has begun is cut off."""
    request = data.draw(requests("http", Do("sleep", 100)))
    expected, seen = serve(request, bare, backend), serve(request, with_deadline, backend)
    check_ended(request, expected, seen, 504)


@on_both
@EXAMPLES
@given(data=st.data(), kind=st.sampled_from(["http", "websocket"]))
def test_shutdown(backend: Backend, data: st.DataObject, kind: Kind) -> None:
    """A request in whose midst the server shuts down is answered by the app, or with a 503, or cut off."""
    shutdowns: list[GracefulShutdown] = []

    def shutting_down(middleware: bool) -> Wrap:
        shutdown = GracefulShutdown(grace=1)
        shutdowns.append(shutdown)
        return lambda app: RequestCancelationMiddleware(app, shutdown=shutdown) if middleware else app

    begin = Do("call", lambda: shutdowns[-1].begin_shutdown())
    request = data.draw(requests(kind, begin, Do("sleep", 3)))
    expected, seen = serve(request, shutting_down(False), backend), serve(request, shutting_down(True), backend)
    check_ended(request, expected, seen, 503, 1012)
