"""Tokens: requests to stop that can be handed around, between tasks, loops, threads and signal handlers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

from .backend import current_loop, in_event_loop
from .cause import Cause, requested
from .exceptions import BY_REASON
from .ids import new_id
from .listeners import Link, Listener, Registration, TaskWaiter, ThreadWaiter, propagate
from .loops import Loop
from .reason import CancelationReason

T = TypeVar("T")

SEALED: Final = Cause(CancelationReason.EXTERNAL, "the operation of this token has ended")
"""Stands for the request that will never be made. Nobody sees it."""


class CancelationToken:
    """A request to stop that can be handed around.

    Give it to any number of operations, tasks and threads; `cancel` it once, from wherever. The first request counts:
    its reason, message and origin are kept, and later ones change nothing.

    Every method is safe in any thread and in a signal handler, takes no lock, and works before, during and after the
    life of any event loop.

    Example:
        ```python
        import anyio

        from hother.cancelable import Cancelable, CancelationToken, ManualCancelation


        async def main() -> None:
            token = CancelationToken()
            token.cancel_sync("the user closed the window")
            try:
                async with Cancelable.with_token(token):
                    await anyio.sleep(10)
            except ManualCancelation as error:
                print(error.message)
                #> the user closed the window


        anyio.run(main)
        ```
    """

    __slots__ = ("__weakref__", "_facts")

    def __init__(self) -> None:
        self._facts: dict[str, Any] = {}  # what is known of it, and who waits; each step on it is atomic

    @classmethod
    def any_of(cls, *tokens: CancelationToken) -> CancelationToken:
        """Return a new token that is cancelled as soon as one of `tokens` is, with its reason.

        Nothing holds it but those who use it: keep it as long as its callbacks matter.

        Raises:
            ValueError: Without any token.
            TypeError: If one of them is no token.
        """
        if not tokens:
            raise ValueError("any_of() needs at least one token")
        token = cls()
        token.link(*tokens)
        return token

    @property
    def id(self) -> str:
        """A name for the token that is unique across processes; made when it is first asked for."""
        return self._once("id", new_id)

    @property
    def cause(self) -> Cause | None:
        """The first request to stop, or None so far."""
        cause: Cause | None = self._facts.get("cause")
        if cause is None and (settle := self._facts.get("settle")) is not None:
            settle()
            cause = self._facts.get("cause")
        return None if cause is SEALED else cause

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has asked to stop."""
        return self.cause is not None

    @property
    def reason(self) -> CancelationReason | None:
        """Why, or None so far."""
        return cause.reason if (cause := self.cause) else None

    @property
    def message(self) -> str | None:
        """What the caller had to say."""
        return cause.message if (cause := self.cause) else None

    @property
    def origin(self) -> str | None:
        """The name of the source, operation, task or thread that asked."""
        return cause.origin if (cause := self.cause) else None

    async def cancel(
        self, reason: CancelationReason | str = CancelationReason.MANUAL, message: str | None = None
    ) -> bool:
        """Ask everybody on this token to stop; operations of this loop have been told when it returns.

        This is no checkpoint: the caller goes on, even inside the operation that it cancels.

        Args:
            reason: Why. A plain string is taken as the message of a manual request.
            message: What to tell those who stop.

        Returns:
            Whether this call was the first.

        Raises:
            TypeError: If an argument has the wrong type.
        """
        cause, here = requested(reason, message)
        return self._request(cause, here)

    def cancel_sync(
        self, reason: CancelationReason | str = CancelationReason.MANUAL, message: str | None = None
    ) -> bool:
        """Do the same from any thread or signal handler: it never waits, each loop tells its own operations soon.

        Args:
            reason: Why. A plain string is taken as the message of a manual request.
            message: What to tell those who stop.

        Returns:
            Whether this call was the first.

        Raises:
            TypeError: If an argument has the wrong type.
        """
        cause, _ = requested(reason, message)
        return self._request(cause, None)

    def check(self) -> None:
        """Raise if somebody has asked to stop.

        Raises:
            CancelationError: The class that belongs to the reason.
        """
        if (cause := self.cause) is not None:
            error = BY_REASON[cause.reason](cause.message)
            error._request = cause
            try:
                raise error
            finally:
                del error  # or the exception would find itself in this frame

    async def wait_for_cancel(self) -> None:
        """Wait until somebody asks to stop, on any loop, without polling."""
        waiter = TaskWaiter()
        self._listen(waiter, current_loop())
        try:
            await waiter.event.wait()
        finally:
            self._listeners.pop(waiter, None)

    def wait_sync(self, timeout: float | None = None) -> bool:
        """Wait in a thread until somebody asks to stop, without polling.

        Args:
            timeout: How long to wait at most, in seconds; None waits for ever, 0 just looks.

        Returns:
            Whether the token is cancelled.

        Raises:
            RuntimeError: In the thread of a running event loop, which it would block: await `wait_for_cancel` there.
            ValueError: If the timeout is negative or NaN.
        """
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"the timeout must be zero or more seconds, not {timeout!r}")
        if in_event_loop():
            raise RuntimeError("wait_sync() would block the running event loop; use `await token.wait_for_cancel()`")
        waiter = ThreadWaiter()
        self._listen(waiter, None)
        try:
            waiter.wait(timeout)
        finally:
            self._listeners.pop(waiter, None)
        return self.is_cancelled

    def on_cancel(self, callback: Callable[[CancelationToken], object]) -> Registration:
        """Have a function called with this token when it is cancelled, exactly once; at once if it already is.

        It runs in the thread (or signal handler) that cancels, so it should be short. One that raises is logged and
        stops no other.

        Args:
            callback: A plain function of one argument.

        Returns:
            The registration, whose `unregister()` takes the callback off again.

        Raises:
            TypeError: If it cannot be called, or is a coroutine function.
        """
        if not callable(callback):
            raise TypeError(f"the callback must be callable, not {callback!r}")
        if inspect.iscoroutinefunction(callback):
            raise TypeError(
                f"{callback!r} is a coroutine function: a token has no loop to run it in; use Cancelable.on_cancel"
            )
        registration = Registration(self, callback)
        self._listen(registration, None)
        return registration

    def link(self, *others: CancelationToken) -> None:
        """Let this token be cancelled with any of `others`, with that one's reason.

        They do not keep it alive, and it keeps alive only those that are themselves linked to further ones.

        Raises:
            TypeError: If one of them is no token.
            ValueError: If one of them is this token.
        """
        for other in others:
            if not isinstance(other, CancelationToken):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"only a CancelationToken can be linked, not {other!r}")
            if other is self:
                raise ValueError("a token cannot be linked to itself")
        for other in others:
            if "upstream" in other._facts:
                self._hold(other)
            other._listen(Link(self, other), None)
            if "upstream" not in self._facts:
                self._once("upstream", list[CancelationToken])
                self._keep_for_dependents()

    @property
    def _listeners(self) -> dict[Listener, bool]:
        """Who waits, but for the operation that this is the own token of: it is a fact, since most have nobody else."""
        listeners: dict[Listener, bool] = self._facts.setdefault("listeners", {})
        return listeners

    def _keep_for_dependents(self) -> None:
        for listener in list(self._listeners):
            if isinstance(listener, Link) and (dependent := listener()) is not None:
                dependent._hold(self)

    def _hold(self, upstream: CancelationToken) -> None:
        self._once("upstream", list[CancelationToken]).append(upstream)

    def _once(self, key: str, make: Callable[[], T]) -> T:
        facts: dict[str, T] = self._facts
        return facts[key] if key in facts else facts.setdefault(key, make())

    def _record(self, cause: Cause) -> bool:
        if "settle" in self._facts and self.is_cancelled:
            return False  # a deadline that nobody has told of yet came first
        return self._facts.setdefault("cause", cause) is cause

    def _request(self, cause: Cause, here: Loop | None) -> bool:
        """Record a request and tell everybody, unless another one was first."""
        won = self._record(cause)
        if won:
            propagate(self, cause, here)
        return won

    def _listen(self, listener: Listener, here: Loop | None) -> None:
        """Have a listener told, now if there is something to tell."""
        facts = self._facts
        facts.setdefault("listeners", {})[listener] = True
        on_listen: Callable[[], None] | None = facts.get("on_listen")
        if on_listen is not None:
            on_listen()
        if self.is_cancelled:
            propagate(self, self._facts["cause"], here)

    def _seal(self) -> Cause | None:
        """Take no request any more, and return the one that was made in time."""
        cause: Cause = self._facts.setdefault("cause", SEALED)
        return None if cause is SEALED else cause

    def __reduce__(self) -> NoReturn:
        raise TypeError("a CancelationToken cannot be copied or pickled: nobody could cancel the copy")

    def __repr__(self) -> str:
        state = f"cancelled ({self.reason})" if self.is_cancelled else "not cancelled"
        return f"<CancelationToken {self.id} {state}>"


def request_cancel(token: CancelationToken, reason: CancelationReason, message: str | None, origin: str | None) -> bool:
    """Cancel a token in the name of somebody else, from any thread or signal handler; for those who pass requests on.

    As with `cancel_sync`, each loop tells its own operations soon.

    Args:
        token: The token.
        reason: Why.
        message: What the one who asked had to say.
        origin: Who asked, for the record; None names the task or thread that calls this.

    Returns:
        Whether this request was the first.
    """
    cause, _ = requested(reason, message)
    return token._request(cause if origin is None else cause._replace(origin=origin), None)
