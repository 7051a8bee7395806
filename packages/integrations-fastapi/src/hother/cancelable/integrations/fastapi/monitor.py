"""Who reads the channel of a request, and whether its client has left."""

from __future__ import annotations

import threading
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio.lowlevel import checkpoint
from starlette.types import Message, Receive, Scope, Send

from hother.cancelable import CancelationError, CancelationReason, CancelationToken, current_operation
from hother.cancelable.core import Loop, TaskBeside, current_loop, has_listeners, post, start_beside

from .answers import CLIENT_GONE, STATUS_KEY, answer_to
from .channel import Channel
from .close_codes import name_of_close
from .messages import HTTP_DISCONNECT, WEBSOCKET_DISCONNECT, is_disconnect

if TYPE_CHECKING:
    from .ending import Ending

SCOPE_KEY: Final = "hother.cancelable.monitor"
"""Where the scope of a request keeps its monitor."""
MESSAGE: Final = "the client has left"
GRACE: Final = 0.05
"""How much later than its operations the app hears that the client left, in seconds, where it waits for that.

A `StreamingResponse` listens beside its generator and cancels it. An operation in there ends for its own reason first.
"""
BACKOFF: Final = 1.0
"""How long to leave a server alone, in seconds, that sends body messages after the last one."""

_making = threading.Lock()


