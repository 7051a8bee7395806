"""Linked tokens: cancelled together, with the first reason, and kept alive by nobody."""

from __future__ import annotations

import gc
import itertools
import weakref

import pytest

from hother.cancelable import CancelationReason, CancelationToken


def test_any_of_is_cancelled_with_the_first_of_its_tokens() -> None:
    """Reason, message, origin and time of the token that was first are passed on; later ones change nothing."""
    first, second = CancelationToken(), CancelationToken()
    either = CancelationToken.any_of(first, second)
    assert not either.is_cancelled
    second.cancel_sync(CancelationReason.SHUTDOWN, "bye")
    first.cancel_sync("later")
    assert either.cause is second.cause
    assert (either.reason, either.message) == (CancelationReason.SHUTDOWN, "bye")


def test_any_of_a_cancelled_token_is_cancelled() -> None:
    """Where several tokens are cancelled already, the one given first counts."""
    waiting, first, second = CancelationToken(), CancelationToken(), CancelationToken()
    second.cancel_sync("second")
    first.cancel_sync("first")
    assert CancelationToken.any_of(waiting, first, second).message == "first"


def test_any_of_may_get_a_token_twice() -> None:
    """A token given twice counts once."""
    token, calls = CancelationToken(), list[CancelationToken]()
    either = CancelationToken.any_of(token, token)
    either.on_cancel(calls.append)
    token.cancel_sync()
    assert calls == [either]


def test_any_of_nothing_is_refused() -> None:
    """`any_of` without a token could never be cancelled by one, so it is a ValueError."""
    with pytest.raises(ValueError, match="at least one token"):
        CancelationToken.any_of()


@pytest.mark.parametrize("wrong", [None, "token", 3])
def test_what_is_no_token_is_refused_before_anything_is_linked(wrong: object) -> None:
    """A wrong argument is a TypeError that names it, and the right ones beside it are not linked."""
    token, other = CancelationToken(), CancelationToken()
    with pytest.raises(TypeError, match="only a CancelationToken can be linked"):
        token.link(other, wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="only a CancelationToken can be linked"):
        CancelationToken.any_of(other, wrong)  # type: ignore[arg-type]
    other.cancel_sync()
    assert not token.is_cancelled


def test_a_token_cannot_be_linked_to_itself() -> None:
    """Linking a token to itself is a ValueError."""
    token = CancelationToken()
    with pytest.raises(ValueError, match="itself"):
        token.link(token)


def test_a_link_works_in_one_direction() -> None:
    """Cancelling a linked token leaves those alone that it is linked to."""
    above = CancelationToken()
    below = CancelationToken.any_of(above)
    beside = CancelationToken.any_of(above)
    assert below.cancel_sync("only me")
    assert not above.is_cancelled
    assert not beside.is_cancelled
    above.cancel_sync("all")
    assert (below.message, beside.message) == ("only me", "all")


def test_link_adds_to_what_is_there() -> None:
    """A token can be linked at any time, and to any number of others."""
    token, first, second = CancelationToken(), CancelationToken(), CancelationToken()
    token.link(first)
    token.link(second)
    token.link()
    second.cancel_sync("second")
    assert token.message == "second"


def test_linking_to_a_cancelled_token_cancels_at_once() -> None:
    """The link of a token that comes late runs its callbacks before `link` returns."""
    cancelled, token, calls = CancelationToken(), CancelationToken(), list[CancelationToken]()
    cancelled.cancel_sync("before")
    token.on_cancel(calls.append)
    token.link(cancelled)
    assert token.message == "before"
    assert calls == [token]


def test_a_cancelled_token_keeps_its_reason_when_it_is_linked() -> None:
    """The first reason is kept whatever is linked later."""
    token, other = CancelationToken(), CancelationToken()
    token.cancel_sync("mine")
    other.cancel_sync("other")
    token.link(other)
    assert token.message == "mine"


def test_tokens_may_be_linked_in_a_circle() -> None:
    """In a circle each token is cancelled, and each callback runs once."""
    tokens, calls = [CancelationToken() for _ in range(5)], list[CancelationToken]()
    for token, following in itertools.pairwise([*tokens, tokens[0]]):
        following.link(token)
        token.on_cancel(calls.append)
    assert tokens[2].cancel_sync("round")
    assert {token.message for token in tokens} == {"round"}
    assert sorted(calls, key=id) == sorted(tokens, key=id)


