"""Ctrl-C at any point of the core, and a fork in the middle: what others share with it goes on to work."""

from __future__ import annotations

import functools
import os
import random
import threading
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, CancelationError, CancelationToken, ManualCancelation, current_operation

from .interruptions import Interruption

LOOPS = [
    pytest.param("asyncio", {}, id="asyncio"),
    pytest.param("asyncio", {"use_uvloop": True}, id="uvloop"),
    pytest.param("trio", {}, id="trio"),
]


def _interrupt() -> None:
    raise KeyboardInterrupt


def _in_thread(work: Callable[[], object]) -> BaseException | None:
    """Return what a function raises in a thread of its own.

    Python does not always put back what a thread handles when a tracer raises, and later exceptions of that thread
    would have it as their context.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).exception()


def _kinds(error: BaseException | None) -> set[type[BaseException]]:
    """Return the classes of an exception, of all that it is made of, and of what was handled when it was raised."""
    if error is None:
        return set()
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return {type(error)}.union(_kinds(error.__cause__), _kinds(error.__context__), *map(_kinds, parts))


async def _work(shared: CancelationToken, interruption: Interruption) -> None:
    """Do what operations do; the steps of it that the core takes are counted."""
    with interruption:
        with anyio.CancelScope() as scope:
            async with Cancelable.with_token(shared, timeout=60), Cancelable.with_token(CancelationToken()):
                scope.cancel()
                await anyio.lowlevel.checkpoint()
        async with Cancelable.with_token(shared, timeout=60, move_on=True) as operation, Cancelable() as inner:
            shared.on_cancel(lambda _: None).unregister()
            async with inner.shield():
                await operation.cancel("enough")
            await anyio.sleep(60)


async def _use(token: CancelationToken) -> str | None:
    """Return what a new operation on a token ends with."""
    assert current_operation() is None
    with anyio.fail_after(20):
        try:
            async with Cancelable.with_token(token):
                await anyio.sleep(60)
        except ManualCancelation as error:
            return error.message
    return None


@pytest.mark.filterwarnings("ignore:.*was never awaited:RuntimeWarning")  # it may come between a call and its await
@pytest.mark.parametrize(("backend", "options"), LOOPS)
def test_keyboard_interrupt_at_random_points(backend: str, options: dict[str, Any], nightly: bool) -> None:
    """Wherever Ctrl-C comes it ends the program as ever, and a token that it was at work on can still be used."""
    for _ in range(2):  # the first time it does more
        counting = Interruption(1_000_000, _interrupt)
        anyio.run(_work, CancelationToken(), counting, backend=backend, backend_options=options)
    assert counting.steps > 500
    interrupted = 0
    for at in random.Random(9).sample(range(counting.steps - 100), counting.steps - 100 if nightly else 50):
        shared, interruption = CancelationToken(), Interruption(at, _interrupt)
        left = _in_thread(
            functools.partial(anyio.run, _work, shared, interruption, backend=backend, backend_options=options)
        )
        assert interruption.came is (KeyboardInterrupt in _kinds(left)), at
        interrupted += interruption.came
        heard: list[CancelationToken] = []
        shared.on_cancel(heard.append)
        assert shared.cancel_sync("later")
        assert heard == [shared]
        assert anyio.run(_use, shared, backend=backend, backend_options=options) == "later"
    assert interrupted > 30


ACTIONS: dict[str, Callable[[CancelationToken], object]] = {
    "cancel": lambda token: token.cancel_sync("first"),
    "listen": lambda token: token.on_cancel(lambda _: None).unregister(),
    "link": lambda token: token.link(CancelationToken()),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_keyboard_interrupt_in_a_token(action: str) -> None:
    """At whichever step it comes, the request is recorded whole or not at all, and whoever listens is told once."""
    at, came = 0, True
    while came:
        token, told = CancelationToken(), Counter[int]()
        for number in range(3):
            token.on_cancel(functools.partial(_count, told, number))
        interruption = Interruption(at, _interrupt)
        assert (_in_thread(functools.partial(_act, action, token, interruption)) is not None) is interruption.came
        recorded = token.is_cancelled
        assert token.message == ("first" if recorded else None)
        assert token.cancel_sync("second") is not recorded
        token.on_cancel(lambda _: None)  # a token that was left half-way tells the others when it is used again
        assert told.total() >= 2, at  # one may have been interrupted right when it was called
        assert set(told.values()) == {1}
        came = interruption.came
        at += 1
    assert at > 10


def _act(action: str, token: CancelationToken, interruption: Interruption) -> None:
    with interruption:
        ACTIONS[action](token)


def _count(told: Counter[int], number: int, token: CancelationToken) -> None:
    told[number] += 1


def _in_fork(work: Callable[[], object]) -> int:
    """Run something in a fork of this process; return its exit code, 0 if it returned what is true."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, which is the point
        pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 1
    try:
        code = 0 if work() else 2
    finally:
        os._exit(code)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_while_threads_use_a_token() -> None:
    """A fork never finds a token locked: it can cancel it, and run operations on it, whatever threads did just then."""
    token, over = CancelationToken(), threading.Event()
    name = token.id

    def use() -> None:
        while not over.is_set():
            token.on_cancel(lambda _: None).unregister()
            CancelationToken.any_of(token).cancel_sync()
            token.wait_sync(0)

    def in_fork() -> bool:
        assert CancelationToken().id.partition("-")[0] != name.partition("-")[0]
        heard: list[CancelationToken] = []
        token.on_cancel(heard.append)
        assert token.cancel_sync("in the fork")
        assert token.wait_sync(0)
        return heard == [token] and anyio.run(_use, token) == "in the fork"

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    codes = {_in_fork(in_fork) for _ in range(10)}
    over.set()
    for thread in threads:
        thread.join()
    assert codes == {0}
    assert not token.is_cancelled


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.loops("asyncio", "eager", "uvloop")
async def test_a_fork_in_the_body_of_an_operation() -> None:
    """What a fork does to its copy of an operation is nothing to the original, and a thread there may wait for it."""

    def in_fork() -> bool:
        won = operation.cancel_sync("in the fork")
        try:
            operation.token.check()
        except CancelationError as error:
            return won and error.message == "in the fork"
        return False

    async with Cancelable(timeout=60) as operation:
        assert _in_fork(in_fork) == 0
        await anyio.lowlevel.checkpoint()
    assert operation.is_completed
    assert not operation.cancel_requested
