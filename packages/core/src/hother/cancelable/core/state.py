"""What an operation is made of, and what can be read of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

from .cause import Cause
from .ids import new_id
from .observer import Observer, everywhere, process_wide
from .reason import CANCELLED, COMPLETED, PENDING, RUNNING
from .seconds import positive_seconds
from .source import CancelationSource, require_distinct
from .token import CancelationToken

if TYPE_CHECKING:
    from contextvars import Token
    from datetime import timedelta

    import anyio

    from .context import OperationContext
    from .loops import Backend, Loop, Timer
    from .operation import Cancelable
    from .parents import ParentLink
    from .sourcing import RunningSources


NO_SOURCES: Final[tuple[CancelationSource, ...]] = ()


class OperationState:
    """The parts of an operation and their reading; `Lifecycle` moves them, `Cancelable` is the whole."""

    __slots__ = (
        "__weakref__",
        "_backend",
        "_callback_timeout",
        "_callbacks",
        "_deadline",
        "_detached",
        "_ended_at",
        "_error",
        "_id",
        "_links",
        "_loop",
        "_metadata",
        "_move_on",
        "_name",
        "_observers",
        "_outcome",
        "_parent",
        "_previous",
        "_progress",
        "_running_sources",
        "_scope",
        "_sources",
        "_started_at",
        "_status",
        "_stuck_timer",
        "_task",
        "_timeout",
        "_timer",
        "_token",
        "_tokens",
        "_wall_time",
    )

    _backend: Backend
    _deadline: float
    _loop: Loop
    _previous: Token[Any]
    _started_at: float
    _wall_time: float

    def __init__(
        self,
        *,
        name: str | None = None,
        operation_id: str | None = None,
        parent: Cancelable | None = None,
        metadata: dict[str, Any] | None = None,
        timeout: float | timedelta | None = None,
        token: CancelationToken | None = None,
        sources: Sequence[CancelationSource] = NO_SOURCES,
        register_globally: bool = False,
        detached: bool = False,
        move_on: bool = False,
        callback_timeout: float | timedelta = 5.0,
    ) -> None:
        if parent is not None:
            require(OperationState, parent, "parent", "a Cancelable")
        if token is not None:
            require(CancelationToken, token, "token", "a CancelationToken")
        if name is not None:
            require(str, name, "name", "a string")
        if operation_id is not None:
            _require_id(operation_id)
        if metadata is not None:
            require(dict, metadata, "metadata", "a dict")
        self._name = name
        self._id = operation_id
        self._parent: OperationState | None = parent
        self._metadata = metadata
        self._timeout = None if timeout is None else positive_seconds(timeout, "timeout")
        self._token = CancelationToken()
        self._tokens: tuple[CancelationToken, ...] = () if token is None else (token,)
        self._sources: tuple[CancelationSource, ...] = () if sources is NO_SOURCES else _checked_sources(sources)
        self._observers: Sequence[Observer] = process_wide() if register_globally else everywhere
        self._detached = detached
        self._move_on = move_on
        self._callback_timeout = positive_seconds(callback_timeout, "callback_timeout")
        self._callbacks: dict[str, list[Callable[..., Any]]] | None = None
        self._progress: Callable[..., Any] | None = None
        self._status = PENDING
        self._scope: anyio.CancelScope | None = None
        self._task: Any = None
        self._timer: Timer | None = None
        self._stuck_timer: Timer | None = None
        self._links: tuple[ParentLink, ...] = ()
        self._running_sources: RunningSources | None = None
        self._ended_at: float | None = None
        self._outcome: Cause | None = None
        self._error: str | None = None

    @property
    def operation_id(self) -> str:
        """The operation's name for machines: unique across processes, unless it was given."""
        if self._id is None:
            self._id = self._token._once("operation id", new_id)
        return self._id

    @property
    def token(self) -> CancelationToken:
        """The operation's own token: it ends this operation and those below it, never one beside it."""
        return self._token

    @property
    def parent(self) -> Cancelable | None:
        """The operation that this one was entered in, or was made for."""
        return self._parent  # type: ignore[return-value]

    @property
    def context(self) -> OperationContext:
        """The record of this operation, kept up to date."""
        context: OperationContext | None = self._token._facts.get("context")
        if context is None:
            context = self._token._once("context", self._new_context)
            context._follow(self)  # the operation may have ended while a thread made the record
        return context

    @property
    def is_pending(self) -> bool:
        """Whether the operation was made and not entered yet."""
        return self._status is PENDING

    @property
    def is_running(self) -> bool:
        """Whether the operation was entered and not left yet."""
        return self._status is RUNNING

    @property
    def is_completed(self) -> bool:
        """Whether its body ran to the end."""
        return self._status is COMPLETED

    @property
    def is_cancelled(self) -> bool:
        """Whether it has ended because it was interrupted."""
        return self._status is CANCELLED

    @property
    def cancel_requested(self) -> bool:
        """Whether it was told to stop, also where that has not interrupted it, or never did."""
        return self._token.cause is not None

    @property
    def deadline(self) -> float | None:
        """When the operation times out, in seconds on the loop's clock; None without a timeout or before entry."""
        return self._deadline if self._timeout is not None and self._status is not PENDING else None

    def remaining(self) -> float:
        """Return how many seconds are left: infinity without a timeout, zero after it or after the end."""
        if self._timeout is None:
            return math.inf
        if self._status is PENDING:
            return self._timeout
        return max(self._deadline - self._backend.now(self._loop), 0.0) if self.is_running else 0.0

    def _label(self) -> str:
        return f"operation {self._name or self.operation_id!r}"

    def _new_context(self) -> OperationContext:
        from .context import OperationContext  # loading it takes as long as much of this package, and many ask for none

        context = OperationContext(
            self.operation_id, self._name, metadata={} if self._metadata is None else self._metadata
        )
        context._follow(self)
        return context

    def _refresh(self) -> None:
        """Bring the record up to date, if somebody has asked for it."""
        context: OperationContext | None = self._token._facts.get("context")
        if context is not None:
            context._follow(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an operation cannot be copied or pickled; its `context` can")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name or self.operation_id!r} {self._status.value}>"


def require(kind: type[object], value: object, name: str, article: str) -> None:
    """Refuse a value that is not of a kind.

    Raises:
        TypeError: If it is not.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {article}, not {value!r}")


def _require_id(operation_id: object) -> None:
    require(str, operation_id, "operation_id", "a string")
    if not operation_id:
        raise ValueError("operation_id must not be empty; leave it out to have one made")


def _checked_sources(sources: Sequence[CancelationSource]) -> tuple[CancelationSource, ...]:
    if not isinstance(sources, tuple):
        require(Iterable, sources, "sources", "a list of sources")
    listed = tuple(sources)
    for source in listed:
        require(CancelationSource, source, "source", "a CancelationSource")
    require_distinct(listed)
    return listed