def test_a_circle_is_collected() -> None:
    """Tokens in a circle do not stay behind when nobody uses them any more."""
    first, second = CancelationToken(), CancelationToken()
    first.link(second)
    second.link(first)
    references = [weakref.ref(first), weakref.ref(second)]
    del first, second
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_a_diamond_is_cancelled_once() -> None:
    """Where two ways lead from one token to another, its callbacks run once."""
    top, calls = CancelationToken(), list[CancelationToken]()
    left, right = CancelationToken.any_of(top), CancelationToken.any_of(top)
    bottom = CancelationToken.any_of(left, right)
    bottom.on_cancel(calls.append)
    top.cancel_sync("down")
    assert calls == [bottom]
    assert bottom.message == "down"


def test_a_callback_of_one_token_may_cancel_another() -> None:
    """Each of two tokens that cancel each other by callback keeps its own, first reason."""
    first, second = CancelationToken(), CancelationToken()
    first.on_cancel(lambda _: second.cancel_sync("by the first"))
    second.on_cancel(lambda _: first.cancel_sync("by the second"))
    first.cancel_sync("by hand")
    assert (first.message, second.message) == ("by hand", "by the first")


def test_a_long_lived_token_does_not_keep_linked_ones() -> None:
    """Tokens linked to one that lives as long as the process go when their users do, and leave nothing on it."""
    forever = CancelationToken()
    linked = [CancelationToken.any_of(forever, CancelationToken()) for _ in range(100)]
    references = [weakref.ref(token) for token in linked]
    del linked  # at once, without the help of the garbage collector
    assert not any(reference() for reference in references)
    assert not forever._listeners
    assert forever.cancel_sync()


def test_a_linked_token_does_not_keep_the_one_above() -> None:
    """A token that nobody can cancel any more is not kept by those that wait for it."""
    above = CancelationToken()
    below, gone = CancelationToken.any_of(above), weakref.ref(above)
    del above  # at once, without the help of the garbage collector
    assert gone() is None
    assert below.cancel_sync()


def test_a_token_in_the_middle_is_kept_by_the_one_that_needs_it() -> None:
    """`any_of(any_of(a, b), c)` works although nobody but the outer token knows the inner one."""
    a, b, c = CancelationToken(), CancelationToken(), CancelationToken()
    outer = CancelationToken.any_of(CancelationToken.any_of(a, b), c)
    gc.collect()
    b.cancel_sync("through the middle")
    assert outer.message == "through the middle"


def test_a_token_in_the_middle_may_be_linked_last() -> None:
    """It is kept as well where the links were made from the bottom up."""
    top, middle, bottom = CancelationToken(), CancelationToken(), CancelationToken()
    bottom.link(middle)
    middle.link(top)
    del middle
    gc.collect()
    top.cancel_sync("from above")
    assert bottom.message == "from above"


def test_a_token_in_the_middle_goes_with_the_last_that_needs_it() -> None:
    """What is kept for a linked token is let go with it, and leaves nothing above."""
    top = CancelationToken()
    middle = CancelationToken.any_of(top)
    bottom, gone = CancelationToken.any_of(middle), weakref.ref(middle)
    del middle, bottom
    gc.collect()
    assert gone() is None
    assert not top._listeners


@pytest.mark.parametrize("bottom_up", [False, True])
def test_a_chain_of_2000_links_is_cancelled(bottom_up: bool) -> None:
    """The news reaches the end of a long chain, which only its end keeps alive, without a RecursionError."""
    tokens = [CancelationToken() for _ in range(2001)]
    pairs = list(itertools.pairwise(tokens))
    for above, below in reversed(pairs) if bottom_up else pairs:
        below.link(above)
    top, bottom, calls = tokens[0], tokens[-1], list[CancelationToken]()
    bottom.on_cancel(calls.append)
    del tokens, pairs, above, below
    gc.collect()
    top.cancel_sync("all the way down")
    assert calls == [bottom]
    assert bottom.message == "all the way down"


def test_a_chain_of_2000_links_is_let_go() -> None:
    """Dropping the end of a long chain frees all of it, also without a RecursionError."""
    top = CancelationToken()
    bottom = top
    for _ in range(2000):
        bottom = CancelationToken.any_of(bottom)
    del bottom
    gc.collect()
    assert not top._listeners


def test_one_token_cancels_thousands_of_linked_ones() -> None:
    """A wide fan is told as a whole, each linked token once."""
    top, calls = CancelationToken(), list[CancelationToken]()
    linked = [CancelationToken.any_of(top) for _ in range(2000)]
    for token in linked:
        token.on_cancel(calls.append)
    top.cancel_sync("all")
    assert sorted(calls, key=id) == sorted(linked, key=id)
