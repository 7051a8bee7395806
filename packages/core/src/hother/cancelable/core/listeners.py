"""What may wait on a token: callbacks, other tokens, tasks and threads; and how the news reaches them.

No lock is taken anywhere: a signal handler may run between any two lines here. What must happen once hangs on one
atomic operation of a dict: `setdefault` decides which request was first, `pop` decides who tells a listener.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, Self

import anyio

from .backend import current_loop
from .log import logger
from .loops import Loop, post

if TYPE_CHECKING:
    from .cause import Cause
    from .token import CancelationToken


class Deliverable(Protocol):
    """Something to be told on its own event loop."""

    def _deliver(self) -> None: ...


Outbox = dict[Loop, list[Deliverable]]
"""Who is to be told on which loop."""


class Listener(Protocol):
    """Something that waits for a token to be cancelled."""

    def _told(
        self, token: CancelationToken, cause: Cause, here: Loop | None, outbox: Outbox
    ) -> CancelationToken | None:
        """React on the loop `here`, else join the outbox; return a token that is cancelled with this one."""


NOBODY: Final[dict[Listener, bool]] = {}
"""The listeners of a token that has had none. Stays empty."""


def has_listeners(token: CancelationToken) -> bool:
    """Tell whether anybody would be told now: an operation that runs, a callback, a waiting task, a linked token."""
    return "operation" in token._facts or bool(token._facts.get("listeners"))


def propagate(token: CancelationToken, cause: Cause, here: Loop | None) -> None:
    """Tell everybody who waits on a token, and on the tokens linked to it, each exactly once.

    Args:
        token: The token that was cancelled.
        cause: Why.
        here: The loop that runs this, where its tasks may be told at once. None from threads and signal handlers,
            which post to the loop instead.
    """
    outbox: Outbox = {}
    cancelled = [token]
    interruption: BaseException | None = None
    for token in cancelled:  # it grows on the way
        facts = token._facts
        operation, others = facts.pop("operation", None), facts.get("listeners", NOBODY)
        for listener in (operation, *others):
            if listener is not None and (listener is operation or others.pop(listener, False)):
                try:
                    linked = listener._told(token, cause, here, outbox)
                except BaseException as error:  # a callback was interrupted: the others come first all the same
                    interruption = error
                    continue
                if linked is not None:
                    cancelled.append(linked)
    if outbox:
        post_all(outbox)
    if interruption is not None:
        try:
            raise interruption
        finally:
            del interruption


def deliver(receiver: Deliverable, loop: Loop, here: Loop | None, outbox: Outbox) -> None:
    """Tell something that lives on a loop: at once on that loop, from elsewhere through the outbox."""
    if loop is here:
        receiver._deliver()
    else:
        outbox.setdefault(loop, []).append(receiver)


def post_all(outbox: Outbox) -> None:
    """Have each loop tell those who live on it."""
    for loop, receivers in outbox.items():
        post(loop, _deliver_all, receivers)


def _deliver_all(receivers: list[Deliverable]) -> None:
    for receiver in receivers:
        receiver._deliver()


class Registration:
    """A callback that waits on a token, as returned by `CancelationToken.on_cancel`."""

    __slots__ = ("__weakref__", "_callback", "_token")

    def __init__(self, token: CancelationToken, callback: Callable[[CancelationToken], object]) -> None:
        self._token = weakref.ref(token)
        self._callback = callback

    def unregister(self) -> bool:
        """Take the callback off the token. Never waits.

        Returns:
            Whether this stopped the call. False where the callback has run, runs now, or was taken off before.
        """
        token = self._token()
        return token is not None and token._listeners.pop(self, False)

    def _told(self, token: CancelationToken, cause: Cause, here: Loop | None, outbox: Outbox) -> None:
        try:
            self._callback(token)
        except Exception:
            logger.exception("callback %r of a cancelled token failed", self._callback)


class Link(weakref.ref["CancelationToken"]):
    """Lets one token cancel another without keeping it alive."""

    __slots__ = ("_upstream",)

    def __new__(cls, downstream: CancelationToken, upstream: CancelationToken) -> Self:
        return super().__new__(cls, downstream, cls._forget)

    def __init__(self, downstream: CancelationToken, upstream: CancelationToken) -> None:
        super().__init__(downstream, Link._forget)  # type: ignore[call-arg]
        self._upstream = weakref.ref(upstream)

    def _forget(self) -> None:
        upstream = self._upstream()
        if upstream is not None:
            upstream._listeners.pop(self, False)

    def _told(
        self, token: CancelationToken, cause: Cause, here: Loop | None, outbox: Outbox
    ) -> CancelationToken | None:
        downstream = self()
        return downstream if downstream is not None and downstream._record(cause) else None


class TaskWaiter:
    """A task that waits, on any loop."""

    __slots__ = ("_loop", "event")

    def __init__(self) -> None:
        self._loop = current_loop()
        self.event: anyio.Event = anyio.Event()

    def wake(self) -> None:
        """Wake the task, from any thread."""
        post(self._loop, self.event.set)

    def _told(self, token: CancelationToken, cause: Cause, here: Loop | None, outbox: Outbox) -> None:
        deliver(self, self._loop, here, outbox)

    def _deliver(self) -> None:
        self.event.set()


class ThreadWaiter:
    """A thread that waits.

    A bare lock serves as the flag: `threading.Event.set` takes a lock that the thread it interrupts may hold.
    """

    __slots__ = ("_flag",)

    def __init__(self) -> None:
        self._flag = threading.Lock()
        self._flag.acquire()

    def wait(self, timeout: float | None) -> bool:
        """Wait for the flag, in seconds or for as long as it takes; return whether it came."""
        return self._flag.acquire(timeout=-1 if timeout is None else min(timeout, threading.TIMEOUT_MAX))

    def _told(self, token: CancelationToken, cause: Cause, here: Loop | None, outbox: Outbox) -> None:
        self._flag.release()
