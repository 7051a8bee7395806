"""Retries with tenacity as docs/guides/retries.md describes them: a failure is repeated, a cancellation never is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from tenacity import (
    AsyncRetrying,
    RetryError,
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
    wait_fixed,
)

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationToken,
    ManualCancelation,
    OperationStatus,
    TimeoutCancelation,
    current_operation,
)

GUIDE = Path(__file__).parents[1] / "docs" / "guides" / "retries.md"
FAILURES = (ConnectionError, TimeoutCancelation)


def guides_predicate() -> Callable[[BaseException], bool]:
    """Return `worth_another_try` as the guide has it."""
    blocks = GUIDE.read_text().split("```python\n")[1:]
    names: dict[str, Any] = {}
    [code] = [block.partition("```")[0] for block in blocks if "def worth_another_try" in block]
    exec(compile(code, GUIDE, "exec"), names)
    predicate: Callable[[BaseException], bool] = names["worth_another_try"]
    return predicate


def retrying(**options: Any) -> AsyncRetrying:
    """Retry as the guide does, a second apart, five times at most."""
    options = {"retry": retry_if_exception_type(FAILURES), **options}
    return AsyncRetrying(stop=stop_after_attempt(5), wait=wait_fixed(1), sleep=anyio.sleep, reraise=True, **options)


class Service:
    """Something that is asked, and fails in its ways before it answers."""

    def __init__(self, *failures: Callable[[], Awaitable[object]]) -> None:
        self.attempts = 0
        self._failures = list(failures)

    async def fetch(self) -> str:
        """Answer within two seconds, or fail."""
        self.attempts += 1
        async with Cancelable.with_timeout(2, name="attempt"):
            if self._failures:
                await self._failures.pop(0)()
        return "answer"


async def refuse() -> None:
    """Fail as a server does that is not there."""
    raise ConnectionError("refused")


@pytest.mark.virtual_time
async def test_failed_attempts_are_repeated() -> None:
    """An attempt that was refused, and one whose own time was up, are followed by another one."""
    service = Service(refuse, anyio.sleep_forever)
    async with Cancelable.with_timeout(30) as operation:
        assert await retrying()(operation.wrap(service.fetch)) == "answer"
    assert service.attempts == 3


@pytest.mark.virtual_time
async def test_cancelled_attempt_is_not_repeated() -> None:
    """An operation that is cancelled in the midst of an attempt leaves the loop, with the reason of the request."""
    service = Service(anyio.sleep_forever)
    with pytest.raises(ManualCancelation, match="enough"):
        async with Cancelable(name="fetch") as operation, anyio.create_task_group() as group:
            group.start_soon(cancel_soon, operation, 1.0)
            await retrying()(operation.wrap(service.fetch))
    assert (service.attempts, operation.context.status) == (1, OperationStatus.CANCELLED)


async def cancel_soon(operation: Cancelable, seconds: float) -> None:
    """Cancel an operation in a while."""
    await anyio.sleep(seconds)
    await operation.cancel("enough")


@pytest.mark.virtual_time
async def test_cancel_between_two_attempts_ends_the_wait() -> None:
    """An operation that is cancelled while the loop waits ends then, and not after the wait."""
    service = Service(refuse)
    with pytest.raises(ManualCancelation):
        async with Cancelable(name="fetch") as operation, anyio.create_task_group() as group:
            group.start_soon(cancel_soon, operation, 0.5)
            await retrying()(operation.wrap(service.fetch))
    assert service.attempts == 1
    assert operation.context.duration is not None
    assert operation.context.duration.total_seconds() < 1


@pytest.mark.virtual_time
async def test_limit_around_the_loop_is_not_taken_for_that_of_an_attempt() -> None:
    """When the time for all attempts is over the loop ends, though the limit of one attempt is a reason to go on."""
    service = Service(*[anyio.sleep_forever] * 9)
    with pytest.raises(TimeoutCancelation) as caught:
        async with Cancelable.with_timeout(4, name="all") as operation:
            await retrying()(operation.wrap(service.fetch))
    assert service.attempts == 2
    assert caught.value.context is not None
    assert caught.value.context.name == "all"


@pytest.mark.virtual_time
async def test_operation_within_the_loop_is_not_repeated() -> None:
    """An operation that each attempt makes anew is not made again after somebody has cancelled it."""
    token = CancelationToken()
    token.cancel_sync("stop")
    service = Service(anyio.sleep_forever)

    async def fetch() -> str:
        async with Cancelable.with_token(token):
            return await service.fetch()

    with pytest.raises(ManualCancelation, match="stop"):
        await retrying()(fetch)
    assert service.attempts == 1


async def test_wrapped_function_is_not_called_after_the_request() -> None:
    """With `wrap` no attempt begins in an operation that was told to stop before."""
    service = Service()
    with pytest.raises(ManualCancelation):
        async with Cancelable() as operation:
            operation.cancel_sync("too late")
            await retrying()(operation.wrap(service.fetch))
    assert service.attempts == 0


@pytest.mark.virtual_time
async def test_operation_above_ends_the_loop() -> None:
    """When an operation above the one of the loop is cancelled, no further attempt begins."""
    service = Service(anyio.sleep_forever)
    with pytest.raises(ManualCancelation):
        async with Cancelable(name="page") as page, anyio.create_task_group() as group:
            group.start_soon(cancel_soon, page, 1.0)
            async with Cancelable(name="fetch") as operation:
                await retrying()(operation.wrap(service.fetch))
    assert service.attempts == 1


def test_predicate_knows_whose_time_is_up() -> None:
    """With the guide's predicate a thread makes no further attempt when one has seen the end of the whole."""
    attempts = 0

    def ask(operation: Cancelable) -> None:
        nonlocal attempts
        attempts += 1
        operation.cancel_sync(CancelationReason.TIMEOUT, "time is up")
        operation.check()

    async def main() -> None:
        retrying = Retrying(retry=retry_if_exception(guides_predicate()), stop=stop_after_attempt(3), reraise=True)
        async with Cancelable(name="all") as operation:
            await operation.run_in_thread(retrying, ask, operation)

    with pytest.raises(TimeoutCancelation):
        anyio.run(main)
    assert attempts == 1


