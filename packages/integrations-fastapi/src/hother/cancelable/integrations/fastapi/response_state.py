"""How far a response has come, as the messages that the app sends tell."""

from __future__ import annotations

from starlette.types import Message

from .messages import ends_response


class ResponseState:
    """Notes what is sent. Begins as a response that has not started.

    Attributes:
        started: Whether the app has begun its response, or accepted its web socket.
        over: Whether the response is complete; what comes now is not the client leaving.
    """

    # Defaults of the class: a request that is not watched changes hardly any of them.
    started: bool = False
    over: bool = False
    _trailers = False

    @property
    def is_half_way(self) -> bool:
        """Whether it has started and is not complete."""
        return self.started and not self.over

    def note(self, message: Message) -> None:
        """Note a message that is about to be sent."""
        kind = message["type"]
        if kind == "http.response.body" and not self._trailers:  # as ends_response has it, and quicker
            self.over = not message.get("more_body", False)
        elif kind in ("http.response.start", "websocket.accept"):
            self.started = True
            self._trailers = message.get("trailers", False)
        elif ends_response(message, self._trailers):
            self.over = True
