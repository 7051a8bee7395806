"""Tokens: asking once, reading why, and what the arguments of `cancel` may be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import anyio
import pytest

from hother.cancelable import (
    CancelationError,
    CancelationReason,
    CancelationToken,
    ManualCancelation,
    ShutdownCancelation,
)
from hother.cancelable.core import ids
from hother.cancelable.core import token as token_module
from hother.cancelable.core.exceptions import BY_REASON


def test_a_new_token_says_that_nothing_was_asked() -> None:
    """A fresh token has no reason, no message, no origin and no cause, and its check is silent."""
    token = CancelationToken()
    assert not token.is_cancelled
    assert (token.reason, token.message, token.origin, token.cause) == (None, None, None, None)
    token.check()


def test_a_cancel_without_arguments_is_manual() -> None:
    """Cancelling without arguments records the reason MANUAL and no message."""
    token = CancelationToken()
    assert token.cancel_sync()
    assert token.is_cancelled
    assert token.reason is CancelationReason.MANUAL
    assert token.message is None


def test_a_first_argument_that_is_a_plain_string_is_the_message() -> None:
    """A plain string first is the message of a manual request, even one that spells a reason."""
    token, spelt = CancelationToken(), CancelationToken()
    token.cancel_sync("User cancelled")
    spelt.cancel_sync("timeout")
    assert (token.reason, token.message) == (CancelationReason.MANUAL, "User cancelled")
    assert (spelt.reason, spelt.message) == (CancelationReason.MANUAL, "timeout")


@pytest.mark.parametrize("reason", CancelationReason)
def test_a_first_argument_that_is_a_reason_is_the_reason(reason: CancelationReason) -> None:
    """Every reason can be given first, with a message after it."""
    token = CancelationToken()
    token.cancel_sync(reason, "because")
    assert (token.reason, token.message) == (reason, "because")


def test_reason_and_message_can_be_given_by_name() -> None:
    """The arguments are also called `reason` and `message`."""
    token, only_message = CancelationToken(), CancelationToken()
    token.cancel_sync(reason=CancelationReason.SHUTDOWN, message="bye")
    only_message.cancel_sync(message="bye")
    assert (token.reason, token.message) == (CancelationReason.SHUTDOWN, "bye")
    assert (only_message.reason, only_message.message) == (CancelationReason.MANUAL, "bye")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("one", "two"), "two messages"),
        ((3,), "the reason must be a CancelationReason or a message, not 3"),
        ((None,), "the reason must be"),
        ((CancelationReason.MANUAL, 3), "the message must be a string, not 3"),
    ],
)
async def test_wrong_arguments_are_refused_and_cancel_nothing(arguments: tuple[object, ...], complaint: str) -> None:
    """A wrong reason or message is a TypeError that names it, from both methods, and leaves the token alone."""
    token = CancelationToken()
    cancel_sync: Callable[..., bool] = token.cancel_sync
    with pytest.raises(TypeError, match=complaint):
        cancel_sync(*arguments)
    with pytest.raises(TypeError, match=complaint):
        await token.cancel(*arguments)  # type: ignore[arg-type]
    assert not token.is_cancelled


async def test_the_first_request_wins_and_later_ones_change_nothing() -> None:
    """Each call returns whether it was the first; reason, message, origin and time stay those of the first."""
    token = CancelationToken()
    assert await token.cancel(CancelationReason.CONDITION, "first")
    first = token.cause
    assert not await token.cancel(CancelationReason.SHUTDOWN, "second")
    assert not token.cancel_sync("third")
    assert token.cause is first
    assert (token.reason, token.message) == (CancelationReason.CONDITION, "first")


async def test_cancel_is_no_checkpoint() -> None:
    """`await token.cancel()` neither waits nor notices a cancelled scope, so a clean-up can rely on it."""
    token = CancelationToken()
    with anyio.CancelScope() as scope:
        scope.cancel()
        assert await token.cancel()
    assert not scope.cancelled_caught


async def test_the_origin_is_the_task_that_asked() -> None:
    """In a task the origin names the task, and the time is the loop's."""
    token = CancelationToken()
    before = anyio.current_time()

    async def ask() -> None:
        await token.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(ask, name="the one who asks")
    assert token.origin is not None
    assert "the one who asks" in token.origin
    assert token.cause is not None
    assert before <= token.cause.time <= anyio.current_time()


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_the_origin_can_be_a_callback_of_the_event_loop() -> None:
    """A request from a callback of the loop, which no task runs, is said to come from the event loop."""
    token, done = CancelationToken(), anyio.Event()

    def ask() -> None:
        token.cancel_sync()
        done.set()

    asyncio.get_running_loop().call_soon(ask)
    await done.wait()
    assert token.origin == "event loop"


