"""Storms: threads that cancel, link, wait and register beside event loops whose operations share tokens and parents."""

from __future__ import annotations

import functools
import random
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationError,
    CancelationReason,
    CancelationToken,
)
from hother.cancelable.core import has_listeners

THREADS = 8
LOOPS: list[dict[str, Any]] = [
    {"backend": "asyncio"},
    {"backend": "asyncio", "backend_options": {"use_uvloop": sys.platform != "win32"}},
    {"backend": "trio"},
    {"backend": "trio"},
]
SLOTS = 40
"""How many tokens, and how many operations, can be reached from everywhere."""


@pytest.fixture(autouse=True)
def _switch_threads_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


class Storm:
    """What threads and loops share, and what they have seen."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self.all: list[CancelationToken] = []
        self.tokens = [self.new_token() for _ in range(SLOTS)]
        self.operations = [Cancelable() for _ in range(SLOTS)]
        self.lost: list[object] = []
        """What contradicts the contract."""
        self.seen: list[Counter[str]] = []
        self.errors: list[BaseException] = []
        self.intruders: list[Intruder] = []

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.end or bool(self.errors)

    def new_token(self) -> CancelationToken:
        token = CancelationToken()
        self.all.append(token)
        return token

    def thread(self, work: Callable[[Counter[str], random.Random], None], seed: int) -> threading.Thread:
        """Start a thread that counts what it does."""
        seen = Counter[str]()
        self.seen.append(seen)

        def run() -> None:
            try:
                work(seen, random.Random(seed))
            except BaseException as error:
                self.errors.append(error)

        thread = threading.Thread(target=run, name=f"storm {seed}")
        thread.start()
        return thread


class Intruder:
    """A thread that does to tokens and operations whatever a thread may do."""

    def __init__(self, storm: Storm, seen: Counter[str], generator: random.Random) -> None:
        self.storm = storm
        self.seen = seen
        self.random = generator
        self.calls = Counter[int]()
        storm.intruders.append(self)
        self.registered = 0

    def run(self) -> None:
        actions = [self.cancel, self.cancel_operation, self.register, self.link, self.wait, self.read]
        while not self.storm.is_over:
            action = self.random.choice(actions)
            action(self.random.randrange(SLOTS))
            self.seen[action.__name__] += 1
            time.sleep(0)

    def cancel(self, slot: int) -> None:
        token = self.storm.tokens[slot]
        self.storm.tokens[slot] = self.storm.new_token()
        message = f"{threading.current_thread().name} {slot}"
        if token.cancel_sync(message) and token.message != message:
            self.storm.lost.append((token.message, message))
        if not token.is_cancelled:
            self.storm.lost.append(token)

    def cancel_operation(self, slot: int) -> None:
        operation = self.storm.operations[slot]
        if operation.cancel_sync("by a thread") and operation.token.message != "by a thread":
            self.storm.lost.append(operation)

    def register(self, slot: int) -> None:
        number, token = self.seen["register"], self.storm.tokens[slot]
        registration = token.on_cancel(lambda _: self.calls.update((number,)))
        if self.random.random() < 0.5 and registration.unregister():
            self.seen["stopped"] += 1
            if self.calls[number]:
                self.storm.lost.append(registration)
        else:
            self.registered += 1

    def link(self, slot: int) -> None:
        upstream = self.storm.tokens[slot]
        token = CancelationToken.any_of(upstream, self.storm.new_token())
        if upstream.is_cancelled and not token.is_cancelled:
            self.storm.lost.append(token)
        if self.random.random() < 0.2:
            self.storm.tokens[self.random.randrange(SLOTS)] = token
            self.storm.all.append(token)

    def wait(self, slot: int) -> None:
        token = self.storm.tokens[slot]
        if token.wait_sync(0.0005) and not token.is_cancelled:
            self.storm.lost.append(token)

    def read(self, slot: int) -> None:
        token, operation = self.storm.tokens[slot], self.storm.operations[slot]
        if (token.is_cancelled and token.reason is None) or operation.context.id != operation.operation_id:
            self.storm.lost.append(token)


class Worker:
    """A task on a loop that runs one operation after the other."""

    def __init__(self, storm: Storm, seen: Counter[str], generator: random.Random) -> None:
        self.storm = storm
        self.seen = seen
        self.random = generator

    async def run(self) -> None:
        while not self.storm.is_over:
            operation = self.operation()
            self.storm.operations[self.random.randrange(SLOTS)] = operation
            left: CancelationError | None = None
            try:
                async with operation, Cancelable():
                    await self.body()
            except CancelationError as error:
                left = error
            self.judge(operation, left)
            await anyio.lowlevel.checkpoint()

    def operation(self) -> Cancelable:
        return Cancelable(
            token=self.storm.tokens[self.random.randrange(SLOTS)] if self.random.random() < 0.7 else None,
            timeout=self.random.choice((None, None, 0.002, 20)),
            parent=self.storm.operations[self.random.randrange(SLOTS)] if self.random.random() < 0.3 else None,
            move_on=self.random.random() < 0.3,
        )

    async def body(self) -> None:
        for _ in range(self.random.randrange(6)):
            choice = self.random.random()
            other = self.storm.operations[self.random.randrange(SLOTS)]
            if choice < 0.5:
                await anyio.lowlevel.checkpoint()
            elif choice < 0.8:
                await anyio.sleep(0.001)
            elif choice < 0.9:
                await other.cancel(CancelationReason.SHUTDOWN)
            else:
                await self.storm.tokens[self.random.randrange(SLOTS)].cancel()

    def judge(self, operation: Cancelable, left: CancelationError | None) -> None:
        """Compare what has left the block with the record."""
        context = operation.context
        self.seen[f"{context.status} {context.cancel_reason}"] += 1
        whole = not operation.is_running and (context.cancel_reason is not None) >= operation.is_cancelled
        silent = operation.is_completed or (operation.is_cancelled and operation._move_on)
        agrees = left is None if silent else left is not None and left.reason is context.cancel_reason
        if not whole or not agrees:
            self.storm.lost.append((operation, context, left))


def _loop(storm: Storm, options: dict[str, Any], seen: Counter[str], generator: random.Random) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(15):
                group.start_soon(Worker(storm, seen, generator).run)

    anyio.run(main, **options)


def test_eight_threads_against_four_loops(nightly: bool) -> None:
    """Nothing is lost, told twice, misjudged or left behind, and nobody hangs, whatever all of them do at once."""
    storm = Storm(60 if nightly else 2)
    threads = [storm.thread(functools.partial(_loop, storm, options), number) for number, options in enumerate(LOOPS)]
    threads += [
        storm.thread(lambda seen, generator: Intruder(storm, seen, generator).run(), 100 + number)
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.join()
    assert not storm.errors, "".join(traceback.format_exception(storm.errors[0]))
    assert storm.lost == []
    for token in storm.all:
        token.cancel_sync("the end")
    assert not any(has_listeners(token) for token in storm.all)
    for intruder in storm.intruders:
        assert intruder.calls.total() == len(intruder.calls) == intruder.registered
    total = functools.reduce(Counter.__add__, storm.seen)
    assert {"completed None", "cancelled manual", "cancelled timeout", "cancelled parent", "register"} <= set(total)
