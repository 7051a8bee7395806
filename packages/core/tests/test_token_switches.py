"""Two threads inside one token that take turns at chosen instructions: one, some steps of the other, the rest of both.

The GIL may pass from one thread to another between any two instructions, and so may the turn here.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from hother.cancelable import CancelationToken

from .interruptions import Interruption

Act = Callable[[], object]


@dataclass
class Case:
    """A token, what two threads do with it, and what has come of it."""

    token: CancelationToken = field(default_factory=CancelationToken)
    below: CancelationToken = field(default_factory=CancelationToken)
    heard: list[str] = field(default_factory=list[str])
    first: object = None
    second: object = None


def _take_turns(first: Act, second: Act, at: tuple[int, int]) -> tuple[object, object, bool]:
    """Run `first` up to a step, then `second` up to one of its own, then the rest of `first` and that of `second`.

    Returns:
        What they returned, and whether there were so many steps.
    """
    results: list[object] = [None, None]
    go, paused, done = threading.Event(), threading.Event(), threading.Event()

    def hand_over() -> None:
        go.set()
        assert paused.wait(20)

    def pause() -> None:
        paused.set()
        assert done.wait(20)

    interruption, other = Interruption(at[0], hand_over), Interruption(at[1], pause)

    def run() -> None:
        assert go.wait(20)
        with other:
            results[1] = second()
        paused.set()

    thread = threading.Thread(target=run)
    thread.start()
    with interruption:
        results[0] = first()
    done.set()
    go.set()
    thread.join(20)
    return results[0], results[1], interruption.came


def _cancel(case: Case) -> tuple[Act, Act]:
    case.token.on_cancel(lambda _: case.heard.append("called"))
    return lambda: case.token.cancel_sync("a"), lambda: case.token.cancel_sync("b")


def _both_cancelled(case: Case) -> bool:
    return {case.first, case.second} == {True, False} and case.token.message == ("a" if case.first else "b")


def _listen(case: Case) -> tuple[Act, Act]:
    return case.token.cancel_sync, lambda: case.token.on_cancel(lambda _: case.heard.append("called"))


def _take_off(case: Case) -> tuple[Act, Act]:
    registration = case.token.on_cancel(lambda _: case.heard.append("called"))

    def take_off() -> None:
        if registration.unregister():
            case.heard.append("taken off")

    return case.token.cancel_sync, take_off


def _link(case: Case) -> tuple[Act, Act]:
    case.below.on_cancel(lambda _: case.heard.append("called"))
    return lambda: case.token.cancel_sync("a"), lambda: case.below.link(case.token)


def _link_both(case: Case) -> tuple[Act, Act]:
    above = CancelationToken()
    case.below.on_cancel(lambda _: case.heard.append("called"))

    def cancel() -> bool:
        case.token.link(above)
        return above.cancel_sync("a")

    return cancel, lambda: case.below.link(case.token)


def _seal(case: Case) -> tuple[Act, Act]:
    case.token.on_cancel(lambda _: case.heard.append("called"))
    return case.token.cancel_sync, case.token._seal


def _sealed_or_cancelled(case: Case) -> bool:
    won = case.first is True and case.second is case.token.cause is not None
    lost = case.first is False and case.second is None and not case.token.is_cancelled
    case.heard += ["not called"] * lost
    return won or lost


def _name(case: Case) -> tuple[Act, Act]:
    case.heard.append("nobody is to be called")
    return lambda: case.token.id, lambda: case.token.id


CASES: dict[str, tuple[Callable[[Case], tuple[Act, Act]], Callable[[Case], bool]]] = {
    "cancel and cancel": (_cancel, _both_cancelled),
    "cancel and register": (_listen, lambda case: case.first is True),
    "cancel and take off": (_take_off, lambda case: case.first is True),
    "cancel and link": (_link, lambda case: case.below.message == "a"),
    "link, cancel and link": (_link_both, lambda case: case.below.message == "a"),
    "cancel and seal": (_seal, _sealed_or_cancelled),
    "name and name": (_name, lambda case: case.first == case.second == case.token.id),
}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_threads_that_take_turns_inside_a_token(name: str, swapped: bool, nightly: bool) -> None:
    """Wherever the turn passes, one request wins, all that listens hears of it once, and nothing is read by halves."""
    generator, turns = random.Random(name), 0
    for _ in range(4000 if nightly else 60):
        case = Case()
        make, holds = CASES[name]
        acts = make(case)
        at = int(150 * generator.random() ** 3), int(150 * generator.random() ** 2)
        if swapped:
            case.second, case.first, came = _take_turns(acts[1], acts[0], at)
        else:
            case.first, case.second, came = _take_turns(*acts, at)
        turns += came
        assert holds(case), at
        assert len(case.heard) == 1, at
    assert turns > 15
