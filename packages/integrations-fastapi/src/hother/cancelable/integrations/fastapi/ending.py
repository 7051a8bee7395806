"""Ending a request from the server's side: first its operations, then all of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import anyio
from starlette.types import Message, Scope, Send

from hother.cancelable import CancelationError, CancelationReason
from hother.cancelable.core import Cause, TaskBeside, Timer, current_backend, start_beside

from .answers import STATUS_KEY, answer_to
from .monitor import GRACE, Monitor
from .response_state import ResponseState
from .silence import CUT_KEY


class Ending(ResponseState):
    """What may end one request: a deadline, and the server's shutdown. Lies around the app.

    Where operations of the request run, they are cancelled and have a grace time to end, so that the endpoint raises an
    ordinary exception and dependencies clean up in peace; what still runs then, or has no operation, is cancelled as a
    whole. Once the response is complete nothing is ended any more.

    Attributes:
        cause: Why the request was ended; None as long as it was not.
        scope: The cancel scope to run the app in.
    """

    cause: Cause | None = None
    over: bool = False
    _held: Message | None = None
    _releasing: TaskBeside | None = None
    _replaced = False
    _seconds: float | None = None
    _timer: Timer | None = None

    def __init__(self, monitor: Monitor, scope: Scope, send: Send, grace: float) -> None:
        self._backend, self._loop, _ = current_backend()
        self._monitor = monitor
        self._request = scope
        self._send = send
        self._grace = grace
        self.scope: anyio.CancelScope = self._backend.new_scope()
        monitor.endings += (self,)

    @property
    def is_stream(self) -> bool:
        """Whether the client receives something already: a response that has started, or a web socket."""
        return self.started or self._request["type"] == "websocket"

    def end_after(self, seconds: float) -> None:
        """Set the deadline, in seconds from now."""
        self._seconds = seconds
        self._call_later(seconds, lambda: self.end(CancelationReason.TIMEOUT, f"not done within {seconds:g} s"))

    def lift_deadline(self) -> None:
        """Take the deadline off, unless it has passed."""
        if self._timer is not None and self.cause is None:
            self._timer.cancel()

    def restore_deadline(self) -> None:
        """Let the time that was given count anew."""
        if self._seconds is not None and self.cause is None and not self.over:
            self.end_after(self._seconds)

    def ask(self, reason: CancelationReason, message: str) -> bool:
        """Cancel the operations of the request, and no more.

        Returns:
            Whether there are any.
        """
        if self.over:
            return False
        self.lift_deadline()
        if self.cause is None:
            self.cause = Cause(reason, message)
            if self.is_stream:  # its status does not tell; otherwise the app may have an answer of its own
                self._record()
        return self._monitor.end_operations(reason, message)

    def end(self, reason: CancelationReason, message: str) -> None:
        """Cancel the operations of the request, and all of it after the grace time, or at once where there are none."""
        if self.over:
            return
        if self.ask(reason, message) or self._others_have_asked():
            self._call_later(self._grace, self._cancel_all)
        else:
            self._cancel_all()

    async def send(self, message: Message) -> None:
        """Send a message of the app.

        A response of 500 that the app gives because its request was ended says what happened instead. The empty message
        at the end of one that was ended half-way is held back for a moment: `BaseHTTPMiddleware` sends it also where
        the app has failed, and raises only then.
        """
        if self._replaced:
            return
        if CUT_KEY in message:
            raise message[CUT_KEY]
        if self._tells_of_ending(message):
            self._replaced = True
            if not self.scope.cancel_called:  # else there is an answer when the app has returned
                await self.answer()
            return
        if not self.over:
            self.note(message)
            if self.cause is not None and message["type"] == "http.response.start":
                self._request.setdefault(STATUS_KEY, message["status"])
            if self.over:
                self._stop_timer()
                if self.cause is not None and _is_empty_end(message):
                    self._hold(message)
                    return
        if not self.scope.cancel_called:
            await self._send(message)
            return
        with anyio.move_on_after(self._grace, shield=True):  # it could not be interrupted, and answers after all
            await self._send(message)

    async def answer(self) -> None:
        """Tell the client why its request was ended, if it was, unless it has an answer or has left.

        Raises:
            CancelationError: If the response is half-way, so that it is cut off.
        """
        await self._stop_releasing()
        if self._held is not None:
            await self._release()
            return
        if self.cause is None or self.over or self._monitor.left:
            return
        self._record()
        if self.started and self._request["type"] == "http":
            raise CancelationError(self.cause.message, reason=self.cause.reason)
        self.over = True
        self._stop_timer()
        await refuse(self._request, self._send, self.cause.reason)

    async def cut(self) -> bool:
        """Tell whether the response is cut off when the app fails now, and see to it that its end is not sent."""
        await self._stop_releasing()
        if self._held is not None:
            self._held, self.over, self._monitor.over = None, False, False
        return self.is_half_way

    def _record(self) -> None:
        assert self.cause is not None
        self._request.setdefault(STATUS_KEY, answer_to(self.cause.reason).status)

    def _hold(self, end: Message) -> None:
        self._held = end
        self._monitor.over = True  # what comes now, such as background tasks, is left alone
        self._releasing = start_beside(self._loop, self._release_soon, "end a response")

    async def _release_soon(self) -> None:
        await anyio.sleep(GRACE)
        await self._release()

    async def _release(self) -> None:
        end, self._held = self._held, None
        if end is not None:
            await self._send(end)

    async def _stop_releasing(self) -> None:
        if self._releasing is not None:
            await self._releasing.stop()
            self._releasing = None

    def stop(self) -> None:
        """End nothing any more: the app has returned."""
        self._stop_timer()
        self._monitor.endings = tuple(each for each in self._monitor.endings if each is not self)

    def _tells_of_ending(self, message: Message) -> bool:
        """Tell whether a message begins a 500 that a client is to get because its request was ended."""
        return self.cause is not None and (message["type"], message.get("status")) == ("http.response.start", 500)

    def _others_have_asked(self) -> bool:
        """Tell whether operations may be ending already: the client has left, or another middleware was earlier."""
        others = (each for each in self._monitor.endings if each is not self)
        return self._monitor.left or any(each.cause is not None for each in others)

    def _cancel_all(self) -> None:
        if not self.over:
            self.scope.cancel()

    def _call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self._backend.call_at(self._loop, self._backend.now(self._loop) + seconds, call)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _is_empty_end(message: Message) -> bool:
    return message["type"] == "http.response.body" and not message.get("body")


async def refuse(scope: Scope, send: Send, reason: CancelationReason) -> None:
    """Answer a request, or close a web socket, with what belongs to a reason."""
    answer = answer_to(reason)
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": answer.close_code, "reason": answer.detail})
        return
    body = json.dumps({"detail": answer.detail}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **answer.headers}
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
