"""`on_cancel`: callbacks on a token run once, in any case, and can be taken off again."""

from __future__ import annotations

import gc
import logging
import threading
import weakref

import pytest

from hother.cancelable import Cancelable, CancelationReason, CancelationToken, Registration
from hother.cancelable.core import has_listeners


class Counter:
    """Counts how often it is called, by which tokens."""

    def __init__(self) -> None:
        self.calls: list[CancelationToken] = []

    def __call__(self, token: CancelationToken) -> None:
        self.calls.append(token)


async def test_a_callback_is_called_once_with_the_token() -> None:
    """The callback gets the token, from `cancel` and `cancel_sync` alike, and further requests do not repeat it."""
    for asynchronously in (True, False):
        token, callback = CancelationToken(), Counter()
        assert isinstance(token.on_cancel(callback), Registration)
        assert callback.calls == []
        if asynchronously:
            await token.cancel()
        assert token.cancel_sync() is not asynchronously
        token.cancel_sync()
        assert callback.calls == [token]


def test_callbacks_run_in_the_order_in_which_they_were_registered() -> None:
    """Callbacks run first come, first served."""
    token, order = CancelationToken(), list[int]()
    for number in range(20):
        token.on_cancel(lambda _, number=number: order.append(number))  # type: ignore[misc]
    token.cancel_sync()
    assert order == list(range(20))


def test_one_callback_registered_twice_is_called_twice() -> None:
    """Each registration counts, and each is taken off by itself."""
    token, callback = CancelationToken(), Counter()
    registrations = [token.on_cancel(callback) for _ in range(3)]
    assert registrations[1].unregister()
    token.cancel_sync()
    assert callback.calls == [token, token]


def test_a_callback_sees_the_reason() -> None:
    """When a callback runs, the token says already why."""
    token, seen = CancelationToken(), list[object]()
    token.on_cancel(lambda told: seen.extend([told.is_cancelled, told.reason, told.message]))
    token.cancel_sync(CancelationReason.SHUTDOWN, "bye")
    assert seen == [True, CancelationReason.SHUTDOWN, "bye"]


def test_registering_on_a_cancelled_token_runs_at_once() -> None:
    """A callback that comes late is called before `on_cancel` returns, once, and cannot be taken off any more."""
    token, callback = CancelationToken(), Counter()
    token.cancel_sync()
    registration = token.on_cancel(callback)
    assert callback.calls == [token]
    assert not registration.unregister()
    token.cancel_sync()
    assert callback.calls == [token]


def test_unregister_says_whether_it_stopped_the_call() -> None:
    """The first `unregister` before the request stops the call and says so; all others say no."""
    token, taken_off, kept = CancelationToken(), Counter(), Counter()
    registration, other = token.on_cancel(taken_off), token.on_cancel(kept)
    assert registration.unregister() is True
    assert registration.unregister() is False
    token.cancel_sync()
    assert other.unregister() is False
    assert registration.unregister() is False
    assert (taken_off.calls, kept.calls) == ([], [token])


def test_unregister_from_inside_the_callback_is_too_late() -> None:
    """A callback that runs now was not stopped."""
    token, answers = CancelationToken(), list[bool]()
    registration = token.on_cancel(lambda _: answers.append(registration.unregister()))
    token.cancel_sync()
    assert answers == [False]


def test_unregister_after_the_token_is_gone_says_no() -> None:
    """A registration does not keep its token alive, and can still be asked."""
    token = CancelationToken()
    registration, gone = token.on_cancel(Counter()), weakref.ref(token)
    del token
    gc.collect()
    assert gone() is None
    assert not registration.unregister()


def test_a_callback_that_fails_stops_no_other_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The failure is logged once with its traceback; the other callbacks run and the request counts."""
    token, before, after = CancelationToken(), Counter(), Counter()

    def broken(_: CancelationToken) -> None:
        raise ValueError("broken callback")

    token.on_cancel(before)
    token.on_cancel(broken)
    token.on_cancel(after)
    assert token.cancel_sync("stop")
    assert (before.calls, after.calls) == ([token], [token])
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("hother.cancelable", logging.ERROR)
    assert "broken" in record.getMessage()
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "broken callback"


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_a_callback_stops_no_other(failure: type[BaseException]) -> None:
    """What must not be swallowed leaves `cancel_sync`, but only when everybody else has been told."""
    token, after = CancelationToken(), Counter()
    below = CancelationToken.any_of(token)

    def interrupted(_: CancelationToken) -> None:
        raise failure

    token.on_cancel(interrupted)
    token.on_cancel(after)
    below.on_cancel(after)
    with pytest.raises(failure):
        token.cancel_sync("stop")
    assert sorted(after.calls, key=id) == sorted([token, below], key=id)
    assert below.message == "stop"


def test_a_failing_callback_on_a_cancelled_token_does_not_reach_the_one_who_registers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Registering late is as safe as registering early: the failure is logged, not raised."""
    token = CancelationToken()
    token.cancel_sync()

    def broken(_: CancelationToken) -> None:
        raise ValueError("broken callback")

    assert not token.on_cancel(broken).unregister()
    assert len(caplog.records) == 1


