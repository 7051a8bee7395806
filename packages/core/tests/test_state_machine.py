"""Random trees of operations, run on virtual time and held against a model of the contract."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import anyio
import pytest
from anyio.lowlevel import checkpoint_if_cancelled
from hypothesis import HealthCheck, assume, given, settings

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationToken,
    OperationContext,
    current_operation,
)

from .contract import INTERRUPTED, Record
from .contract_run import Outcome, expected, flat
from .programs import (
    MOST_TIMES,
    TOKENS,
    Cancel,
    Fail,
    Group,
    Link,
    Operation,
    Program,
    Scoped,
    Shielded,
    Sleep,
    Spawn,
    Step,
    Swallow,
    programs,
)

TICKS = 2**MOST_TIMES
"""All times are whole multiples of one such part of a second, but for what the virtual clock adds."""


class Failure(Exception):
    """What the step `Fail` raises."""


@contextmanager
def _signal_handler(handler: Callable[[], object]) -> Generator[None]:
    before = signal.signal(signal.SIGINT, lambda *_: handler() and None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Run:
    """Runs a program with real operations."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.tokens = [CancelationToken() for _ in range(TOKENS)]
        self.operations = [self._operation(step) for step in program.operations]
        self.outcome = Outcome([Record() for _ in program.operations])

    def _operation(self, step: Operation) -> Cancelable:
        token = None if step.token is None else self.tokens[step.token]
        return Cancelable(timeout=step.timeout, token=token, detached=step.detached, move_on=step.move_on)

    async def finish(self) -> Outcome:
        self.start = anyio.current_time()
        async with anyio.create_task_group() as self.root:
            self.root.start_soon(self._task, self.program.body)
        for operation, record in zip(self.operations, self.outcome.operations, strict=True):
            context = operation.context
            record.status, record.reason = context.status, context.cancel_reason
            record.requested = not operation.is_pending and operation.cancel_requested
            record.culprit = self._index(context.cause)
        return self.outcome

    def _index(self, cause: object) -> int | None:
        if cause is None:
            return None
        assert isinstance(cause, OperationContext)
        return next(index for index, each in enumerate(self.operations) if each.context is cause)

    def name(self, error: BaseException) -> str | frozenset[str]:
        """Return what the model calls an exception."""
        if isinstance(error, BaseExceptionGroup):
            names = flat(self.name(each) for each in error.exceptions) - {INTERRUPTED}
            return names or INTERRUPTED
        if isinstance(error, CancelationError):
            return f"{error.reason} of {self._index(error.context)}"
        if isinstance(error, TimeoutError):
            return "limit of a shield"
        return str(error) if isinstance(error, Failure) else INTERRUPTED

    async def _task(self, body: tuple[Step, ...]) -> None:
        try:
            await self._body(body)
        except BaseException as error:
            if (name := self.name(error)) == INTERRUPTED:
                raise
            self.outcome.tasks.append(name)

    async def _body(self, body: tuple[Step, ...]) -> None:
        for step in body:
            match step:
                case Sleep():
                    await anyio.sleep(step.seconds)
                case Cancel():
                    self.outcome.won[step.number] = await self._cancel(step)
                case Link():
                    self.tokens[step.downstream].link(self.tokens[step.upstream])
                case Fail():
                    raise Failure(f"failure {step.number}")
                case Spawn():
                    self.root.start_soon(self._task, step.body)
                case _:
                    await self._block(step)

    async def _block(self, step: Operation | Shielded | Scoped | Swallow | Group) -> None:
        match step:
            case Operation():
                await self._operate(step)
            case Shielded():
                await self._shielded(step)
            case Scoped():
                with anyio.move_on_after(step.limit):
                    await self._body(step.body)
            case Swallow():
                try:
                    await self._body(step.body)
                except BaseException as error:
                    if self.name(error) != INTERRUPTED:
                        raise
            case Group():
                async with anyio.create_task_group() as group:
                    for body in step.children:
                        group.start_soon(self._body, body)
                    await self._body(step.body)
                await checkpoint_if_cancelled()  # on trio the end of a group cannot be interrupted

    async def _operate(self, step: Operation) -> None:
        record = self.outcome.operations[step.index]
        try:
            async with self.operations[step.index]:
                await self._body(step.body)
        except BaseException as error:
            record.left = self.name(error)
            if not step.catches or record.left == INTERRUPTED:
                raise
        finally:
            record.ended = anyio.current_time() - self.start

    async def _shielded(self, step: Shielded) -> None:
        operation = current_operation()
        if operation is None:
            await self._body(step.body)
            return
        async with operation.shield(step.limit):
            await self._body(step.body)

    async def _cancel(self, step: Cancel) -> bool:
        number = step.index % (len(self.operations) if step.of == "operation" else TOKENS)
        target = self.operations[number] if step.of == "operation" else self.tokens[number]
        won: list[bool] = []

        def cancel() -> None:
            won.append(target.cancel_sync(step.reason))

        if step.via == "await":
            won.append(await target.cancel(step.reason))
        elif step.via == "sync":
            cancel()
        elif step.via == "thread":
            thread = threading.Thread(target=cancel)
            thread.start()
            thread.join()
        else:
            with _signal_handler(cancel):
                signal.raise_signal(signal.SIGINT)
        return won[0]


def _agreed(program: Program) -> Outcome:
    """Return the outcome that the contract asks for, if it is the same in whichever order a loop runs its tasks."""
    generator = random.Random(0)
    first, *others = (
        expected(program, pick) for pick in (lambda n: 0, lambda n: n - 1, generator.randrange, generator.randrange)
    )
    assume(all(other == first for other in others))
    return first


@pytest.mark.virtual_time
@pytest.mark.timeout(60)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(program=programs())
async def test_trees_of_operations_end_as_the_contract_says(program: Program) -> None:
    """What leaves each block, when, its status, reason and culprit, and who won, are what the model computes."""
    wanted = _agreed(program)
    outcome = await Run(program).finish()
    for each in wanted.operations + outcome.operations:
        each.ended = None if each.ended is None else round(each.ended * TICKS)
    assert outcome.operations == wanted.operations
    assert outcome.won == wanted.won
    assert sorted(map(str, outcome.tasks)) == sorted(map(str, wanted.tasks))
