"""Tokens that threads and event loops race for, share, and leave behind."""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, CancelationReason, CancelationToken, ManualCancelation, Registration

LOOPS = [
    pytest.param("asyncio", {}, id="asyncio"),
    pytest.param("asyncio", {"use_uvloop": True}, id="uvloop"),
    pytest.param("trio", {}, id="trio"),
]


@pytest.fixture(autouse=True)
def _switch_threads_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def _in_threads(*calls: Callable[[], object]) -> None:
    """Run calls in threads of their own, all from the same moment, and raise what they raise."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        start.wait()
        call()

    with ThreadPoolExecutor(len(calls)) as pool:
        for each in [pool.submit(run, call) for call in calls]:
            each.result(25)


def _noting(called: list[int], number: int) -> Callable[[CancelationToken], None]:
    return lambda _: called.append(number)


def test_eight_threads_race_for_ten_thousand_tokens() -> None:
    """Each token has exactly one winner, the losers read its reason at once, and its callback runs once."""
    called: list[CancelationToken] = []
    tokens = [CancelationToken() for _ in range(10_000)]
    for token in tokens:
        token.on_cancel(called.append)
    won: dict[str, set[CancelationToken]] = {f"thread {number}": set() for number in range(8)}
    blank: list[CancelationToken] = []

    def race(name: str) -> None:
        for token in tokens:
            if token.cancel_sync(name):
                won[name].add(token)
            if token.reason is not CancelationReason.MANUAL or token.message not in won:
                blank.append(token)

    _in_threads(*(functools.partial(race, name) for name in won))
    assert blank == []
    assert sum(map(len, won.values())) == 10_000
    assert all(token in won[token.message or ""] for token in tokens)
    assert len(called) == 10_000
    assert set(called) == set(tokens)


def test_callbacks_that_are_taken_off_while_the_token_is_cancelled() -> None:
    """Whenever `unregister` says that it stopped the call the call never comes, and else it comes once."""
    for _ in range(300):
        token, called, stopped = CancelationToken(), list[int](), list[int]()
        registrations = {number: token.on_cancel(_noting(called, number)) for number in reversed(range(20))}

        def take_off(registrations: dict[int, Registration] = registrations, stopped: list[int] = stopped) -> None:
            stopped.extend(number for number in range(20) if registrations[number].unregister())

        _in_threads(token.cancel_sync, take_off)
        assert sorted(called + stopped) == list(range(20))


def test_callbacks_that_are_registered_while_the_token_is_cancelled() -> None:
    """A callback that comes at the moment of the request is called once, by one thread or the other."""
    for _ in range(300):
        token, called = CancelationToken(), list[int]()

        def register(token: CancelationToken = token, called: list[int] = called) -> None:
            for number in range(20):
                token.on_cancel(_noting(called, number))

        _in_threads(register, token.cancel_sync)
        assert sorted(called) == list(range(20))


def test_links_that_are_made_while_the_token_is_cancelled() -> None:
    """A token that is linked at the moment of the request is cancelled with it."""
    for _ in range(300):
        top, linked = CancelationToken(), [CancelationToken() for _ in range(20)]

        def link(top: CancelationToken = top, linked: list[CancelationToken] = linked) -> None:
            for token in linked:
                token.link(top)

        _in_threads(link, top.cancel_sync)
        assert all(token.is_cancelled for token in linked)


def test_threads_that_begin_to_wait_while_the_token_is_cancelled() -> None:
    """No thread waits on after the request, at whichever moment it came."""
    for _ in range(200):
        token, answers = CancelationToken(), list[bool]()

        def wait(token: CancelationToken = token, answers: list[bool] = answers) -> None:
            answers.append(token.wait_sync(20))

        _in_threads(wait, token.cancel_sync, wait)
        assert answers == [True, True]


async def test_a_cancel_from_a_thread_wakes_a_loop_that_sleeps() -> None:
    """A loop with nothing else to do hears of the request at once, however often it is tried."""
    for _ in range(20):
        idle = threading.Event()
        async with anyio.create_task_group() as group:

            async def report(idle: threading.Event = idle) -> None:
                await anyio.wait_all_tasks_blocked()
                idle.set()

            group.start_soon(report)
            with pytest.raises(ManualCancelation, match="wake up"):
                async with Cancelable() as operation:

                    def cancel(idle: threading.Event = idle, token: CancelationToken = operation.token) -> None:
                        idle.wait(10)
                        token.cancel_sync("wake up")

                    thread = threading.Thread(target=cancel, name="outside")
                    thread.start()
                    start = time.monotonic()
                    with anyio.fail_after(20):
                        await anyio.sleep_forever()
            assert time.monotonic() - start < 5
            thread.join()
        assert operation.context.cancel_origin == "thread 'outside'"


@pytest.mark.parametrize(("backend", "options"), LOOPS)
def test_operations_that_are_entered_and_left_while_a_thread_cancels(backend: str, options: dict[str, Any]) -> None:
    """At whichever moment the request comes an operation completes or is cancelled, and leaves the token alone."""
    outcomes: Counter[tuple[bool, bool]] = Counter()
    turn, tokens = threading.Semaphore(0), [CancelationToken() for _ in range(300)]

    def cancel() -> None:
        for token in tokens:
            turn.acquire(timeout=20)
            token.cancel_sync()

    async def main() -> None:
        for token in tokens:
            turn.release()
            async with Cancelable.with_token(token, move_on=True) as operation:
                for _ in range(5):
                    await anyio.lowlevel.checkpoint()
            outcomes[operation.is_completed, operation.is_cancelled] += 1
            assert not token._listeners

    _in_threads(lambda: anyio.run(main, backend=backend, backend_options=options), cancel)
    assert set(outcomes) <= {(True, False), (False, True)}
    assert outcomes.total() == 300
