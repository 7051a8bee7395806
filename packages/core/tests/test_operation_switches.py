"""A thread that reads an operation at whichever instruction of its entry, its end, or of the reading itself."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from hother.cancelable import Cancelable

from .interruptions import Interruption


def _read(operation: Cancelable) -> None:
    """Read all there is to read."""
    assert operation.context.id == operation.operation_id
    assert operation.remaining() > 0
    assert operation.deadline is None or operation.deadline > 0
    assert not operation.cancel_requested
    assert operation.token.cause is None
    assert operation.is_pending + operation.is_running + operation.is_completed == 1


@pytest.mark.parametrize("timeout", [None, 60])
@pytest.mark.parametrize("known", [False, True])
async def test_an_operation_that_is_read_while_it_is_entered(timeout: float | None, known: bool) -> None:
    """At each step of the entry the operation can be read as a whole, though a step earlier there was less of it."""
    at = 0
    while True:
        operation = Cancelable(timeout=timeout)
        if known:
            _read(operation)
        interruption = Interruption(at, lambda operation=operation: _read(operation))  # type: ignore[misc]
        with interruption:
            await operation.__aenter__()
        await operation.__aexit__(None, None, None)
        if not interruption.came:
            break
        at += 1
    assert at > 50


@pytest.mark.parametrize(
    "question",
    [lambda operation: operation.cancel_requested, lambda operation: operation.token.is_cancelled],
    ids=["operation", "token"],
)
async def test_an_operation_that_ends_while_a_thread_reads_it(question: Callable[[Cancelable], bool]) -> None:
    """A thread that is asking whether an operation with a deadline was cancelled when that ends gets an answer."""
    at, came = 0, True
    while came:
        async with Cancelable.with_timeout(60) as operation:
            reading = _Reading(operation, question, at)
            reading.wait_until_it_pauses()
        came = reading.finish()
        assert reading.answers == [False], at
        at += 1
    assert at > 10


class _Reading:
    """A thread that asks something, and pauses at a step of that."""

    def __init__(self, operation: Cancelable, question: Callable[[Cancelable], bool], at: int) -> None:
        self.operation = operation
        self.question = question
        self.answers: list[bool | BaseException] = []
        self._paused = threading.Event()
        self._go_on = threading.Event()
        self._interruption = Interruption(at, self._pause)
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def wait_until_it_pauses(self) -> None:
        assert self._paused.wait(20)

    def finish(self) -> bool:
        """Let it go on to its end; return whether it paused."""
        self._go_on.set()
        self._thread.join(20)
        return self._interruption.came

    def _pause(self) -> None:
        self._paused.set()
        assert self._go_on.wait(20)

    def _ask(self) -> None:
        try:
            with self._interruption:
                self.answers.append(self.question(self.operation))
        except Exception as error:
            self.answers.append(error)
        self._paused.set()
