"""How an operation hears that it should stop: what it listens to, its deadline, and the interruption itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from . import stuck
from .cause import Cause
from .listeners import Outbox, propagate
from .loops import Loop, Timer, post
from .observer import notify
from .parents import link_to_ancestors, may_enclose
from .reason import CancelationReason
from .state import OperationState

if TYPE_CHECKING:
    from .token import CancelationToken


class Listening(OperationState):
    """An operation that is told to stop."""

    __slots__ = ()

    def _connect(self) -> None:
        """Have everything above that can end this operation tell it, and hear what it has said already."""
        self._refresh()
        for token in self._tokens:
            token._listen(self, self._loop)
        if self._parent is not None and not may_enclose(self._parent, self):
            link_to_ancestors(self)
        if (cause := self._token.cause) is not None:
            propagate(self._token, cause, self._loop)

    def _disconnect(self) -> None:
        """Take back every registration and timer."""
        if self._timer is not None:
            if self._scope is not None and self._scope.cancel_called:
                self._expire()  # trio has told the scope alone
            self._stop_timer()
        self._token._facts.pop("operation", None)
        for token in self._tokens:
            if listeners := token._facts.get("listeners"):  # an empty dict may be slow: thousands leave traces in it
                listeners.pop(self, None)
        if self._links:
            for link in self._links:
                link.remove()
            self._links = ()
        if self._stuck_timer is not None:
            self._stuck_timer.cancel()
            self._stuck_timer = None

    def _abandon(self) -> None:
        """Give up interrupting the body, which goes on: only its own task can close what that has opened."""
        timers = [timer for timer in (self._timer, self._stuck_timer) if timer is not None]
        self._timer = self._stuck_timer = None
        self._disconnect()
        if not post(self._loop, self._abandon_here, timers) and self._running_sources is not None:
            self._running_sources.abandon()

    def _abandon_here(self, timers: list[Timer]) -> None:
        """Do what must be done on the operation's own loop."""
        for timer in timers:
            timer.cancel()
        self._lift_deadline()
        if self._running_sources is not None:
            self._running_sources.abandon()

    def _told(
        self, token: CancelationToken, cause: Cause, here: Loop | None, outbox: Outbox
    ) -> CancelationToken | None:
        own = self._token
        if token is not own:
            facts = own._facts  # what follows is `_record`: one token may have thousands of operations
            if ("settle" in facts and own.is_cancelled) or facts.setdefault("cause", cause) is not cause:
                return None
            if "listeners" in facts or facts.pop("operation", None) is None:
                return own  # somebody else waits for it, too
        if self._observers:
            notify(self, "cancel_requested", cause)
        if self._loop is here:  # as `deliver` does; most requests take this path
            self._deliver()
        else:
            outbox.setdefault(self._loop, []).append(self)
        return None

    def _deliver(self) -> None:
        """Interrupt the body; runs on the operation's loop."""
        facts = self._token._facts
        if self._scope is None:
            return
        cause: Cause = facts["cause"]
        self._scope.cancel(cause.message)
        if "context" in facts:
            self._refresh()
        if stuck.limit is not None:
            stuck.watch(self)
        if self._observers:
            notify(self, "cancel_delivered")

    def _set_deadline(self, when: float) -> None:
        self._stop_timer()
        self._deadline = when
        self._timer = self._backend.set_deadline(self, when)

    def _shorten(self, timeout: float) -> None:
        when = self._started_at + timeout
        if self._timeout is None or when < self._deadline:
            self._timeout = timeout
            self._set_deadline(when)

    def _lift_deadline(self) -> None:
        self._timeout = None
        self._stop_timer()
        if self._scope is not None:
            self._scope.deadline = math.inf

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._request_timeout(self._loop)

    def _request_timeout(self, here: Loop | None) -> None:
        elapsed = self._deadline - self._started_at
        message = f"not done within {elapsed:g} s"
        self._token._request(Cause(CancelationReason.TIMEOUT, message, "timeout", self._deadline), here)
