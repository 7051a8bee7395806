"""The rows that an operation or a token takes part in, on the running loop."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
from anyio.lowlevel import checkpoint
from measuring import QUIETLY, Row, per_call

from hother.cancelable import Cancelable, CancelationToken, ManualCancelation

token = CancelationToken()
ENDINGS = ManualCancelation, asyncio.CancelledError
"""What leaves an operation that was cancelled; the predecessor passes on the second."""


async def fail_after(times: int) -> None:
    for _ in range(times):
        with anyio.fail_after(10):
            pass


async def with_timeout(times: int) -> None:
    for _ in range(times):
        async with Cancelable.with_timeout(10):
            pass


async def no_source(times: int) -> None:
    for _ in range(times):
        async with Cancelable():
            pass


async def with_token(times: int) -> None:
    for _ in range(times):
        async with Cancelable.with_token(token):
            pass


async def combined(times: int) -> None:
    for _ in range(times):
        async with Cancelable.with_timeout(10).combine(Cancelable.with_token(token)):
            pass


async def registered(times: int) -> None:
    for _ in range(times):
        async with Cancelable(register_globally=True):
            pass


async def cancel_scope(times: int) -> None:
    for _ in range(times):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await checkpoint()


async def cancel_scope_and_raise(times: int) -> None:
    for _ in range(times):
        try:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await checkpoint()
            if scope.cancelled_caught:
                raise TimeoutError
        except TimeoutError:
            pass


async def cancel_and_move_on(times: int) -> None:
    for _ in range(times):
        async with Cancelable(**QUIETLY) as operation:
            await operation.cancel()
            await checkpoint()


async def cancel_and_raise(times: int) -> None:
    for _ in range(times):
        try:
            async with Cancelable() as operation:
                await operation.cancel()
                await checkpoint()
        except ENDINGS:
            pass


async def create_events(times: int) -> None:
    for _ in range(times):
        anyio.Event()


async def create_tokens(times: int) -> None:
    for _ in range(times):
        CancelationToken()


def _followed(operation_id: str, message: Any, metadata: dict[str, Any] | None) -> None:
    pass


async def bare_callback(times: int) -> None:
    for _ in range(times):
        _followed("id", "half", None)


async def report_progress(times: int) -> None:
    async with Cancelable() as operation:
        operation.on_progress(_followed)
        for _ in range(times):
            await operation.report_progress("half")


ROWS = [
    Row("enter and leave `with_timeout`", "`anyio.fail_after`", 1.2, per_call(with_timeout), per_call(fail_after)),
    Row("enter and leave, no source", "`anyio.fail_after`", 0.8, per_call(no_source), per_call(fail_after)),
    Row("enter and leave `with_token`", "`anyio.fail_after`", 1.0, per_call(with_token), per_call(fail_after)),
    Row("`with_timeout().combine(with_token())`", "`anyio.fail_after`", 2, per_call(combined), per_call(fail_after)),
    Row("no source, registered in memory", "`anyio.fail_after`", 1.2, per_call(registered), per_call(fail_after)),
    Row(
        "cancel and leave, `move_on`",
        "`CancelScope.cancel`",
        1.3,
        per_call(cancel_and_move_on, 500),
        per_call(cancel_scope, 500),
        former=False,
    ),
    Row(
        "cancel and leave, raising",
        "`CancelScope.cancel`, then `raise`",
        1.4,
        per_call(cancel_and_raise, 500),
        per_call(cancel_scope_and_raise, 500),
    ),
    Row("create a token", "`anyio.Event()`", 1, per_call(create_tokens), per_call(create_events)),
    Row(
        "`report_progress` to one sync callback",
        "the bare call",
        4,
        per_call(report_progress, 50_000),
        per_call(bare_callback, 50_000),
    ),
]
