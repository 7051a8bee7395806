"""What a client hears of a cancelled operation: one table from reasons to status and close codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from fastapi.sse import ServerSentEvent
from hother.cancelable import CancelationReason

CLIENT_GONE: Final = 499
"""The status of a request whose client has left, or that somebody has cancelled; nginx has made it up."""
STATUS_KEY: Final = "hother.cancelable.status"
"""Where the scope of a request says with which status it was ended, for metrics: 499 where the client has left."""
RETRY_AFTER: Final = 5
"""How many seconds a client should wait until it asks a server again that is shutting down."""


class Answer(NamedTuple):
    """What a client is told."""

    status: int
    """The status code of a response."""
    detail: str
    """What to tell people. It says nothing of the inside of the server."""
    close_code: int
    """The close code of a web socket."""
    headers: Mapping[str, str] = {}
    """Further headers of a response."""


_ANSWERS: Final[dict[CancelationReason, Answer]] = {
    CancelationReason.TIMEOUT: Answer(504, "The request took too long", 1008),
    CancelationReason.MANUAL: Answer(CLIENT_GONE, "The request was cancelled", 1008),
    CancelationReason.DISCONNECT: Answer(CLIENT_GONE, "The client has left", 1000),
    CancelationReason.SIGNAL: Answer(503, "The server is shutting down", 1012),
    CancelationReason.SHUTDOWN: Answer(
        503, "The server is shutting down", 1012, {"Retry-After": str(RETRY_AFTER), "Connection": "close"}
    ),
}
_OTHERWISE: Final = Answer(500, "Internal Server Error", 1011)


def answer_to(reason: CancelationReason) -> Answer:
    """Return what a client hears when its request was ended for a reason."""
    return _ANSWERS.get(reason, _OTHERWISE)


def last_event(reason: CancelationReason) -> ServerSentEvent:
    """Return what an event stream ends with that was ended for a reason."""
    return ServerSentEvent(event="cancelled", data={"reason": reason.value, "detail": answer_to(reason).detail})
