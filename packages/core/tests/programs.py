"""Random programs of nested operations: what the tests of the contract run, and what their model computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hypothesis import strategies as st

from hother.cancelable import CancelationReason

Via = Literal["await", "sync", "thread", "signal"]
WAYS: tuple[Via, ...] = ("await", "sync", "thread", "signal")

REASONS = (CancelationReason.MANUAL, CancelationReason.SHUTDOWN, CancelationReason.DISCONNECT)


@dataclass(frozen=True)
class Sleep:
    """Wait so many seconds, unless interrupted."""

    seconds: float


@dataclass(frozen=True)
class Cancel:
    """Cancel an operation or a token."""

    number: int
    of: Literal["operation", "token"]
    index: int
    via: Via
    reason: CancelationReason


@dataclass(frozen=True)
class Link:
    """Link a token to another one."""

    downstream: int
    upstream: int


@dataclass(frozen=True)
class Fail:
    """Raise an exception."""

    number: int


@dataclass(frozen=True)
class Block:
    """Run a body inside something."""

    body: tuple[Step, ...]


@dataclass(frozen=True)
class Operation(Block):
    """Run a body as an operation, and go on after an exception if `catches`."""

    index: int
    timeout: float | None
    token: int | None
    detached: bool
    move_on: bool
    catches: bool


@dataclass(frozen=True)
class Shielded(Block):
    """Run a body in a shield of the operation around it, if there is one."""

    limit: float | None


@dataclass(frozen=True)
class Scoped(Block):
    """Run a body in a scope of anyio's with a limit."""

    limit: float


@dataclass(frozen=True)
class Swallow(Block):
    """Run a body and swallow what interrupts it."""


@dataclass(frozen=True)
class Group(Block):
    """Run a body beside those of tasks in a task group."""

    children: tuple[tuple[Step, ...], ...]


@dataclass(frozen=True)
class Spawn(Block):
    """Run a body in a task that nothing of this one encloses."""


Step = Sleep | Cancel | Link | Fail | Operation | Shielded | Scoped | Swallow | Group | Spawn


@dataclass
class Program:
    """What the main task does, and the operations of all tasks."""

    body: tuple[Step, ...] = ()
    operations: list[Operation] = field(default_factory=list[Operation])


TOKENS = 2
MOST_TIMES = 28  # the last fraction of a second must be more than the resolution of asyncio's clock


class Writer:
    """Writes a program.

    Each wait has a fraction of a second of its own, a power of two, so that no two things ever happen at one time but
    those that one causes. Everything that has an effect comes after a wait, and the tasks and shields end with one,
    since two loops may differ in which of two tasks they run first.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.operations: list[Operation] = []
        self.steps = 0
        self.times = 0

    def seconds(self, most: int) -> float:
        self.times += 1
        return self.draw(st.integers(1, most)) + 2.0**-self.times

    def sleep(self) -> Sleep:
        return Sleep(self.seconds(3))

    def flip(self) -> bool:
        return self.draw(st.booleans())

    def body(self, depth: int, spawned: bool) -> tuple[Step, ...]:
        steps: list[Step] = []
        for _ in range(self.draw(st.integers(1, 3))):
            if self.times < MOST_TIMES - 9:
                self.steps += 1
                steps += self.step(depth, spawned)
        return tuple(steps)

    def step(self, depth: int, spawned: bool) -> tuple[Step, ...]:
        kinds = ["sleep", "cancel", "cancel", "fail", "link"]
        if depth < 5:
            kinds += ["operation"] * 6 + ["shield", "shield", "scope", "swallow", "group", "group", "spawn", "spawn"]
        kind = "operation" if depth == 0 else self.draw(st.sampled_from(kinds))
        if kind == "sleep":
            return (self.sleep(),)
        if kind == "cancel":
            of: Literal["operation", "token"] = "operation" if self.flip() else "token"
            via = self.draw(st.sampled_from(WAYS))
            reason = self.draw(st.sampled_from(REASONS))
            cancel = Cancel(self.steps, of, self.draw(st.integers(0, 5)), via, reason)
            if via == "await" and not spawned:
                return self.sleep(), cancel
            return self.sleep(), cancel, self.sleep()  # the loop tells its operations only soon
        if kind == "fail":
            return self.sleep(), Fail(self.steps)
        if kind == "link":
            downstream = self.draw(st.integers(0, TOKENS - 1))
            return self.sleep(), Link(downstream, 1 - downstream)
        return self.block(kind, depth + 1, spawned)

    def block(self, kind: str, depth: int, spawned: bool) -> tuple[Step, ...]:
        if kind == "operation":
            # What has ended the operation before may be about to end the parent, so let it.
            wait = (self.sleep(),) if spawned else ()
            return (*wait, self.operation(depth, spawned))
        limited = self.flip()
        if kind == "shield":
            limit = self.seconds(6) if limited else None
            return (Shielded((*self.body(depth, spawned), self.sleep()), limit),)
        if kind == "scope":
            limit = self.seconds(6)
            return (Scoped(self.body(depth, spawned), limit),)
        if kind == "swallow":
            return (Swallow(self.body(depth, spawned)),)
        if kind == "group":
            children = tuple(
                (self.sleep(), *self.body(depth, spawned), self.sleep()) for _ in range(self.draw(st.integers(1, 2)))
            )
            return (Group((*self.body(depth, spawned), self.sleep()), children),)
        return (Spawn((self.sleep(), *self.body(depth, True))),)

    def operation(self, depth: int, spawned: bool) -> Operation:
        # A task that is linked to a parent gets no token: which of the two comes first is not said.
        token = None if spawned or not self.flip() else self.draw(st.integers(0, TOKENS - 1))
        timeout = self.seconds(8) if self.flip() else None
        rare = self.draw(st.integers(0, 7))
        index = len(self.operations)
        place = Operation((), index, timeout, token, rare == 0, rare == 1, rare in (2, 3, 4))
        self.operations.append(place)
        body = self.body(depth, spawned)
        whole = Operation(body, index, timeout, token, place.detached, place.move_on, place.catches)
        self.operations[index] = whole
        return whole


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Write a program."""
    writer = Writer(draw)
    return Program(writer.body(0, False), writer.operations)
