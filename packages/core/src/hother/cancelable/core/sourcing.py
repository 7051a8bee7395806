"""Running the sources of an operation beside its body."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import anyio

from .backend import native_cancel_requests
from .cause import Cause, whereabouts
from .firing import Fire
from .log import logger
from .source import CancelationSource, Disarm, given_twice, name_of_source

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from .listening import Listening
    from .loops import Loop


class RunningSources:
    """The sources of an operation, from its start to its end."""

    __slots__ = ("_claimed", "_disarms", "_group", "_is_arming", "_scopes", "_waiting", "operation")

    def __init__(self, operation: Listening) -> None:
        self.operation: Listening = operation
        self._claimed: list[CancelationSource] = []
        self._disarms: list[Disarm] = []
        self._group: TaskGroup | None = None
        self._is_arming = True
        self._scopes: list[anyio.CancelScope] = []
        self._waiting: list[tuple[CancelationSource, Fire]] = []

    async def start(self) -> None:
        """Arm each source, or start its task inside the operation's scope.

        Raises:
            RuntimeError: If a source is in use already.
            Exception: What the `arm` of a source raised.
        """
        for source in self.operation._sources:
            self.watch(source, None)
        self._is_arming = False
        await self.start_tasks()

    def watch(self, source: CancelationSource, then: Callable[[Cause], object] | None) -> None:
        """Arm a source, or note that it needs a task; see `Fire.watch`."""
        name = name_of_source(source)
        if not self._is_arming:
            raise RuntimeError(f"the source {name} comes too late: a source has others watched while it is armed")
        fire = Fire(self, source, then)
        self._claim(source, fire)
        disarm = source.arm(fire)
        if disarm is None:
            self._waiting.append((source, fire))
        elif callable(disarm):
            self._disarms.append(disarm)
        else:
            if inspect.iscoroutine(disarm):
                disarm.close()
            raise TypeError(f"`arm` of {name} must be a plain function that returns one, or None, not {disarm!r}")

    def request(self, cause: Cause, here: Loop | None) -> None:
        """Tell the operation to stop: at once on the loop `here`, from elsewhere soon."""
        if not cause.time:
            cause = cause._replace(time=whereabouts()[1])
        self.operation._token._request(cause, here)

    async def stop(self) -> None:
        """Disarm them and wait for the end of their tasks."""
        try:
            self._disarm()
        finally:
            try:
                await self.stop_tasks()
            finally:
                self._release()

    def abandon(self) -> None:
        """Disarm them and tell their tasks to end, where nobody can wait for that."""
        self._disarm()
        for scope in self._scopes:
            scope.cancel()
        self._release()

    async def start_tasks(self) -> None:
        """Start a task for each source that could not be armed."""
        for source, fire in self._waiting:
            if self._group is None:
                self._group = await anyio.create_task_group().__aenter__()
            scope = anyio.CancelScope(shield=True)  # only `stop` ends it: a task that ends by itself leaves no cycle
            self._scopes.append(scope)
            name = f"{self.operation._label()}: {name_of_source(source)}"
            self._group.start_soon(_wait, source, fire, scope, name=name)

    async def stop_tasks(self) -> None:
        """Wait for the end of the tasks; what is armed stays armed."""
        for scope in self._scopes:
            scope.cancel()
        self._scopes.clear()
        if (group := self._group) is not None:
            self._group = None
            # Shielded and not cancelled itself, so that the end of the sources interrupts nothing of the body's.
            group.cancel_scope.shield = True
            await group.__aexit__(None, None, None)

    def _disarm(self) -> None:
        with ExitStack() as stack:  # so that one that exits the program stops no other
            while self._disarms:
                stack.callback(self._call, self._disarms.pop())

    def _call(self, disarm: Disarm) -> None:
        try:
            disarm()
        except Exception:
            logger.exception("%s could not stop watching", self.operation._label())

    def _claim(self, source: CancelationSource, fire: Fire) -> None:
        user: Fire = vars(source).setdefault("_used_by", fire)
        if user is fire:
            self._claimed.append(source)
        elif user._running is self:
            raise given_twice(source)
        else:
            raise RuntimeError(
                f"the source {name_of_source(source)} is used by {user._running.operation._label()}; it serves one "
                "operation at a time, so make a source for each"
            )

    def _release(self) -> None:
        self._waiting.clear()
        for source in self._claimed:
            vars(source).pop("_used_by", None)
        self._claimed.clear()


async def _wait(source: CancelationSource, fire: Fire, scope: anyio.CancelScope) -> None:
    with scope:
        try:
            outcome = await source.wait()
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # raised, it would leave as an exception group
            fire.fail(error)
        except asyncio.CancelledError as error:
            if native_cancel_requests():
                raise
            fire.fail(error)  # what it awaited was cancelled, not the source
        else:
            fire.now(outcome)
