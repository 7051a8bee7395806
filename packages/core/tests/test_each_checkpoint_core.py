"""Each public async function and context manager of the package, cancelled at each of its suspension points."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationSource,
    CancelationToken,
    ambient_token,
    cancelable,
    cancelable_combine,
    cancelable_method,
    cancelable_with_token,
    with_cancelable,
    with_current_operation,
    with_timeout,
)
from hother.cancelable.core import current_loop, start_beside
from hother.cancelable.testing import FakeSource, cancel_at_each_checkpoint, nothing_left_behind

from .shared import here

Function = Callable[[], Awaitable[object]]


class Waiting(CancelationSource):
    """A source with a task that waits until it is stopped, and takes a turn to stop."""

    async def wait(self) -> str | None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await checkpoint()
        return None


async def pause(*_: object) -> None:
    """Take two turns."""
    await checkpoint()
    await checkpoint()


async def operation() -> None:
    """An operation with everything: callbacks, sources with and without tasks, a token, a deadline, progress."""
    token = CancelationToken()
    whole = Cancelable(timeout=60, token=token, sources=[Waiting(), FakeSource()], name="whole")
    whole.on_start(pause).on_progress(pause).on_complete(pause).on_cancel(pause).on_error(pause)
    async with whole as cancel:
        await pause()
        await cancel.report_progress("half")
        await cancel.check_cancelation()


async def operation_that_fails() -> None:
    """An operation whose body raises."""
    try:
        async with Cancelable(sources=[Waiting()]).on_error(pause):
            await pause()
            raise KeyError
    except KeyError:
        await checkpoint()


async def operation_that_is_cancelled() -> None:
    """An operation that ends by itself in several ways, one inside the other."""
    token = CancelationToken()
    async with Cancelable.with_token(token, move_on=True).on_cancel(pause), Cancelable(sources=[Waiting()]):
        await token.cancel()
        await anyio.sleep(60)


async def nested_in_groups() -> None:
    """Operations in tasks of a group, below one around them."""

    async def child() -> None:
        async with Cancelable():
            await pause()

    async with Cancelable(), anyio.create_task_group() as group:
        group.start_soon(child)
        group.start_soon(child)


async def combined() -> None:
    """Two operations in one."""
    async with Cancelable.with_timeout(60).combine(Cancelable(sources=[Waiting()]), Cancelable()) as cancel:
        cancel.reschedule(30)
        await pause()


async def shielded() -> None:
    """A part that is protected, within a limit and without."""
    async with Cancelable.with_timeout(60) as cancel:
        async with cancel.shield():
            await pause()
        async with cancel.shield(timeout=60):
            await pause()


async def waiting_for_the_end() -> None:
    """One task ends an operation of another one, and waits until it has ended."""
    operation = Cancelable(move_on=True)

    async def work() -> None:
        async with operation:
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        while not operation.is_running:
            await checkpoint()
        await operation.cancel_and_wait(timeout=60)


async def waiting_for_a_token() -> None:
    """A task that waits for a token, and one that cancels it."""
    token, further = CancelationToken(), CancelationToken()
    token.link(further)
    async with anyio.create_task_group() as group:
        group.start_soon(token.wait_for_cancel)
        await checkpoint()
        await further.cancel()
    token.link(CancelationToken())


async def in_a_thread() -> None:
    """A blocking call of an operation, which ends by itself."""
    async with Cancelable() as cancel:
        await cancel.run_in_thread(here)


async def wrapped() -> None:
    """Functions that look before they call."""
    async with Cancelable() as cancel:
        await cancel.wrap(pause)()
        async with cancel.wrapping() as wrap:
            await wrap(pause)


async def ambient() -> None:
    """Operations in a stretch of code with a token."""
    token = CancelationToken()
    with ambient_token(lambda: token):
        async with Cancelable():
            await pause()


async def beside() -> None:
    """A task beside this one."""
    task = start_beside(current_loop(), anyio.sleep_forever, "beside")
    try:
        await pause()
    finally:
        await task.stop()


async def decorated() -> None:
    """Functions and methods with the decorators."""

    class Service:
        @cancelable_method(timeout=60)
        async def call(self) -> None:
            await pause()

    @cancelable(timeout=60)
    async def with_operation() -> None:
        await pause()

    @cancelable_with_token(CancelationToken())
    async def token_given() -> None:
        await pause()

    @cancelable_combine(Cancelable.with_timeout(60), Cancelable())
    async def both() -> None:
        await pause()

    @with_cancelable(Cancelable())
    async def shared() -> None:
        await pause()

    @with_current_operation()
    async def inside() -> None:
        await pause()

    await Service().call()
    await with_operation()
    await token_given()
    await both()
    await shared()
    async with Cancelable():
        await inside()
    await with_timeout(60, pause())


async def decorated_generator() -> None:
    """An async generator with a decorator, used up and left early."""

    @cancelable(timeout=60, sources=[FakeSource()])
    async def count() -> AsyncGenerator[int, None]:
        for number in range(3):
            await checkpoint()
            yield number

    from contextlib import aclosing

    async with aclosing(count()) as numbers:
        async for _ in numbers:
            await checkpoint()
    async with aclosing(count()) as numbers:
        async for _ in numbers:
            await checkpoint()
            break


async def failing_callback() -> None:
    """What watches the block of a test: it must not keep the cancellation from passing."""
    async with nothing_left_behind():
        await pause()


FUNCTIONS: list[Function] = [
    operation,
    operation_that_fails,
    operation_that_is_cancelled,
    nested_in_groups,
    combined,
    shielded,
    waiting_for_the_end,
    waiting_for_a_token,
    wrapped,
    ambient,
    beside,
    decorated,
    decorated_generator,
    failing_callback,
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
async def test_it_survives_cancellation_everywhere(function: Function) -> None:
    """Nothing is left behind, swallowed, or turned into another exception, at whichever point and in whichever way."""
    done = await cancel_at_each_checkpoint(function, ways=["native", "twice", "token", "timeout"])
    assert done.points
    assert done.missed <= done.runs / 5  # where tasks run side by side their order may be another one


async def test_a_thread_survives_cancellation_everywhere() -> None:
    """The same for a job in a thread, whose points come when they do."""
    await cancel_at_each_checkpoint(in_a_thread)


async def test_an_operation_ends_for_the_right_reason_everywhere() -> None:
    """Wherever it is cancelled from outside, its own record says so, or that it was complete."""
    ends: list[Cancelable] = []

    async def record() -> None:
        async with Cancelable(sources=[Waiting()]) as cancel:
            ends.append(cancel)
            await pause()

    def agrees() -> None:
        for end in ends:
            assert end.context.status.value in {"completed", "cancelled"}, end.context
            assert end.context.cancel_reason in {None, "parent", "external"}, end.context

    await cancel_at_each_checkpoint(record, invariant=agrees)
    assert any(end.is_cancelled for end in ends)


async def test_an_error_of_the_operation_is_no_other_exception() -> None:
    """`check` of an enclosing operation raises the cancelation of the way itself, which is fine."""

    async def check() -> None:
        try:
            await checkpoint()
        finally:
            here_or_nowhere()

    def here_or_nowhere() -> None:
        from hother.cancelable import current_operation

        operation = current_operation()
        if operation is not None:
            operation.check()

    await cancel_at_each_checkpoint(check)
    with pytest.raises(CancelationError):
        async with Cancelable() as cancel:
            await cancel.cancel()
            cancel.check()
