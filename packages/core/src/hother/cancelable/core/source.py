"""What a user writes to end operations by an event of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from .cause import Cause
from .reason import CancelationReason
from .siblings import load

if TYPE_CHECKING:
    from .firing import Fire

Disarm = Callable[[], object]
"""What `arm` returns: called when the operation is left, it ends the watch."""


class CancelationSource:
    """Ends an operation when something happens. A source of your own is one coroutine.

    A source serves one operation at a time. `a | b` fires with the first of two sources, `a & b` when both have fired
    (package `hother-cancelable-sources`).

    Example:
        ```python
        import anyio

        from hother.cancelable import Cancelable, CancelationSource, ConditionCancelation


        class EventSource(CancelationSource):
            def __init__(self, event: anyio.Event) -> None:
                self.event = event

            async def wait(self) -> str | None:
                await self.event.wait()
                return "the event was set"


        async def main() -> None:
            event = anyio.Event()
            event.set()
            try:
                async with Cancelable.with_source(EventSource(event)):
                    await anyio.sleep(10)
            except ConditionCancelation as error:
                print(error.message)
                #> the event was set


        anyio.run(main)
        ```
    """

    reason: ClassVar[CancelationReason] = CancelationReason.CONDITION
    """The reason that the operation ends with."""

    name: str = ""
    """What the operation's record shows as origin; the name of the class, unless given."""

    async def wait(self) -> str | Cause | None:
        """Return when the operation should end, with a message for its record, or with the whole record.

        Runs in a task beside the operation's body and is cancelled when the body ends. An exception ends the operation
        with the reason ERROR, and is the cause. For a decorated async generator it starts anew for each item, so it
        should return at once for what has happened before; a source that must not miss anything has an `arm`.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a coroutine `wait`")

    def arm(self, fire: Fire) -> Disarm | None:
        """Start watching without a task, if this source can.

        Called on the operation's event loop when it is entered. A source that hears of its event by a callback
        overrides this, and no task is started for it.

        Args:
            fire: To be called with the message, from any thread; only the first call counts.

        Returns:
            A function that stops watching, called when the operation ends; or None to have `wait` run in a task.
        """
        return None

    def __or__(self, other: CancelationSource) -> CancelationSource:
        if not isinstance(other, CancelationSource):  # pyright: ignore[reportUnnecessaryIsInstance]
            return NotImplemented
        return _composite("AnyOfSource", "|", self, other)

    def __and__(self, other: CancelationSource) -> CancelationSource:
        if not isinstance(other, CancelationSource):  # pyright: ignore[reportUnnecessaryIsInstance]
            return NotImplemented
        return _composite("AllOfSource", "&", self, other)


def name_of_source(source: CancelationSource) -> str:
    """Return what records call a source."""
    return source.name or type(source).__name__


def require_distinct(sources: tuple[CancelationSource, ...]) -> None:
    """Refuse a source that is given twice.

    Raises:
        ValueError: If there is one.
    """
    seen: set[int] = set()
    for source in sources:
        if id(source) in seen:
            raise given_twice(source)
        seen.add(id(source))


def given_twice(source: CancelationSource) -> ValueError:
    """Return the error for a source that one operation gets at two places."""
    return ValueError(f"the source {name_of_source(source)} is given twice; make a source for each place")


def _composite(kind: str, operator: str, *parts: CancelationSource) -> CancelationSource:
    composite: CancelationSource = load(kind, f"`{operator}` between sources")(*parts)
    return composite
