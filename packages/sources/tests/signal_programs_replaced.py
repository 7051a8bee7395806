"""Programs whose handlers come and go in between; see `test_signal_replaced.py`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any

import anyio

from hother.cancelable import Cancelable
from hother.cancelable.sources import SignalSource

from .signal_running import is_ended, say, send

CHECKED = signal.SIGUSR1


def _operation() -> Cancelable:
    return Cancelable.with_signal(CHECKED, move_on=True)


async def overlapping() -> None:
    """Enter and leave operations in an order that is not that of brackets."""
    calls: list[int] = []

    def handler(number: int, frame: object) -> None:
        calls.append(number)

    signal.signal(CHECKED, handler)
    first, second, third = (_operation() for _ in range(3))
    leave = [anyio.Event() for _ in range(3)]

    async def hold(operation: Cancelable, event: anyio.Event) -> None:
        async with operation:
            await event.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(hold, first, leave[0])
        await anyio.wait_all_tasks_blocked()
        group.start_soon(hold, second, leave[1])
        await anyio.wait_all_tasks_blocked()
        leave[0].set()
        await anyio.wait_all_tasks_blocked()
        group.start_soon(hold, third, leave[2])
        await anyio.wait_all_tasks_blocked()
        assert first.is_completed
        assert signal.getsignal(CHECKED) is not handler
        leave[2].set()
        await anyio.wait_all_tasks_blocked()
        send(CHECKED)
    assert third.is_completed
    assert second.is_cancelled
    assert signal.getsignal(CHECKED) is handler
    assert calls == [CHECKED]


async def replaced() -> None:
    """Install a handler while an operation waits, and keep it; then one around operations, as a server does."""
    calls: list[str] = []

    def handler(number: int, frame: object) -> None:
        calls.append("program")

    async with _operation() as outer:
        former = signal.signal(CHECKED, handler)
        await is_ended(_operation(), CHECKED)
        assert signal.getsignal(CHECKED) is handler
        assert calls == ["program"]
        signal.signal(CHECKED, former)
        assert not outer.cancel_requested
        send(CHECKED)
        await anyio.sleep_forever()
    assert outer.is_cancelled
    assert calls == ["program"]
    assert signal.getsignal(CHECKED) is signal.SIG_DFL
    async with _operation():
        signal.signal(CHECKED, handler)
    assert signal.getsignal(CHECKED) is handler
    await is_ended(_operation(), CHECKED)
    send(CHECKED)
    assert calls == ["program"] * 3


def replaced_until_the_loop_closes(run: Callable[[Any], None]) -> None:
    """Install a handler while an operation waits; the loop takes none away when it closes."""

    def handler(number: int, frame: object) -> None:
        say("called")

    async def main() -> None:
        async with _operation():
            signal.signal(CHECKED, handler)

    run(main)
    assert signal.getsignal(CHECKED) is handler
    send(CHECKED)


async def raising() -> None:
    """Have a handler that raises: the exception comes out, and the operations have been told."""

    def handler(number: int, frame: object) -> None:
        raise KeyError(number)

    signal.signal(CHECKED, handler)
    async with _operation() as operation:
        try:
            send(CHECKED)
        except KeyError:
            await anyio.sleep_forever()
    assert operation.is_cancelled
    assert signal.getsignal(CHECKED) is handler


async def from_c() -> None:
    """Wait for a signal that has a handler from C: under `-X dev` that is SIGABRT."""
    assert signal.getsignal(signal.SIGABRT) is None
    for numbers in ((signal.SIGABRT,), (CHECKED, signal.SIGABRT)):
        try:
            async with Cancelable.with_source(SignalSource(*numbers)):
                raise AssertionError
        except RuntimeError as error:
            assert "SIGABRT has a handler that was not installed from Python" in str(error), error
    assert signal.getsignal(signal.SIGABRT) is None
    assert signal.getsignal(CHECKED) is signal.SIG_DFL


async def at_every_moment() -> None:
    """Have signals come at every step of the entry and the exit: each is heard by the program's handler, once."""
    calls: list[int] = []
    at, steps = 0, 1

    def handler(number: int, frame: object) -> None:
        calls.append(number)

    def trace(frame: Any, event: str, arg: object) -> Any:
        nonlocal steps
        if not frame.f_code.co_filename.endswith(("hub.py", "waking.py")) or frame.f_code.co_name in {
            "handle",
            "_post",
        }:
            return None
        frame.f_trace_opcodes = True
        if event in {"opcode", "line"}:  # Python 3.12 may leave out the former
            steps += 1
            if steps == at:
                signal.raise_signal(CHECKED)
        return trace

    signal.signal(CHECKED, handler)
    while steps >= at:
        at, steps = at + 1, 0
        sys.settrace(trace)
        async with _operation():
            pass
        sys.settrace(None)
        assert signal.getsignal(CHECKED) is handler
    assert at > 30
    assert len(calls) == at - 1
