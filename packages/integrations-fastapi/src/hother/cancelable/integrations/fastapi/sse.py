"""Server-sent events: how they look on the wire, where one ends, and the last one of a stream that was cancelled.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from fastapi.encoders import jsonable_encoder
from fastapi.sse import ServerSentEvent, format_sse_event

from .chunks import encoded

EVENT_STREAM: Final = "text/event-stream"
"""The media type of server-sent events."""
HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""What keeps caches, and nginx, from holding events back."""

_BLANK_LINE: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}\Z")


def is_event_stream(media_type: str) -> bool:
    """Tell whether a media type, with parameters or without, is that of server-sent events."""
    return media_type.partition(";")[0].strip().lower() == EVENT_STREAM


def framed(item: object) -> bytes:
    """Return an item of an event stream as bytes: FastAPI's events as FastAPI frames them, text and bytes as they are.

    Raises:
        TypeError: If it is none of them.
    """
    if isinstance(item, ServerSentEvent):
        return format_sse_event(
            data_str=_data_of(item), event=item.event, id=item.id, retry=item.retry, comment=item.comment
        )
    try:
        return encoded(item, "utf-8")
    except TypeError:
        raise TypeError(
            f"an event stream yields ServerSentEvent, str, bytes or memoryview, not {type(item).__name__}: yield "
            f"ServerSentEvent(data=...) of fastapi.sse for {item!r}"
        ) from None


def _data_of(event: ServerSentEvent) -> str | None:
    data: Any = event.data
    if event.raw_data is not None or data is None:
        return event.raw_data
    if hasattr(data, "model_dump_json"):
        return str(data.model_dump_json())
    return json.dumps(_without_non_finite(jsonable_encoder(data)))


def _without_non_finite(data: Any) -> Any:
    """Put null where JSON has no number."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: _without_non_finite(value) for key, value in data.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(data, list):
        return [_without_non_finite(value) for value in data]  # pyright: ignore[reportUnknownVariableType]
    return data


class EventBoundary:
    """Follows what is sent, to know whether a client is between two events, where another one may be put.

    Attributes:
        clean: Whether it is, also if the piece that is being sent should not arrive.
    """

    def __init__(self) -> None:
        self.clean: bool = True
        self._clean_then = True
        self._tail = b""

    def sending(self, piece: bytes) -> None:
        """Note a piece that is about to be sent."""
        if piece:
            self._tail = (self._tail + piece)[-4:]
            self._clean_then = _BLANK_LINE.search(self._tail) is not None
            self.clean = self.clean and self._clean_then

    def sent(self) -> None:
        """Note that it was sent."""
        self.clean = self._clean_then
