"""Which threads do something, and which are workers of a pool that wait for their next job."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Collection, Iterator
from types import FrameType


def working_threads(known: Collection[threading.Thread]) -> list[threading.Thread]:
    """Return the threads that do something: workers with a job, and all others that are not known.

    Args:
        known: Threads that were there before and do not count, unless they are workers of a pool.
    """
    alive = threading.enumerate()
    if len(alive) == 1:
        return []
    here = threading.current_thread()
    return [thread for thread in alive if thread is not here and _works(thread, known)]


def _works(thread: threading.Thread, known: Collection[threading.Thread]) -> bool:
    jobs = getattr(thread, "queue", None)
    if isinstance(jobs, queue.Queue) and type(thread).__module__.startswith("anyio."):
        return jobs.unfinished_tasks > 0
    pool = getattr(getattr(thread, "_target", None), "__module__", None)
    if pool == "trio._core._thread_cache":
        return not thread.name.startswith("Trio thread ")  # named after its job
    if pool == "concurrent.futures.thread":
        return any(
            frame.f_code.co_name == "run" and frame.f_globals.get("__name__") == pool for frame in _frames(thread)
        )
    return thread not in known


def _frames(thread: threading.Thread) -> Iterator[FrameType]:
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        yield frame
        frame = frame.f_back
