"""Requests that the server's side ends: how the tests run them, and what their clients are to hear."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware
from hother.cancelable.integrations.fastapi.answers import STATUS_KEY

from .hand_made import NO_BODY, Channel

MORE: Message = {"type": "http.response.body", "body": b"more", "more_body": True}


class Clock:
    """Reads the loop's time since the beginning of a test."""

    def __init__(self) -> None:
        self._begin = anyio.current_time()

    @property
    def now(self) -> float:
        """The time, in seconds, to the hundredth."""
        return round(anyio.current_time() - self._begin, 2)


async def handle(app: ASGIApp, *messages: Message, **options: Any) -> Channel:
    """Handle a request with an app in the middleware, which has these options, and return what was sent."""
    channel = Channel(*(messages or (NO_BODY,)))
    await RequestCancelationMiddleware(app, **options)(channel.scope, channel.receive, channel.send)
    return channel


async def wait(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that waits, outside any operation."""
    await anyio.sleep_forever()


def answer(channel: Channel) -> tuple[int, Any]:
    """Return the status and the content of a JSON response that was sent in two messages."""
    start, body = channel.sent
    assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
    assert not body.get("more_body", False)
    headers = dict(start["headers"])
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"content-length"] == str(len(body["body"])).encode()
    return start["status"], json.loads(body["body"])


def assert_timed_out(channel: Channel) -> None:
    """Check that the client has got one 504, and nothing else, and that metrics see it."""
    assert answer(channel) == (504, {"detail": "The request took too long"})
    assert channel.scope[STATUS_KEY] == 504


def assert_refused(channel: Channel) -> None:
    """Check that the client has heard that the server shuts down, in one response."""
    assert answer(channel) == (503, {"detail": "The server is shutting down"})
    headers = dict(channel.sent[0]["headers"])
    assert headers[b"retry-after"] == b"5"
    assert headers[b"connection"] == b"close"


def assert_cut(channel: Channel, sent: Sequence[Message]) -> None:
    """Check that the client has got these messages, and no end."""
    assert channel.sent == list(sent)
