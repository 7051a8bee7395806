"""Cancelled operations as responses, for a whole app and in its OpenAPI schema."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

from fastapi.responses import JSONResponse
from hother.cancelable import CancelationError, CancelationReason
from hother.cancelable.core import logger, require

from .answers import answer_to
from .monitor import SCOPE_KEY, Monitor
from .silence import reason_of


def add_cancelation_handlers(app: Starlette) -> None:
    """Answer every request of an app whose operation was cancelled, wherever in its endpoints or dependencies.

    A timeout is a 504, a manual cancel a 499, a signal a 503, the server's shutdown a 503 with `Retry-After`, anything
    else a 500. A client that has left gets nothing. A web socket is closed, with 1008 after a timeout or a manual
    cancel, 1012 at the end of the server, otherwise 1011. Handlers of your own for a subclass of `CancelationError` go
    before. As with all handlers of Starlette, an app that is mounted in another one needs its own.

    Args:
        app: An app of FastAPI or Starlette.

    Raises:
        TypeError: If it is none.
    """
    require(Starlette, app, "app", "an app of FastAPI or Starlette")
    app.add_exception_handler(CancelationError, _answer)  # type: ignore[arg-type]


def cancelable_responses(*reasons: CancelationReason) -> dict[int | str, dict[str, Any]]:
    """Describe what a client hears of cancelled operations, for `responses=` of a route, a router or an app.

    Args:
        *reasons: The reasons that can happen; without any a timeout and the server's shutdown.

    Raises:
        TypeError: If one is no `CancelationReason`.
        ValueError: If it is `DISCONNECT`, of which no client can hear.

    Example:
        ```python
        from fastapi import FastAPI
        from hother.cancelable.integrations.fastapi import cancelable_responses

        app = FastAPI(responses=cancelable_responses())
        ```
    """
    described: dict[int | str, dict[str, Any]] = {}
    for reason in reasons or (CancelationReason.TIMEOUT, CancelationReason.SHUTDOWN):
        require(CancelationReason, reason, "reason", "a CancelationReason")
        if reason is CancelationReason.DISCONNECT:
            raise ValueError("a client that has left hears no response; leave CancelationReason.DISCONNECT out")
        status = answer_to(reason).status
        described[status] = {**_described(reason), **described.get(status, {})}
    return dict(sorted(described.items(), key=str))


def has_left(connection: HTTPConnection) -> bool:
    """Tell whether the client of a request is known to have left."""
    monitor: Monitor | None = connection.scope.get(SCOPE_KEY)
    return monitor is not None and monitor.left


def is_closed(connection: WebSocket) -> bool:
    """Tell whether one of the two sides has closed a web socket, as far as its object knows."""
    return WebSocketState.DISCONNECTED in (connection.client_state, connection.application_state)


def log_if_broken(error: BaseException) -> None:
    """Log what broke a source of an operation: a safety net that is broken is not silent, though the answer is."""
    if reason_of(error) is CancelationReason.ERROR:
        logger.error("a request was ended because a source of its operation broke", exc_info=error)


async def _answer(connection: HTTPConnection, error: CancelationError) -> Response | None:
    """Handle an exception of an endpoint, as Starlette calls it."""
    if error.reason is CancelationReason.DISCONNECT and has_left(connection):
        raise error  # ends, silently, where the client is watched
    log_if_broken(error)
    answer = answer_to(error.reason)
    if not isinstance(connection, WebSocket):
        return JSONResponse({"detail": answer.detail}, answer.status, dict(answer.headers))
    if not is_closed(connection) and not has_left(connection):
        await connection.close(answer.close_code, answer.detail)
    return None


def _described(reason: CancelationReason) -> dict[str, Any]:
    answer = answer_to(reason)
    schema = {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}
    described: dict[str, Any] = {
        "description": answer.detail,
        "content": {"application/json": {"schema": schema, "example": {"detail": answer.detail}}},
    }
    if "Retry-After" in answer.headers:
        described["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
    return described