class Monitor(Channel):
    """Stands between the server and the app: the app reads and sends through it.

    As long as nobody asks for the token it only passes messages on. From then on a task of its own reads one message
    ahead, which it keeps for the app, and past the end of the body, where nothing but the disconnect can come.

    Attributes:
        left: Whether the client left before the response was complete.
        over: Whether the response is complete or the request was given back; what comes now is not the client leaving.
        started: Whether the app has begun its response.
        endings: What may end the request from the server's side.
    """

    left: bool = False
    over: bool = False
    endings: tuple[Ending, ...] = ()
    _answers_nobody = False
    _ended: tuple[CancelationReason, str] | None = None
    _token: CancelationToken | None = None
    _watcher: TaskBeside | None = None

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, body_was_read: bool = False) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._loop = current_loop()
        self._http = scope["type"] == "http"
        if body_was_read:
            self._asked = self._body_complete = True

    def token(self) -> CancelationToken:
        """Return the token of the request, from any thread, and see to it that somebody watches for the client."""
        with _making:
            if (token := self._token) is None:
                self._token = token = CancelationToken()
        if self._ended is not None:
            token.cancel_sync(*self._ended)
        elif self._watcher is None and not self.over:
            if _runs_here(self._loop):
                self._start()
            else:
                post(self._loop, self._start)
        return token

    def token_for_operation(self) -> CancelationToken:
        """Return the token for an operation that is entered now; what runs after the response is left alone."""
        return CancelationToken() if self.over else self.token()

    async def send(self, message: Message) -> None:
        """Send a message of the app. That the response is complete is noted before the server, and its client, see it.

        Raises:
            OSError: If the server says so that the client has left.
        """
        was_over = self.over
        if self.left and self._is_for_nobody(message):
            return
        if not was_over:
            self.note(message)
        try:
            if self.over and not was_over and not self._http:
                await self._close(message)
            else:
                await self._send(message)
        except OSError as error:
            if not was_over and not isinstance(error, CancelationError):  # a timeout of a middleware is an OSError, too
                self.over = False
                await self._let_close_be_read()
                self._leave()
            raise

    def _is_for_nobody(self, message: Message) -> bool:
        """Tell whether a message belongs to a response that only says that the client has left, or that this broke."""
        if not self.started and message["type"] == "http.response.start":
            self._answers_nobody = message.get("status") in (CLIENT_GONE, 500)
        return self._answers_nobody

    async def _close(self, message: Message) -> None:
        """Send the close of a web socket; granian sends none while somebody receives."""
        try:
            await self.stop()
        finally:
            await self._send(message)

    async def receive(self) -> Message:
        """Return the next message to the app: the one that was read ahead, then what comes.

        Once the client is known to have left, this says so without a checkpoint, but in a cancelled operation:
        `Request.is_disconnected` asks in a scope that is cancelled.
        """
        looks = self._only_looks()
        while looks or not self._held:
            if self._disconnect is not None:
                if self._http and not looks:
                    await self._let_operations_end()
                await _be_interrupted()
                return self._disconnect
            if self._error is not None:
                raise self._take_error()
            if looks and self._look_must_not_read():
                await checkpoint()  # raises: a body message would be lost on who only looks
            elif self._reading:
                await self._wait_for_news()
                await self._let_operations_end()
            elif (message := await self._read_for_app(looks)) is not None:
                return message
        return self._take()

    def _look_must_not_read(self) -> bool:
        """Tell whether who only looks has to leave the reading to the watch, or to an app that wants the body."""
        return self._watcher is not None or not self._may_read_ahead()

    async def _read_for_app(self, looks: bool) -> Message | None:
        """Read in the app's own task; return None where the app only looks and is not given what came."""
        self._asked = self._asked or not looks
        after_body = self._body_complete
        message = await self._read()
        if is_disconnect(message):
            self._leave()
            if not looks:
                await self._let_operations_end()
        elif looks:
            self._hold(message, after_body)
            if after_body:
                await checkpoint()  # raises: a server may send empty messages for ever
            return None
        return message

    async def _watch(self) -> None:
        """Read until the client has left or the server fails. Runs in a task of its own."""
        while self._disconnect is None and not self.over:
            if self._reading or not self._may_read_ahead():
                await self._wait_for_news()
                continue
            after_body = self._body_complete
            try:
                message = await self._read()
            except Exception as error:
                self._error = error
                return
            if is_disconnect(message):
                self._leave()
                return
            self._hold(message, after_body)
            if after_body:
                await anyio.sleep(BACKOFF)

    def _leave(self) -> None:
        """Note that the client has left, and tell everybody, unless the response is complete."""
        if self.over:
            return
        self.left = True
        self._scope[STATUS_KEY] = answer_to(CancelationReason.DISCONNECT).status
        self.end_operations(CancelationReason.DISCONNECT, MESSAGE + name_of_close(self._disconnect))

    def end_operations(self, reason: CancelationReason, message: str) -> bool:
        """Cancel the token of the request, also where it is asked for later; on its loop.

        Returns:
            Whether somebody listens to it.
        """
        self._ended = self._ended or (reason, message)
        if self._token is None:
            return False
        listened = has_listeners(self._token)
        self._token.cancel_sync(reason, message)
        return listened

    async def _let_operations_end(self) -> None:
        if self.left and self._token is not None:
            await anyio.sleep(GRACE)
            await _be_interrupted()  # a loop that was busy all the time gives them no turn before

    async def _let_close_be_read(self) -> None:
        """Give the watch of a web socket a moment to read the close code, which the error of a send does not tell."""
        if self._watcher is None or self._http:
            return
        with anyio.move_on_after(GRACE):
            while self._disconnect is None:
                await self._wait_for_news()

    @property
    def disconnect(self) -> Message | None:
        """What the server said when the client had left."""
        return self._disconnect if self.left else None

    def _start(self) -> None:
        if self._watcher is None and not self.over:
            self._watcher = start_beside(self._loop, self._watch, "watch for the client leaving")

    def resume(self, send: Send) -> None:
        """Watch again after `stop`, because a response follows, which is sent through this."""
        self._send = send
        self.over = False
        if self._disconnect is not None:
            self._leave()
        self.token()

    async def stop(self) -> None:
        """Stop watching; messages are still passed on. Returns when nothing of the monitor runs any more."""
        self.over = True
        if self._watcher is not None:
            watcher, self._watcher = self._watcher, None
            await watcher.stop()

    def close(self) -> Awaitable[None] | None:
        """Let go of the scope, which holds this, and of the server, which holds the scope; return what is left to do.

        A request that refers to itself would wait for a pass of the garbage collector, with all that it holds.
        """
        self.over = True
        self._scope = {}
        self._receive = self._send = _refuse
        if self._disconnect is None:
            self._disconnect = HTTP_DISCONNECT if self._http else WEBSOCKET_DISCONNECT
        return None if self._watcher is None else self.stop()


async def _be_interrupted() -> None:
    """Give way to the cancellation of an operation that runs this, so that it ends for its own reason."""
    operation: Any = current_operation()
    while operation is not None:
        if operation.cancel_requested:
            await checkpoint()
            return
        operation = operation.parent


async def _refuse(*_: object) -> Any:
    raise RuntimeError("this request is over: the app has returned")


def _runs_here(loop: Loop) -> bool:
    """Tell whether this code runs on the loop, and not in a thread or on another one."""
    try:
        return current_loop() is loop
    except anyio.NoEventLoopError:
        return False
