"""Asking an app for one response, without a server and without a thread."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Scope

from .hand_made import NO_BODY, Channel

Endpoint = Callable[..., Any]


class Heard:
    """What the client of one request heard."""

    def __init__(self, channel: Channel) -> None:
        self.scope: Scope = channel.scope
        self.sent: list[Message] = channel.sent
        start: Message = next((each for each in channel.sent if each["type"] == "http.response.start"), {})
        self.status: int | None = start.get("status")
        self.headers: dict[str, str] = {name.decode(): value.decode() for name, value in start.get("headers", ())}
        self.body: bytes = b"".join(each.get("body", b"") for each in channel.sent)

    def json(self) -> Any:
        """Return what the body says."""
        return json.loads(self.body)


async def ask(app: ASGIApp, path: str = "/", *messages: Message, **scope: Any) -> Heard:
    """Send a request without a body, or with the one in the messages, and return the response.

    What the app raises comes out; a query may follow the path.
    """
    path, _, query = path.partition("?")
    channel = Channel(*(messages or [NO_BODY]), path=path, query_string=query.encode(), **scope)
    await channel.run_alone(app)
    return Heard(channel)


def app_with(endpoint: Endpoint, path: str = "/", **options: Any) -> FastAPI:
    """Return an app with one endpoint."""
    app = FastAPI()
    app.add_api_route(path, endpoint, **options)
    return app


def schema_of(endpoint: Endpoint, path: str = "/", **options: Any) -> str:
    """Return the OpenAPI schema of an app with one endpoint, as it would be sent."""
    return json.dumps(app_with(endpoint, path, **options).openapi())
