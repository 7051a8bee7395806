"""What a user writes to end operations by an event of their own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from .reason import CancelationReason

Fire = Callable[["str | None"], object]
Disarm = Callable[[], object]


class CancelationSource:
    """Ends an operation when something happens. A source of your own is one coroutine.

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

    @abstractmethod
    async def wait(self) -> str | None:
        """Return when the operation should end, with a message for its record.

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