def test_the_origin_is_the_thread_that_asked() -> None:
    """Outside any loop the origin names the thread."""
    token = CancelationToken()
    thread = threading.Thread(target=token.cancel_sync, name="a worker")
    thread.start()
    thread.join()
    assert token.origin == "thread 'a worker'"


@pytest.mark.parametrize("reason", CancelationReason)
def test_check_raises_the_class_of_the_reason(reason: CancelationReason) -> None:
    """After the request, every check raises the exception that belongs to the reason, with its message."""
    token = CancelationToken()
    token.cancel_sync(reason, "because")
    for _ in range(2):
        with pytest.raises(CancelationError, match="because") as caught:
            token.check()
        assert type(caught.value) is BY_REASON[reason]
        assert caught.value.reason is reason
        assert caught.value.message == "because"


def test_an_id_is_made_when_it_is_first_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making, using, linking and cancelling tokens makes no id; asking makes one and keeps it."""
    made: list[str] = []

    def counted() -> str:
        made.append(ids.new_id())
        return made[-1]

    monkeypatch.setattr(token_module, "new_id", counted)
    token = CancelationToken()
    either = CancelationToken.any_of(token)
    either.on_cancel(lambda _: None)
    token.cancel_sync()
    assert made == []
    assert [token.id, token.id] == made * 2
    assert len(made) == 1


def test_ids_differ() -> None:
    """No two tokens have the same id."""
    assert len({CancelationToken().id for _ in range(1000)}) == 1000


def test_an_id_is_the_same_for_all_threads_that_ask_at_once() -> None:
    """Eight threads that ask for a new token's id at the same time are told the same one."""
    for _ in range(50):
        token, start, seen = CancelationToken(), threading.Barrier(8), list[str]()

        def ask(token: CancelationToken = token, start: threading.Barrier = start, seen: list[str] = seen) -> None:
            start.wait()
            seen.append(token.id)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seen) == 8
        assert len(set(seen)) == 1


def test_a_token_shows_its_id_and_state() -> None:
    """The repr names the id and whether and why the token was cancelled."""
    token = CancelationToken()
    assert token.id in repr(token)
    assert "not cancelled" in repr(token)
    token.cancel_sync(CancelationReason.SHUTDOWN)
    assert "cancelled (shutdown)" in repr(token)


def test_a_token_is_a_small_plain_object() -> None:
    """A token takes no attributes of others and compares by identity."""
    token = CancelationToken()
    with pytest.raises(AttributeError):
        token.colour = "red"  # type: ignore[attr-defined]
    assert token != CancelationToken()
    assert len({token, token}) == 1


def test_the_exceptions_of_check_are_those_that_users_catch() -> None:
    """The classes raised by `check` are the exported ones."""
    token, closing = CancelationToken(), CancelationToken()
    token.cancel_sync()
    closing.cancel_sync(CancelationReason.SHUTDOWN)
    with pytest.raises(ManualCancelation):
        token.check()
    with pytest.raises(ShutdownCancelation):
        closing.check()
