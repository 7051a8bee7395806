"""What `check` says in shields and after them, and of tokens."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import Cancelable, CancelationToken, ManualCancelation, OperationStatus


async def test_check_in_a_task_that_outlives_the_shield_it_was_started_in() -> None:
    """It is silent while the shield holds, and raises once the shield has ended."""
    operation, heard = Cancelable(), list[str]()
    told, looked, over = anyio.Event(), anyio.Event(), anyio.Event()

    async def work() -> None:
        with anyio.CancelScope(shield=True):
            await told.wait()
            operation.check()
            heard.append("silent")
            looked.set()
            await over.wait()
            with pytest.raises(ManualCancelation, match="stop"):
                operation.check()
            heard.append("heard")

    with pytest.raises(ManualCancelation, match="stop"):
        async with operation, anyio.create_task_group() as group:
            try:
                async with operation.shield():
                    group.start_soon(work)
                    await operation.cancel("stop")
                    told.set()
                    await looked.wait()
            finally:
                over.set()
    assert heard == ["silent", "heard"]


async def test_shields_of_two_operations_protect_both() -> None:
    """In nested shields neither operation's `check` raises; after the inner one its operation is heard again."""
    outer, inner, log = Cancelable(name="outer"), Cancelable(name="inner"), list[str]()
    with pytest.raises(ManualCancelation, match="'outer'"):
        async with outer, inner, outer.shield():
            try:
                async with inner.shield():
                    await outer.cancel()
                    await inner.cancel()
                    await anyio.lowlevel.checkpoint()
                    outer.check()
                    inner.check()
                    log.append("protected")
            finally:
                outer.check()
                with pytest.raises(ManualCancelation, match="'inner'"):
                    inner.check()
                log.append("inner is heard")
    assert log == ["protected", "inner is heard"]
    assert outer.is_cancelled


@pytest.mark.parametrize("move_on", [False, True])
@pytest.mark.parametrize("own", [False, True])
async def test_check_of_a_token_counts_as_the_operation_s_own(own: bool, move_on: bool) -> None:
    """`check` of the operation's token, or of one it was given, ends it as its cancelation: CANCELLED, not FAILED."""
    token, reached = CancelationToken(), list[str]()
    operation = Cancelable.with_token(token, move_on=move_on)
    raised: ManualCancelation | None = None
    try:
        async with operation:
            checked = operation.token if own else token
            checked.cancel_sync("stop")
            checked.check()
            reached.append("never")
    except ManualCancelation as error:
        raised = error
    assert reached == []
    assert (raised is None) == move_on
    assert raised is None or raised.context is operation.context
    assert operation.context.status is OperationStatus.CANCELLED
    assert operation.context.cancel_message == "stop"


async def test_check_of_another_token_is_an_error_of_the_body() -> None:
    """A token that has nothing to do with the operation fails it, also where it may move on."""
    token, operation = CancelationToken(), Cancelable(move_on=True)
    token.cancel_sync("elsewhere")
    with pytest.raises(ManualCancelation, match="elsewhere"):
        async with operation:
            token.check()
    assert operation.context.status is OperationStatus.FAILED
