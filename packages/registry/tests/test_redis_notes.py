"""What operations note for the thread, from anywhere and without waiting."""

from __future__ import annotations

import signal
import threading
import time

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

from hother.cancelable.registry import OperationRecord, RecordStatus
from hother.cancelable.registry.redis.notes import ENDED_LIMIT, Notes


def ended(operation_id: str) -> OperationRecord:
    """Return the record of an operation that has ended."""
    return OperationRecord(operation_id, None, RecordStatus.COMPLETED, "w")


def test_each_operation_once() -> None:
    """However often an operation changes before it is written, it is noted once, in the order of first changes."""
    notes = Notes()
    for name in "abab":
        notes.changed(name)
        notes.progressed(name)
    assert len(notes) == 4
    assert notes.take_changed() == ["a", "b"]
    assert notes.take_progressed() == ["a", "b"]
    assert len(notes) == 0
    notes.put_back(["a"])
    assert notes.take_changed() == ["a"]


def test_the_end_replaces_what_was_noted() -> None:
    """Of an operation that has ended only the end is kept."""
    notes = Notes()
    notes.changed("a")
    notes.progressed("a")
    notes.ended(ended("a"))
    assert notes.take_changed() == notes.take_progressed() == []
    assert notes.ended_ids() == {"a"}
    assert notes.take_ended(10) == [ended("a")]


def test_too_many_ends() -> None:
    """The oldest ends go first where nobody takes them, and are counted."""
    notes = Notes()
    for number in range(ENDED_LIMIT + 5):
        notes.ended(ended(str(number)))
    assert len(notes) == ENDED_LIMIT
    assert notes.dropped == 5
    assert [record.id for record in notes.take_ended(2)] == ["5", "6"]


def test_wakes() -> None:
    """A note wakes the thread, which gathers more of them before it is woken again; progress wakes once."""
    notes = Notes()
    assert not notes.wait(0)
    for _ in range(3):
        notes.changed("a")
        notes.progressed("a")
    assert notes.wait(0)
    assert notes.wait(0)
    assert not notes.wait(0)
    notes.gather()
    notes.progressed("a")
    assert not notes.wait(0)
    notes.changed("a")
    assert notes.wait(0)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")
def test_signal_handlers() -> None:
    """A signal handler may note at any point, also within a note of the thread that it interrupts."""
    notes, taken, stop = Notes(), set[str](), threading.Event()
    interrupted, number = 0, 0

    def handle(_number: int, _frame: object) -> None:
        nonlocal interrupted
        interrupted += 1
        notes.ended(ended(f"handler {interrupted}"))
        notes.changed("changed")
        notes.progressed("progressed")

    def take() -> None:
        while not stop.is_set() or len(notes):
            notes.wait(0.01)
            notes.gather()
            taken.update(record.id for record in notes.take_ended(1_000_000))
            notes.take_changed()
            notes.take_progressed()

    thread, former = threading.Thread(target=take), signal.signal(signal.SIGALRM, handle)
    thread.start()
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    try:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            number += 1
            notes.ended(ended(f"main {number}"))
            notes.changed("changed")
            notes.wake()
            if number % 50 == 0:
                time.sleep(0.001)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
        stop.set()
        thread.join()
    assert interrupted > 10
    assert len(taken) + notes.dropped == number + interrupted
    assert {f"handler {each}" for each in range(1, interrupted + 1)} <= taken or notes.dropped
