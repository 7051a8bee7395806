"""What the examples' README of the documents shows about sources, combining, errors and progress works as it says."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationToken,
    TimeoutCancelation,
    with_timeout,
)

Run = Callable[[Coroutine[Any, Any, list[str]]], list[str]]


def run_eagerly(main: Coroutine[Any, Any, list[str]]) -> list[str]:
    """Run a program on asyncio whose tasks start at once."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]
        return runner.run(main)


def run_on_uvloop(main: Coroutine[Any, Any, list[str]]) -> list[str]:
    """Run a program on uvloop."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def run_with_anyio(main: Coroutine[Any, Any, list[str]]) -> list[str]:
    """Run a program as the examples do."""

    async def as_function() -> list[str]:
        return await main

    return anyio.run(as_function)


each_way_to_run = pytest.mark.parametrize(
    "run",
    [
        asyncio.run,
        run_with_anyio,
        pytest.param(run_eagerly, marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="came with 3.12")),
        pytest.param(run_on_uvloop, marks=pytest.mark.skipif(sys.platform == "win32", reason="no uvloop there")),
    ],
)


@pytest.mark.virtual_time
async def test_combination_ends_by_its_timeout() -> None:
    """A timeout combined with a signal ends after its time when no signal comes, and the parts stay unused."""
    timeout_cancel = Cancelable.with_timeout(30.0)
    signal_cancel = Cancelable.with_signal(signal.SIGINT)
    combined = timeout_cancel.combine(signal_cancel)
    before, begun = signal.getsignal(signal.SIGINT), anyio.current_time()
    with pytest.raises(TimeoutCancelation):
        async with combined as cancel:
            assert cancel is combined
            assert signal.getsignal(signal.SIGINT) != before
            await anyio.sleep(3600)
    assert anyio.current_time() - begun == pytest.approx(30)
    assert signal.getsignal(signal.SIGINT) == before
    assert [timeout_cancel.cancel_requested, signal_cancel.cancel_requested] == [False, False]


async def test_combination_lets_work_finish() -> None:
    """A combination whose sources are silent changes nothing of the work."""
    combined = Cancelable.with_timeout(30.0).combine(Cancelable.with_signal(signal.SIGINT))
    async with combined as cancel:
        await anyio.sleep(0)
    assert cancel.is_completed
    assert not cancel.cancel_requested


SIGNALLED = """
    import asyncio, os, signal, sys
    import anyio
    from hother.cancelable import Cancelable, CancelationError

    async def main():
        operation = Cancelable.with_signal(signal.SIGINT, signal.SIGTERM)
        if "combined" in sys.argv:
            operation = Cancelable.with_timeout(30.0).combine(Cancelable.with_signal(signal.SIGINT))
        kind = asyncio.CancelledError if "native" in sys.argv else CancelationError
        former = signal.getsignal(signal.SIGINT)
        try:
            async with operation as cancel:
                os.kill(os.getpid(), signal.Signals[sys.argv[2]])
                await anyio.sleep(20)
        except kind as error:
            print(error.reason, cancel.context.cancel_origin, signal.getsignal(signal.SIGINT) == former)

    backend, _, uvloop = sys.argv[1].partition("+")
    anyio.run(main, backend=backend, backend_options={"use_uvloop": True} if uvloop else {})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="on Windows no program can send itself these signals")
@pytest.mark.parametrize("backend", ["asyncio", "asyncio+uvloop", "trio"])
@pytest.mark.parametrize(
    ("arguments", "origin"),
    [(["SIGINT"], "SIGINT, SIGTERM"), (["SIGTERM"], "SIGINT, SIGTERM"), (["SIGINT", "combined"], "SIGINT")],
    ids=["SIGINT", "SIGTERM", "combined"],
)
def test_signal_ends_it(backend: str, arguments: list[str], origin: str) -> None:
    """A program that gets one of the signals ends its work; on asyncio the documents' `except` catches that, too."""
    flavours = [[]] if backend == "trio" else [[], ["native"]]
    for flavour in flavours:
        program = [sys.executable, "-W", "error", "-c", textwrap.dedent(SIGNALLED), backend, *arguments, *flavour]
        done = subprocess.run(program, capture_output=True, text=True, timeout=20, check=False)
        assert (done.stderr, done.stdout, done.returncode) == ("", f"signal {origin} True\n", 0)


@each_way_to_run
def test_native_error_handling_around_a_block(run: Run) -> None:
    """In a program's main task `except asyncio.CancelledError` catches a timeout, and it can await its clean-up."""

    async def main() -> list[str]:
        done = list[str]()
        try:
            async with Cancelable.with_timeout(0.01):
                await anyio.sleep(60)
                done.append("worked")
        except asyncio.CancelledError:
            await anyio.sleep(0)
            done.append("cleaned up")
        await anyio.sleep(0)
        return [*done, "went on"]

    assert run(main()) == ["cleaned up", "went on"]


@each_way_to_run
def test_native_error_handling_around_a_call(run: Run) -> None:
    """The same `except` catches what the helper `with_timeout` raises, as `except TimeoutError` does."""

    async def main() -> list[str]:
        done = list[str]()
        try:
            await with_timeout(0.01, anyio.sleep(60))
        except asyncio.CancelledError as error:
            done.append(str(error))
        try:
            await with_timeout(0.01, anyio.sleep(60), name="wait")
        except TimeoutError as error:
            done.append(str(error))
        return done

    by_itself, by_name = run(main())
    assert by_itself.endswith("was cancelled (timeout): not done within 0.01 s")
    assert by_name == "operation 'wait' was cancelled (timeout): not done within 0.01 s"


@pytest.mark.virtual_time
async def test_error_handling_on_every_loop() -> None:
    """Caught as what it is, a timeout needs no main task and no asyncio, and the clean-up is not interrupted."""
    cleaned_up = False
    try:
        async with Cancelable.with_timeout(5.0):
            await anyio.sleep(60)
    except CancelationError:
        await anyio.sleep(1)
        cleaned_up = True
    assert cleaned_up


async def test_progress_reporting() -> None:
    """Each report of a loop over items reaches the callback, in order, with the operation's id."""
    heard = list[tuple[str, str]]()
    operation = Cancelable(name="data_processor")
    operation.on_progress(lambda operation_id, message, metadata: heard.append((operation_id, message)))
    async with operation as cancel:
        for item in ("apple", "pear"):
            await cancel.report_progress(f"Processing {item}")
            await anyio.sleep(0)
    assert heard == [(operation.operation_id, "Processing apple"), (operation.operation_id, "Processing pear")]
    assert operation.context.name == "data_processor"


async def test_progress_reporting_without_a_listener() -> None:
    """Reporting is fine where nobody listens."""
    async with Cancelable(name="data_processor") as cancel:
        await cancel.report_progress("Processing")
    assert cancel.is_completed


@pytest.mark.virtual_time
async def test_each_source_gives_its_reason() -> None:
    """Timeouts, conditions and tokens end an operation, each with its own reason."""
    token, later = CancelationToken(), anyio.current_time() + 2
    operations = {
        CancelationReason.TIMEOUT: Cancelable.with_timeout(5),
        CancelationReason.CONDITION: Cancelable.with_condition(lambda: anyio.current_time() >= later),
        CancelationReason.MANUAL: Cancelable.with_token(token),
    }
    for reason, operation in operations.items():
        async with anyio.create_task_group() as group:
            if reason is CancelationReason.MANUAL:
                group.start_soon(token.cancel)
            with pytest.raises(CancelationError) as caught:
                async with operation:
                    await anyio.sleep(60)
        assert caught.value.reason is reason
