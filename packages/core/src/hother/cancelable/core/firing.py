"""What an armed source holds of its operation: the means to end it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .backend import current_loop
from .cause import Cause
from .loops import Loop
from .reason import CancelationReason
from .seconds import positive_seconds
from .source import CancelationSource, name_of_source

if TYPE_CHECKING:
    from .sourcing import RunningSources


class Fire:
    """Ends the operation of a source: called with a message, or with the whole record. Only the first call counts.

    It may be called from any thread and from a signal handler; the operation's event loop is woken.
    """

    __slots__ = ("_running", "_source", "_then")

    def __init__(
        self, running: RunningSources, source: CancelationSource, then: Callable[[Cause], object] | None
    ) -> None:
        self._running = running
        self._source = source
        self._then = then

    @property
    def is_over(self) -> bool:
        """Whether the operation was told to stop already, by whatever it was."""
        return self._running.operation._token.is_cancelled

    @property
    def entered_at(self) -> float:
        """When the operation was entered, in seconds on the clock of its event loop."""
        return self._running.operation._started_at

    def __call__(self, outcome: str | Cause | None = None) -> None:
        self._tell(self._cause(outcome), None)

    def now(self, outcome: str | Cause | None = None) -> None:
        """Do the same at once: on the operation's event loop, and never in a signal handler.

        Args:
            outcome: The message, or the whole record.
        """
        self._tell(self._cause(outcome), current_loop())

    def fail(self, error: BaseException) -> None:
        """End the operation with the reason ERROR, because the source is broken.

        Args:
            error: What broke it; the `__cause__` of the exception that leaves the operation.
        """
        self._tell(self._failure(error), None)

    def set_deadline(self, seconds: float) -> bool:
        """Have the operation time out so long after its entry, if it does not do so earlier; this takes no task.

        Args:
            seconds: How long the operation may take.

        Returns:
            False, and nothing is done, where this source ends the operation only together with others.

        Raises:
            TypeError: If it is no number.
            ValueError: If it is zero, negative or NaN.
        """
        seconds = positive_seconds(seconds, "seconds")
        if self._then is None:
            self._running.operation._shorten(seconds)
        return self._then is None

    def watch(self, source: CancelationSource, then: Callable[[Cause], object] | None = None) -> None:
        """Have a further source watched until the operation ends. For sources made of sources, while they are armed.

        Args:
            source: The source.
            then: Called from any thread when it fires, or breaks (reason ERROR). Unless given, that counts as if this
                source had done so.

        Raises:
            RuntimeError: If the source is in use already, or after the arming.
            ValueError: If this operation has it already.
        """
        self._running.watch(source, self._then if then is None else then)

    def _tell(self, cause: Cause, here: Loop | None) -> None:
        if self._then is None:
            self._running.request(cause, here)
        else:
            self._then(cause)

    def _cause(self, outcome: object) -> Cause:
        if isinstance(outcome, Cause):
            return outcome
        if outcome is None or isinstance(outcome, str):
            return Cause(self._source.reason, outcome, name_of_source(self._source))
        return self._failure(TypeError(f"a source gives a message or None, not {outcome!r}"))

    def _failure(self, error: BaseException) -> Cause:
        name = name_of_source(self._source)
        return Cause(CancelationReason.ERROR, f"{name} failed: {error!r}", name, error=error)
