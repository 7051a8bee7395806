"""Running the sources of an operation beside its body."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio

from .backend import native_cancel_requests
from .cause import Cause, whereabouts
from .log import logger
from .reason import CancelationReason
from .source import CancelationSource, Disarm

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from .state import OperationState


class RunningSources:
    """The sources of an operation, from its start to its end."""

    __slots__ = ("_disarms", "_group", "_operation", "_scopes", "_waiting")

    def __init__(self, operation: OperationState) -> None:
        self._operation = operation
        self._disarms: list[Disarm] = []
        self._group: TaskGroup | None = None
        self._scopes: list[anyio.CancelScope] = []
        self._waiting: list[CancelationSource] = []

    async def start(self) -> None:
        """Arm each source, or start its task inside the operation's scope.

        Raises:
            Exception: What the `arm` of a source raised.
        """
        for source in self._operation._sources:
            disarm = source.arm(lambda message, source=source: self._fire(source, message))  # type: ignore[misc]
            if disarm is None:
                self._waiting.append(source)
            else:
                self._disarms.append(disarm)
        await self.start_tasks()

    async def stop(self) -> None:
        """Disarm them and wait for the end of their tasks."""
        for disarm in self._disarms:
            try:
                disarm()
            except Exception:
                logger.exception("%s could not stop watching", self._operation._label())
        self._disarms.clear()
        await self.stop_tasks()

    async def start_tasks(self) -> None:
        """Start a task for each source that could not be armed."""
        for source in self._waiting:
            if self._group is None:
                self._group = await anyio.create_task_group().__aenter__()
            scope = anyio.CancelScope(shield=True)  # only `stop` ends it: a task that ends by itself leaves no cycle
            self._scopes.append(scope)
            self._group.start_soon(self._wait, source, scope, name=f"{self._operation._label()}: {_name(source)}")

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

    async def _wait(self, source: CancelationSource, scope: anyio.CancelScope) -> None:
        with scope:
            try:
                message = await source.wait()
            except Exception as error:
                self._break(source, error)
            except asyncio.CancelledError as error:
                if native_cancel_requests():
                    raise
                self._break(source, error)  # what it awaited was cancelled, not the source
            else:
                self._fire(source, message)

    def _break(self, source: CancelationSource, error: BaseException) -> None:
        message = f"{_name(source)} failed: {error!r}"
        self._request(Cause(CancelationReason.ERROR, message, _name(source), error=error))

    def _fire(self, source: CancelationSource, message: str | None) -> None:
        self._request(Cause(source.reason, message, _name(source)))

    def _request(self, cause: Cause) -> None:
        _, now, here = whereabouts()
        self._operation._token._request(cause._replace(time=now), here)


def _name(source: CancelationSource) -> str:
    return source.name or type(source).__name__