def test_a_callback_may_cancel_again() -> None:
    """A request from inside a callback loses, changes nothing and calls nobody twice."""
    token, answers, after = CancelationToken(), list[bool](), Counter()
    token.on_cancel(lambda told: answers.append(told.cancel_sync(CancelationReason.SHUTDOWN, "again")))
    token.on_cancel(after)
    token.cancel_sync("first")
    assert (answers, after.calls) == ([False], [token])
    assert (token.reason, token.message) == (CancelationReason.MANUAL, "first")


def test_a_callback_may_take_off_the_others() -> None:
    """A callback that takes off one that waits for its turn stops it, and is told so."""
    token, answers, later, kept = CancelationToken(), list[bool](), Counter(), Counter()
    token.on_cancel(lambda _: answers.append(registration.unregister()))
    registration = token.on_cancel(later)
    token.on_cancel(kept)
    token.cancel_sync()
    assert (answers, later.calls, kept.calls) == ([True], [], [token])


def test_a_callback_may_register_more() -> None:
    """What a callback registers runs at once, and everybody is still called once."""
    token, more, after = CancelationToken(), Counter(), Counter()
    token.on_cancel(lambda told: told.on_cancel(more) and None)
    token.on_cancel(after)
    token.cancel_sync()
    assert (more.calls, after.calls) == ([token], [token])


def test_a_callback_may_wait_for_a_thread_that_uses_the_token() -> None:
    """Callbacks run outside any lock: another thread can use the token meanwhile in every way."""
    token, seen = CancelationToken(), list[object]()

    def use() -> None:
        late = Counter()
        seen.append(token.cancel_sync())
        seen.append(token.on_cancel(late).unregister())
        seen.append(len(late.calls))
        seen.append(CancelationToken.any_of(token).message)
        seen.append(token.wait_sync(1))

    def delegate(_: CancelationToken) -> None:
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()

    token.on_cancel(delegate)
    token.cancel_sync("first")
    assert seen == [False, False, 1, "first", True]


@pytest.mark.parametrize("wrong", [None, 3, "callback"])
def test_what_cannot_be_called_is_refused(wrong: object) -> None:
    """A callback that is not callable is a TypeError at once, on cancelled tokens too."""
    token = CancelationToken()
    for _ in range(2):
        with pytest.raises(TypeError, match="the callback must be callable"):
            token.on_cancel(wrong)  # type: ignore[arg-type]
        token.cancel_sync()


def test_a_coroutine_function_is_refused() -> None:
    """A token has no loop to run a coroutine in, and the error says what to use instead."""

    async def callback(token: CancelationToken) -> None:
        raise AssertionError("never called")

    token = CancelationToken()
    with pytest.raises(TypeError, match=r"coroutine function.*Cancelable\.on_cancel"):
        token.on_cancel(callback)
    token.cancel_sync()


def test_a_token_lets_go_of_callbacks_that_ran_or_were_taken_off() -> None:
    """After the call, and after `unregister`, the token no longer keeps the callback alive."""
    token = CancelationToken()
    called, taken_off = Counter(), Counter()
    token.on_cancel(called)
    assert token.on_cancel(taken_off).unregister()
    references = [weakref.ref(called), weakref.ref(taken_off)]
    del taken_off
    token.cancel_sync()
    called.calls.clear()
    del called
    gc.collect()
    assert [reference() for reference in references] == [None, None]


async def test_has_listeners_tells_whether_anybody_would_be_told() -> None:
    """Operations that run, callbacks and linked tokens count, as long as they are there and were not told."""
    token = CancelationToken()
    assert not has_listeners(token)
    async with Cancelable.with_token(token):
        assert has_listeners(token)
    assert not has_listeners(token)
    registration = token.on_cancel(print)
    assert has_listeners(token)
    registration.unregister()
    linked = CancelationToken.any_of(token)
    assert has_listeners(token)
    token.cancel_sync()
    assert not has_listeners(token)
    assert linked.is_cancelled
