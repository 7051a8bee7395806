"""Tokens as sources, for use in composites: what was asked of the token ends the operation."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationSource,
    CancelationToken,
    Cause,
    ErrorCancelation,
    ManualCancelation,
    ShutdownCancelation,
)
from hother.cancelable.sources import AllOfSource, AnyOfSource, TokenSource

from .shared import Wire, count_tasks

PLACES: dict[str, Callable[[TokenSource], CancelationSource]] = {
    "alone": lambda source: source,
    "any-of": lambda source: AnyOfSource(Wire(), source),
    "all-of": AllOfSource,
    "nested": lambda source: Wire() | AllOfSource(AnyOfSource(AllOfSource(source), Wire())),
}


@pytest.mark.parametrize("place", PLACES)
async def test_the_request_goes_on_record(place: str) -> None:
    """Reason, message, origin and time are those of the token's request."""
    token = CancelationToken()
    with pytest.raises(ShutdownCancelation, match="closing time"):
        async with Cancelable.with_source(PLACES[place](TokenSource(token))) as operation:
            await token.cancel(CancelationReason.SHUTDOWN, "closing time")
            await anyio.sleep_forever()
    assert operation.token.cause == token.cause
    assert operation.context.cancel_origin == token.origin
    assert token.origin is not None
    assert token.origin.startswith("task ")


@pytest.mark.parametrize("place", PLACES)
async def test_a_name_stands_for_who_has_asked(place: str) -> None:
    """A source that is named is the origin; everything else stays as it was asked for."""
    token = CancelationToken()
    with pytest.raises(ShutdownCancelation, match="closing time"):
        async with Cancelable.with_source(PLACES[place](TokenSource(token, "the house"))) as operation:
            await token.cancel(CancelationReason.SHUTDOWN, "closing time")
            await anyio.sleep_forever()
    assert token.cause is not None
    assert operation.token.cause == token.cause._replace(origin="the house")


@pytest.mark.parametrize("place", PLACES)
async def test_a_token_that_was_cancelled_before(place: str) -> None:
    """The body is interrupted at its first checkpoint."""
    token, reached = CancelationToken(), list[str]()
    token.cancel_sync("long ago")
    with pytest.raises(ManualCancelation, match="long ago"):
        async with Cancelable.with_source(PLACES[place](TokenSource(token))):
            reached.append("the body")
            await anyio.sleep_forever()
    assert reached == ["the body"]
    assert not token._listeners


@pytest.mark.parametrize("place", PLACES)
async def test_a_token_that_is_cancelled_in_a_thread(place: str) -> None:
    """The loop is woken, and the record names the thread."""
    token = CancelationToken()
    thread = threading.Thread(target=token.cancel_sync, args=("from afar",), name="afar")
    with anyio.fail_after(10), pytest.raises(ManualCancelation, match="from afar"):
        async with Cancelable.with_source(PLACES[place](TokenSource(token))) as operation:
            thread.start()
            await anyio.sleep_forever()
    thread.join()
    assert operation.context.cancel_origin == "thread 'afar'"


@pytest.mark.parametrize("other", ["asyncio", "trio"])
@pytest.mark.parametrize("place", PLACES)
async def test_a_token_that_is_cancelled_by_another_loop(place: str, other: str) -> None:
    """A loop in another thread wakes this one."""
    token = CancelationToken()
    thread = threading.Thread(target=lambda: anyio.run(token.cancel, "from another loop", backend=other))
    with anyio.fail_after(10), pytest.raises(ManualCancelation, match="from another loop"):
        async with Cancelable.with_source(PLACES[place](TokenSource(token))):
            thread.start()
            await anyio.sleep_forever()
    thread.join()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")
@pytest.mark.parametrize("place", PLACES)
async def test_a_token_that_is_cancelled_by_a_signal_handler(place: str) -> None:
    """A handler that runs while the loop sleeps wakes it, as it does where an operation has the token itself."""
    token, start = CancelationToken(), anyio.current_time()
    before = signal.signal(signal.SIGALRM, lambda *_: token.cancel_sync("rang") and None)
    try:
        with anyio.fail_after(3), pytest.raises(ManualCancelation, match="rang"):
            async with Cancelable.with_source(PLACES[place](TokenSource(token))):
                await anyio.wait_all_tasks_blocked()
                signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
                await anyio.sleep_forever()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert anyio.current_time() - start < 2


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("ending", ["completes", "fails", "is cancelled", "is cancelled outside", "its token"])
async def test_nothing_is_left_on_the_token(place: str, ending: str) -> None:
    """However the operation ends, its registration is gone."""
    token = CancelationToken()
    with anyio.CancelScope() as scope:
        try:
            async with Cancelable.with_source(PLACES[place](TokenSource(token))) as operation:
                assert len(token._listeners) == 1
                if ending == "fails":
                    raise KeyError
                if ending == "is cancelled":
                    await operation.cancel()
                if ending == "is cancelled outside":
                    scope.cancel()
                if ending == "its token":
                    await token.cancel()
                if ending != "completes":
                    await anyio.sleep_forever()
        except (KeyError, CancelationError):
            pass
    assert not token._listeners


