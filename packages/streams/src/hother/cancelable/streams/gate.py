"""Holding streams between two items."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from hother.cancelable import CancelationToken
from hother.cancelable.core import logger

T = TypeVar("T")

_RESUMED = "cancelled when the streams go on"


class PauseGate:
    """Holds any number of streams between two items, and lets them go on.

    Every method may be called from any thread and from signal handlers. An item that is on its way when the gate is
    closed still arrives; the next one is not asked for before `resume`.

    Example:
        ```python
        import anyio

        from hother.cancelable.streams import PauseGate, cancelable_stream, simulate_stream


        async def main() -> None:
            gate = PauseGate()
            gate.pause()
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.to_thread.run_sync, gate.resume)
                async for piece in cancelable_stream(simulate_stream("once more"), gate=gate):
                    print(piece)
                    #> once more


        anyio.run(main)
        ```
    """

    def __init__(self) -> None:
        self._closed: dict[str, CancelationToken] = {}  # setdefault and pop are atomic
        self._listeners: dict[Callable[[], object], None] = {}

    @property
    def is_paused(self) -> bool:
        """Whether streams are held."""
        return bool(self._closed)

    def pause(self) -> None:
        """Hold the streams from their next items on."""
        resumed = CancelationToken()
        if self._closed.setdefault(_RESUMED, resumed) is resumed:
            self._tell()

    def resume(self) -> None:
        """Let the streams go on."""
        resumed = self._closed.pop(_RESUMED, None)
        if resumed is not None:
            resumed.cancel_sync()  # first of all, whatever the listeners do
            self._tell()

    async def wait(self) -> None:
        """Wait until streams are not held; return at once if they are not."""
        while (resumed := self._closed.get(_RESUMED)) is not None:
            await resumed.wait_for_cancel()

    def around(self, advance: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
        """Return a function that waits for the gate and then awaits as `advance` does."""

        async def held() -> T:
            await self.wait()
            return await advance()

        return held

    def listen(self, listener: Callable[[], object]) -> Callable[[], object]:
        """Call `listener` after each change, for example to show a pause or to act on it.

        It is called without arguments, in the thread or signal handler that calls `pause` or `resume`, and should
        return soon; what it is to know is in `is_paused`. When streams go on they may do so before it is called. An
        exception of it is logged and stops no other listener.

        Args:
            listener: A plain function. The same one is called once, however often it was given.

        Returns:
            A function that ends this.
        """
        self._listeners[listener] = None
        return lambda: self._listeners.pop(listener, None)

    def _tell(self) -> None:
        for listener in list(self._listeners):
            try:
                listener()
            except Exception:
                logger.exception("listener %r of a gate failed", listener)
