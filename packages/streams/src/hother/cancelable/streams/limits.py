"""How long a stream may wait: for each item, and in all. Time that its consumer takes does not count."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import ClassVar, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from hother.cancelable import CancelationReason, CancelationSource, Cause, Fire
from hother.cancelable.core import Disarm, current_backend, post

from .gate import PauseGate

T = TypeVar("T")


class Limits(CancelationSource):
    """Ends the operation of a stream that waits for too long; a source of that operation."""

    reason: ClassVar[CancelationReason] = CancelationReason.TIMEOUT

    def __init__(self, timeout: float | None, item_timeout: float | None, gate: PauseGate | None) -> None:
        self._timeout = timeout
        self._left = math.inf if timeout is None else timeout
        self._item_timeout = math.inf if item_timeout is None else item_timeout
        self._gate = gate
        self._fire: Fire | None = None

    async def wait(self) -> None:
        """Wait for ever: a stream arms this."""
        await anyio.sleep_forever()

    def arm(self, fire: Fire) -> Disarm:
        """Keep the means to end the operation."""
        self._fire = fire
        return self._forget

    def around(self, advance: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
        """Return a function that awaits as `advance` does, within the limits."""

        async def limited() -> T:
            in_all = self._left <= self._item_timeout
            clock = _Clock(self._left if in_all else self._item_timeout)
            with _following(self._gate, clock):
                try:
                    with clock.scope:
                        return await advance()
                finally:
                    self._left -= clock.elapsed()
            assert self._fire is not None  # armed as long as the operation runs
            self._fire.now(self._waited_in_all() if in_all else self._waited_for_an_item())
            await checkpoint()
            raise AssertionError("an operation that has timed out goes no further")

        return limited

    def _waited_in_all(self) -> Cause:
        return Cause(self.reason, f"waited for {self._timeout:g} s in all", "timeout")

    def _waited_for_an_item(self) -> Cause:
        return Cause(self.reason, f"no item within {self._item_timeout:g} s", "item_timeout")

    def _forget(self) -> None:
        self._fire = None


class _Clock:
    """Measures one wait and cuts it off; stands still while a gate is closed."""

    def __init__(self, limit: float) -> None:
        self._backend, self.loop, _ = current_backend()
        self._since = self._now()
        self._elapsed = 0.0
        self._limit = limit
        self.scope = anyio.CancelScope(deadline=self._since + limit)

    def elapsed(self) -> float:
        """Return how long it has run, in seconds."""
        return self._elapsed + max(self._now() - self._since, 0.0)

    def hold(self) -> None:
        """Stand still."""
        self._set(math.inf)

    def go_on(self) -> None:
        """Run on."""
        self._set(self._now())

    def _now(self) -> float:
        return self._backend.now(self.loop)  # anyio cannot always tell the loop in what was posted by a thread

    def _set(self, since: float) -> None:
        self._elapsed = self.elapsed()
        self._since = since
        self.scope.deadline = since + self._limit - self._elapsed


@contextmanager
def _following(gate: PauseGate | None, clock: _Clock) -> Generator[None]:
    """Have a clock stand still while a gate is closed."""
    if gate is None:
        yield
        return

    def follow() -> None:  # looks at the gate on the loop: threads may overtake each other on their way there
        if gate.is_paused:
            clock.hold()
        else:
            clock.go_on()

    stop = gate.listen(lambda: post(clock.loop, follow))
    if gate.is_paused:
        clock.hold()
    try:
        yield
    finally:
        stop()
