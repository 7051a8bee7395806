"""Endpoints that are generators, and the routes that make responses of them."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse

from hother.cancelable import current_operation

ROUTES: dict[str, dict[str, Any]] = {
    "sse": {"response_class": EventSourceResponse},
    "jsonl": {},
    "raw": {"response_class": StreamingResponse},
}
each_route = pytest.mark.parametrize("route", ROUTES)


def note(happened: list[Any], event: object) -> None:
    """Note something, where it happened, and in which operation."""
    happened.append((event, threading.current_thread() is threading.main_thread(), current_operation()))


def endless(happened: list[Any]) -> Callable[..., Any]:
    """Return an endpoint that yields two items and then waits."""

    async def endpoint() -> AsyncIterator[str]:
        try:
            for number in range(2):
                note(happened, number)
                yield str(number)
            await anyio.sleep_forever()
        finally:
            note(happened, "finally")

    return endpoint


def endless_in_thread(happened: list[Any], left: threading.Event) -> Callable[..., Any]:
    """Return a plain one, which looks whether to stop."""

    def endpoint() -> Iterator[str]:
        operation = current_operation()
        assert operation is not None
        try:
            for number in range(2):
                note(happened, number)
                yield str(number)
            while not left.wait(0.005):
                operation.check()
        finally:
            note(happened, "finally")

    return endpoint