async def test_predicate_lets_failures_through() -> None:
    """The guide's predicate says yes to failures while nobody has asked to stop, and no to requests to stop."""
    worth_another_try = guides_predicate()
    failures: list[BaseException] = [ConnectionError(), TimeoutCancelation()]
    async with Cancelable():
        assert [worth_another_try(error) for error in failures] == [True, True]
        assert not worth_another_try(ManualCancelation())
        assert not worth_another_try(ValueError())
    assert worth_another_try(ConnectionError())


def test_thread_stops_at_once_between_two_attempts() -> None:
    """A loop in a thread that sleeps on the token of its operation ends with it, long before its minute is over."""
    has_failed = threading.Event()

    def fetch() -> str:
        has_failed.set()
        raise ConnectionError("refused")

    def fetch_patiently() -> str:
        operation = current_operation()
        assert operation is not None

        def sleep(seconds: float) -> None:
            operation.token.wait_sync(seconds)

        return Retrying(wait=wait_fixed(60), sleep=sleep, before=lambda _: operation.check())(fetch)

    async def main() -> None:
        async with Cancelable(name="fetch") as operation, anyio.create_task_group() as group:
            group.start_soon(operation.run_in_thread, fetch_patiently)
            await anyio.to_thread.run_sync(has_failed.wait)
            operation.cancel_sync("enough")

    with pytest.raises(ManualCancelation, match="enough"):
        anyio.run(main)


@pytest.mark.virtual_time
async def test_tenacity_alone_repeats_a_cancelled_operation() -> None:
    """Why the guide asks for an allow-list: by default a request to stop inside the loop counts as a failure."""
    token = CancelationToken()
    token.cancel_sync("stop")
    attempts = 0
    with pytest.raises(RetryError):
        async for attempt in AsyncRetrying(stop=stop_after_attempt(3), sleep=anyio.sleep):
            with attempt:
                attempts += 1
                async with Cancelable.with_token(token):
                    await anyio.sleep(1)
    assert attempts == 3


@pytest.mark.virtual_time
@pytest.mark.loops("asyncio")
async def test_tenacity_with_a_list_of_exceptions_swallows_a_native_cancel() -> None:
    """Why the guide warns of `retry_if_not_exception_type`: a task that was cancelled goes on as if nothing was."""
    service = Service(anyio.sleep_forever)
    retry = retry_if_not_exception_type(ValueError)
    task: asyncio.Task[str] = asyncio.create_task(retrying(retry=retry)(service.fetch))
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    assert await task == "answer"
    assert service.attempts == 2