async def test_a_token_takes_no_task() -> None:
    """It takes a registration and nothing else."""
    token, before = CancelationToken(), count_tasks()
    composite = TokenSource(token) | AllOfSource(TokenSource(token), TokenSource(CancelationToken()))
    async with Cancelable(sources=[TokenSource(token), composite]):
        await anyio.wait_all_tasks_blocked()
        assert count_tasks() == before
        assert len(token._listeners) == 3
    assert not token._listeners


async def test_two_sources_of_one_token() -> None:
    """One token may stand in several places: all of them hear of its request."""
    token, other = CancelationToken(), CancelationToken()
    composite = AllOfSource(TokenSource(token), TokenSource(other), TokenSource(token))
    with pytest.raises(ManualCancelation, match="other"):
        async with Cancelable.with_source(composite) as operation:
            await token.cancel("one")
            assert not operation.cancel_requested
            await other.cancel("other")
            await anyio.sleep_forever()


@pytest.mark.parametrize("deep", [False, True])
async def test_a_request_with_the_reason_error(deep: bool) -> None:
    """Nothing is broken by it: all-of goes on waiting for the others, and ends with that reason if it comes last."""
    token, wire = CancelationToken(), Wire()
    failed: CancelationSource = TokenSource(token)
    async with Cancelable.with_source(AllOfSource(AllOfSource(failed) if deep else failed, wire)) as operation:
        await token.cancel(CancelationReason.ERROR, "bad row")
        await anyio.wait_all_tasks_blocked()
        assert not operation.cancel_requested
    token = CancelationToken()
    with pytest.raises(ErrorCancelation, match="bad row") as caught:
        async with Cancelable.with_source(AllOfSource(wire, TokenSource(token))):
            wire.fire("cut")
            await token.cancel(CancelationReason.ERROR, "bad row")
            await anyio.sleep_forever()
    assert caught.value.__cause__ is None


async def test_several_operations_end_with_one_token() -> None:
    """A source each, and one token for all."""
    token, ended = CancelationToken(), list[str | None]()

    async def work() -> None:
        async with Cancelable.with_source(TokenSource(token) | Wire(), move_on=True) as operation:
            await anyio.sleep_forever()
        ended.append(operation.context.cancel_message)

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(work)
        await anyio.wait_all_tasks_blocked()
        await token.cancel("all of you")
    assert ended == ["all of you"] * 10


async def test_a_token_awaited_by_hand() -> None:
    """`wait()` returns the record of the request, by the source's name if it has one."""
    token, got = CancelationToken(), list[Cause]()

    async def wait(name: str | None) -> None:
        got.append(await TokenSource(token, name).wait())

    async with anyio.create_task_group() as group:
        group.start_soon(wait, None)
        await anyio.wait_all_tasks_blocked()
        await token.cancel(CancelationReason.SHUTDOWN, "closing time")
    await wait("the house")
    assert token.cause is not None
    assert got == [token.cause, token.cause._replace(origin="the house")]
    assert not token._listeners


@pytest.mark.parametrize("wrong", [None, "token", 3, True, CancelationToken, Cancelable, Wire], ids=repr)
def test_what_is_no_token(wrong: Any) -> None:
    """It is refused when the source is made, with a TypeError that names it."""
    with pytest.raises(TypeError) as caught:
        TokenSource(wrong)
    assert str(caught.value) == f"token must be a CancelationToken, not {wrong!r}"


@pytest.mark.parametrize("name", [3, True, b"name"], ids=repr)
def test_what_is_no_name(name: Any) -> None:
    """It is refused when the source is made, with a TypeError that shows it."""
    with pytest.raises(TypeError) as caught:
        TokenSource(CancelationToken(), name=name)
    assert str(caught.value) == f"name must be a str, not {name!r}"


def test_how_it_looks() -> None:
    """The text shows the token."""
    token = CancelationToken()
    assert repr(TokenSource(token)) == f"TokenSource({token!r})"
