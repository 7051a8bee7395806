"""Virtual time for asyncio and trio, behind one name."""

from __future__ import annotations

import asyncio
import functools
import math
import sys
from collections.abc import Callable
from typing import Any


def virtual_clock(backend: str = "asyncio", *, eager: bool = False, idle_for: float = 0.0) -> dict[str, Any]:
    """Return the options with which anyio runs a program on a clock that jumps instead of waiting.

    The clock starts at 0. When nothing can run any more it moves to the next timer or deadline at once, so an hour of
    waiting takes no time, and always the same number of steps. Only the loop's clock is virtual: `time.monotonic` and
    `time.time` go on as they do.

    While a thread works that was started meanwhile, or that a task waits for, the clock goes on like a real one, so a
    timeout does not overtake the thread. Sockets and subprocesses are not seen like that: their answers may come too
    late, unless `idle_for` is long enough for them.

    Args:
        backend: "asyncio" or "trio". uvloop has its clock in C: test with asyncio's own loop.
        eager: Start asyncio's tasks eagerly (Python 3.12 and later).
        idle_for: How long nothing must have happened before the clock jumps, in real seconds.

    Returns:
        What `anyio.run` takes as `backend_options`, and `anyio_backend` in tests as the second part of its pair.

    Raises:
        ValueError: If the backend is another one, or `idle_for` is negative, infinite, NaN or no number, or eager tasks
            are asked for where there are none.

    Example:
        ```python
        import anyio

        from hother.cancelable.testing import virtual_clock


        async def main() -> None:
            await anyio.sleep(3600)
            print(f"{anyio.current_time():.0f} s later")
            #> 3600 s later
            #> 3600 s later


        for backend in ("asyncio", "trio"):
            anyio.run(main, backend=backend, backend_options=virtual_clock(backend))
        ```
    """
    if not isinstance(idle_for, (int, float)) or not 0 <= idle_for < math.inf:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"idle_for must be a finite number of seconds, zero or more, not {idle_for!r}")
    if backend == "asyncio":
        return {"loop_factory": _asyncio_factory(eager, idle_for)}
    if backend != "trio":
        raise ValueError(f"the backend must be 'asyncio' or 'trio', not {backend!r}: no other loop's clock can jump")
    if eager:
        raise ValueError("eager tasks are asyncio's: leave out eager=True for trio")
    from .clock_trio import new_clock

    return {"clock": new_clock(idle_for)}


def _asyncio_factory(eager: bool, idle_for: float) -> Callable[[], asyncio.AbstractEventLoop]:
    from .clock_asyncio import VirtualLoop

    if not eager:
        return functools.partial(VirtualLoop, idle_for)
    if sys.version_info < (3, 12):
        raise ValueError("eager tasks need Python 3.12 or later")

    def make() -> asyncio.AbstractEventLoop:
        loop = VirtualLoop(idle_for)
        loop.set_task_factory(asyncio.eager_task_factory)
        return loop

    return make
