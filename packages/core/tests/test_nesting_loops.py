"""Children of an operation that run on another event loop, in another thread."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    ManualCancelation,
    ParentCancelation,
    TimeoutCancelation,
    current_operation,
)

BACKENDS = ["asyncio", "trio"]


class Elsewhere:
    """A child on a loop of its own, and what left its block."""

    def __init__(self, backend: str, *, cancel_parent: bool = True) -> None:
        self.backend, self.cancel_parent = backend, cancel_parent
        self.operation = Cancelable(name="elsewhere")
        self.left: BaseException | None = None

    def __call__(self) -> None:
        try:
            anyio.run(self.run, backend=self.backend)
        except BaseException as error:
            self.left = error

    async def run(self) -> None:
        above = current_operation()
        async with self.operation:
            assert above is not None
            assert self.operation.parent is above
            if self.cancel_parent:
                above.cancel_sync("stop")
            await anyio.sleep_forever()


@pytest.mark.parametrize("backend", BACKENDS)
async def test_parent_ends_a_child_on_another_loop(backend: str) -> None:
    """A request to the parent reaches the child's loop in its thread; both end, each for its own reason."""
    parent, child = Cancelable(name="here"), Elsewhere(backend)
    with pytest.raises(ManualCancelation, match="stop"):
        async with parent:
            await parent.run_in_thread(child)
    assert isinstance(child.left, ParentCancelation)
    assert child.left.message == "stop"
    context = child.operation.context
    assert (context.status, context.cancel_reason) == ("cancelled", "parent")
    assert context.cause is parent.context
    assert context.parent_id == parent.operation_id


@pytest.mark.parametrize("backend", BACKENDS)
async def test_deadline_of_a_parent_on_another_loop(backend: str) -> None:
    """The parent's deadline, on its own loop's clock, ends the child, too."""
    parent, child = Cancelable.with_timeout(0.05), Elsewhere(backend, cancel_parent=False)
    with pytest.raises(TimeoutCancelation):
        async with parent:
            await parent.run_in_thread(child)
    assert isinstance(child.left, ParentCancelation)
    assert child.left.message == "not done within 0.05 s"
    assert child.operation.context.cause is parent.context


@pytest.mark.parametrize("backend", BACKENDS)
async def test_child_on_another_loop_ends_alone(backend: str) -> None:
    """A child that is cancelled there raises there, and its parent goes on."""

    async def run() -> str:
        async with Cancelable(move_on=True) as child:
            await child.cancel("just me")
            await anyio.sleep_forever()
        assert child.context.cancel_reason is CancelationReason.MANUAL
        return "done"

    async with Cancelable() as parent:
        assert await parent.run_in_thread(partial(anyio.run, run, backend=backend)) == "done"
        assert not parent.cancel_requested
    assert parent.is_completed


async def test_parent_that_was_told_before_the_other_loop_runs() -> None:
    """A child that is entered elsewhere after the request ends at its first checkpoint."""
    parent, child = Cancelable(), Elsewhere("asyncio", cancel_parent=False)

    async def work() -> None:
        async with parent:
            with anyio.CancelScope(shield=True):
                await parent.cancel("early")
                await parent.run_in_thread(child)
            await anyio.sleep_forever()

    with pytest.raises(ManualCancelation):
        await work()
    assert isinstance(child.left, ParentCancelation)
    assert child.left.message == "early"


async def test_check_of_a_child_elsewhere_knows_its_own_request_alone() -> None:
    """`check` on the other loop raises once the link has told the child, and names it."""
    raised: list[CancelationError] = []

    async def run() -> None:
        parent = current_operation()
        assert parent is not None
        async with Cancelable(move_on=True) as child:
            parent.cancel_sync("stop")
            with anyio.CancelScope(shield=True):
                await child.token.wait_for_cancel()
            try:
                child.check()
            except ParentCancelation as error:
                raised.append(error)

    async with Cancelable(move_on=True) as here:
        await here.run_in_thread(partial(anyio.run, run))
    assert raised[0].message == "stop"
    assert here.is_cancelled
