"""Waiting for the end of an operation of this process, on an event loop and in a thread."""

from __future__ import annotations

import threading

import anyio

from hother.cancelable.core import current_loop, post

from .entries import Entry
from .records import OperationRecord


class Flag:
    """Set from any thread or signal handler; waited for by one thread.

    A bare lock serves as the flag: `threading.Event.set` takes a lock that the thread it interrupts may hold.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Wake the one who waits."""
        try:
            self._lock.release()
        except RuntimeError:  # it is set already
            pass

    def wait(self, seconds: float | None) -> bool:
        """Wait so many seconds at most; whether the flag was set."""
        return self._lock.acquire(timeout=-1 if seconds is None else min(seconds, threading.TIMEOUT_MAX))


async def wait_for_end(entry: Entry, seconds: float) -> OperationRecord | None:
    """Wait for the end of an operation that runs on any loop, so many seconds at most."""
    loop, ended = current_loop(), anyio.Event()
    take_back = entry.when_ended(lambda _: post(loop, ended.set))
    try:
        with anyio.move_on_after(seconds):
            await ended.wait()
    finally:
        take_back()
    return entry.final


def wait_for_end_sync(entry: Entry, seconds: float) -> OperationRecord | None:
    """Do the same in a thread."""
    ended = Flag()
    take_back = entry.when_ended(lambda _: ended.set())
    try:
        ended.wait(seconds)
    finally:
        take_back()
    return entry.final


def refuse_on_loop(call: str, instead: str) -> None:
    """Refuse to block an event loop.

    Raises:
        RuntimeError: If one runs in this thread.
    """
    try:
        current_loop()
    except anyio.NoEventLoopError:
        return
    raise RuntimeError(f"{call} would block the running event loop; use {instead}")
