"""A token for all operations of a stretch of code."""

from __future__ import annotations

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationReason, CancelationToken, DisconnectCancelation, current_operation
from hother.cancelable.core import ambient_token


class Provider:
    """Makes a token when it is first asked, and counts."""

    def __init__(self) -> None:
        self.token = CancelationToken()
        self.asked = 0

    def __call__(self) -> CancelationToken:
        self.asked += 1
        return self.token


async def test_ambient_token_ends_operations_inside() -> None:
    """An operation that is entered inside ends with the token, for the token's reason."""
    provide = Provider()
    with ambient_token(provide):
        operation = Cancelable()
        assert provide.asked == 0

        async def work() -> None:
            async with operation:
                assert provide.asked == 1
                await provide.token.cancel(CancelationReason.DISCONNECT, "the client left")
                await anyio.sleep_forever()

        with pytest.raises(DisconnectCancelation, match="the client left"):
            await work()
    assert operation.parent is None
    assert provide.token._listeners == {}


async def test_ambient_token_that_nobody_needs_is_never_made() -> None:
    """Without an operation inside nobody asks for the token."""
    provide = Provider()
    with ambient_token(provide):
        assert current_operation() is None
        async with Cancelable(detached=True):
            pass
    async with Cancelable():
        pass
    assert provide.asked == 0


async def test_children_get_it_from_their_parent() -> None:
    """Only the outermost operation inside asks; what is nested in it ends with it."""
    provide = Provider()
    with ambient_token(provide):
        async with Cancelable(move_on=True) as outer, Cancelable() as inner:
            assert inner.parent is outer
            await provide.token.cancel("all")
            await anyio.sleep_forever()
    assert provide.asked == 1
    assert outer.context.cancel_reason is CancelationReason.MANUAL
    assert inner.context.cancel_reason is CancelationReason.PARENT


async def test_tasks_inherit_it() -> None:
    """Operations in tasks that are started inside end with the token, each for its reason."""
    provide, operations = Provider(), [Cancelable(move_on=True), Cancelable(move_on=True)]

    async def run(operation: Cancelable) -> None:
        async with operation:
            await anyio.sleep_forever()

    with ambient_token(provide):
        async with anyio.create_task_group() as group:
            for operation in operations:
                group.start_soon(run, operation)
            await anyio.wait_all_tasks_blocked()
            await provide.token.cancel("all")
    assert [each.context.cancel_message for each in operations] == ["all", "all"]
    assert provide.asked == 2


async def test_operation_above_stays_the_parent() -> None:
    """Inside an operation the token comes in addition to the parent."""
    provide = Provider()
    async with Cancelable(move_on=True) as above:
        with ambient_token(provide):
            assert current_operation() is above
            async with Cancelable(move_on=True) as first:
                await provide.token.cancel("token")
                await anyio.sleep_forever()
        assert first.parent is above
        assert first.context.cancel_message == "token"
        assert current_operation() is above
        with ambient_token(Provider()):
            async with Cancelable() as second:
                await above.cancel("above")
                await anyio.sleep_forever()
    assert second.context.cause is above.context


async def test_inner_stretch_takes_the_place_of_the_outer_one() -> None:
    """Of stretches inside one another the innermost one gives the token, and the outer one is back after it."""
    outer, inner = Provider(), Provider()
    with ambient_token(outer):
        with ambient_token(inner):
            async with Cancelable():
                pass
        assert (outer.asked, inner.asked) == (0, 1)
        async with Cancelable():
            pass
    assert (outer.asked, inner.asked) == (1, 1)
    assert current_operation() is None


async def test_token_of_its_own_comes_in_addition() -> None:
    """An operation with a token ends with that or with the ambient one, whichever is cancelled."""
    provide, own = Provider(), CancelationToken()
    with ambient_token(provide):
        async with Cancelable.with_token(own, move_on=True) as first:
            await own.cancel("own")
            await anyio.sleep_forever()
        async with Cancelable(token=CancelationToken(), move_on=True) as second:
            await provide.token.cancel("ambient")
            await anyio.sleep_forever()
    assert [first.context.cancel_message, second.context.cancel_message] == ["own", "ambient"]
