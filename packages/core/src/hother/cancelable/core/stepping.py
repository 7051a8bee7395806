"""An operation that spans an async generator without holding its scope while the generator waits for its consumer.

A scope that is open across a `yield` interrupts the wrong code (https://peps.python.org/pep-0789/).
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

from .backend import native_cancel_requests
from .operation import Cancelable
from .reason import OperationStatus

T = TypeVar("T")

Prepare = Callable[[tuple[Any, ...], dict[str, Any]], tuple[Cancelable, tuple[Any, ...], dict[str, Any]]]
"""Makes the operation of one call, and the arguments that the function gets."""


def stepwise(
    function: Callable[..., AsyncGenerator[T, Any]], prepare: Prepare
) -> Callable[..., AsyncGenerator[T, Any]]:
    """Return an async generator function that runs each iteration of another one as an operation, step by step.

    What the consumer sends and throws reaches the generator.
    """

    @functools.wraps(function)
    async def generate(*args: Any, **kwargs: Any) -> AsyncGenerator[T, Any]:
        operation, args, kwargs = prepare(args, kwargs)
        generator = function(*args, **kwargs)
        advance: Callable[[], Awaitable[T]] = generator.__anext__
        try:
            while True:
                try:
                    item = await step(operation, advance)
                except StopAsyncIteration:
                    return
                try:
                    sent = yield item
                except GeneratorExit:
                    raise
                except BaseException as thrown:
                    advance = functools.partial(generator.athrow, thrown)
                else:
                    advance = functools.partial(generator.asend, sent)
        finally:
            await end_steps(operation, generator.aclose)

    return generate


async def step(operation: Cancelable, advance: Callable[[], Awaitable[T]]) -> T:
    """Await one step with the operation's scope open around it, and nowhere else. The first one enters the operation.

    A native cancel that comes while the sources are stopped after the step is delivered at the next wait.

    Returns:
        What the step gave.

    Raises:
        StopAsyncIteration: When the steps are at their end, or the operation moves on; it was left then.
        CancelationError: If the operation was told to stop.
    """
    if operation._status is OperationStatus.PENDING:
        await operation.__aenter__()
    else:
        await operation._resume()
    try:
        item = await advance()
    except StopAsyncIteration:
        await operation.__aexit__(None, None, None)
        raise
    except BaseException:
        if await operation.__aexit__(*sys.exc_info()):
            raise StopAsyncIteration from None
        raise
    try:
        await operation._suspend()
    except asyncio.CancelledError as error:
        if not postponed(error):
            raise
    return item


def postponed(interruption: asyncio.CancelledError, before: int = 0) -> bool:
    """Have a native cancel delivered at the next wait of the current task, where it would lose what was received.

    A shielded scope does not stop `Task.cancel`, which `asyncio.timeout` uses, too. The number of requests that
    `Task.cancelling` gives stays as it is.

    Args:
        interruption: What a wait has raised.
        before: How many requests there were before that wait.

    Returns:
        Whether it is one; if not, it is to be raised.
    """
    if native_cancel_requests() <= before:
        return False
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()
    task.cancel(*interruption.args)
    return True


async def end_steps(operation: Cancelable, close: Callable[[], Awaitable[object]]) -> None:
    """Leave the operation where it has not ended, in whichever task this is called.

    Args:
        operation: The operation.
        close: What there is to close in it.
    """
    if not operation.is_running:
        await close()
        return
    await operation._resume()
    try:
        await close()
    except BaseException:
        if not await operation.__aexit__(*sys.exc_info()):
            raise
    else:
        await operation.__aexit__(None, None, None)


def entered_here(operation: Cancelable) -> bool:
    """Tell whether the operation was entered by the current task, so that its scope is open around what runs now."""
    return operation._scope is not None and operation._task is operation._backend.current_task()
