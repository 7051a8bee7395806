"""Running a program on the ideal loop, by the model of the contract."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field

from hother.cancelable import CancelationReason

from .contract import Contract, Record, Running
from .ideal_loop import IdealLoop, Interrupted, Raised, Run, Scope, Task
from .programs import Cancel, Fail, Group, Link, Operation, Program, Scoped, Shielded, Sleep, Spawn, Step, Swallow


@dataclass
class Outcome:
    """What a program has done: the operations, who was the first to cancel, and what ended the tasks."""

    operations: list[Record]
    won: dict[int, bool] = field(default_factory=dict[int, bool])
    tasks: list[str | frozenset[str]] = field(default_factory=list[str | frozenset[str]])


def expected(program: Program, pick: Callable[[int], int]) -> Outcome:
    """Return what the contract says of a program; `pick` chooses among tasks that are interrupted at one time."""
    run = _Run(program, pick)
    run.finish()
    return run.outcome


def flat(labels: Iterable[str | frozenset[str]]) -> frozenset[str]:
    """Return the names of all exceptions in a group, whatever groups are inside it."""
    return frozenset[str]().union(*({label} if isinstance(label, str) else label for label in labels))


class _Run(IdealLoop):
    def __init__(self, program: Program, pick: Callable[[int], int]) -> None:
        super().__init__(pick)
        self.contract = Contract(program.operations, pick)
        self.current: dict[Task, Running | None] = {}
        self.outcome = Outcome([each.record for each in self.contract.operations])
        self.root = Scope(None)
        self.spawn(program.body, self.root, None, self.note)

    def note(self, error: Raised) -> None:
        self.outcome.tasks.append(error.label)

    def spawn(
        self, body: Iterable[Step], scope: Scope, operation: Running | None, failed: Callable[[Raised], object]
    ) -> Task:
        def run(task: Task) -> Run:
            self.current[task] = operation
            return self.body(task, body)

        return self.start(scope, run, failed)

    def body(self, task: Task, steps: Iterable[Step]) -> Run:
        for step in steps:
            match step:
                case Sleep():
                    yield step.seconds
                case Cancel():
                    self.outcome.won[step.number] = self.contract.cancel(step)
                case Link():
                    self.contract.link(step.downstream, step.upstream)
                case Fail():
                    raise Raised(f"failure {step.number}")
                case Spawn():
                    self.spawn(step.body, self.root, self.current[task], self.note)
                case _:
                    yield from self.block(task, step)

    def block(self, task: Task, step: Operation | Shielded | Scoped | Swallow | Group) -> Run:
        match step:
            case Operation():
                return self.operation(task, step)
            case Shielded():
                return self.shielded(task, step)
            case Scoped():
                return self.scoped(task, step)
            case Swallow():
                return self.swallow(task, step)
            case Group():
                return self.group(task, step)

    def operation(self, task: Task, step: Operation) -> Run:
        operation = self.contract.operations[step.index]
        above = self.current[task]
        operation.parent = None if step.detached else above
        self.current[task] = operation
        scope = self.open(task)
        self.limit(scope, step.timeout, lambda: self.contract.request(operation, (CancelationReason.TIMEOUT, None)))
        self.contract.enter(operation, scope)
        error: Interrupted | Raised | None = None
        try:
            yield from self.body(task, step.body)
        except (Interrupted, Raised) as left:
            error = left
        around = self.close(task)
        self.current[task] = above
        error = self.contract.leave(operation, error, around, self.now)
        if isinstance(error, Interrupted) or (error is not None and not step.catches):
            raise error

    def shielded(self, task: Task, step: Shielded) -> Run:
        if self.current[task] is None:
            yield from self.body(task, step.body)
            return
        cut, around = yield from self.cut_after(step.limit, task, step, shield=True)
        if around.reached:
            raise Interrupted
        if cut:
            raise Raised("limit of a shield")

    def scoped(self, task: Task, step: Scoped) -> Run:
        cut, around = yield from self.cut_after(step.limit, task, step, shield=False)
        if cut and around.reached:
            raise Interrupted

    def cut_after(
        self, seconds: float | None, task: Task, step: Shielded | Scoped, shield: bool
    ) -> Generator[float | list[Task], None, tuple[bool, Scope]]:
        """Run a body in a scope; return whether it was interrupted, and the scope around."""
        scope, cut = self.open(task, shield), False
        self.limit(scope, seconds, functools.partial(setattr, scope, "cancelled", True))
        try:
            yield from self.body(task, step.body)
        except Interrupted:
            cut = True
        except Raised:
            self.close(task)
            raise
        return cut, self.close(task)

    def swallow(self, task: Task, step: Swallow) -> Run:
        try:
            yield from self.body(task, step.body)
        except Interrupted:
            pass

    def group(self, task: Task, step: Group) -> Run:
        scope, failures = self.open(task), list[str | frozenset[str]]()

        def fail(error: Raised) -> None:
            failures.append(error.label)
            scope.cancelled = True

        children = [self.spawn(body, scope, self.current[task], fail) for body in step.children]
        try:
            yield from self.body(task, step.body)
        except Interrupted:
            pass  # it waits for the others first
        except Raised as error:
            fail(error)
        yield children
        around = self.close(task)
        if failures:
            raise Raised(flat(failures))
        if around.reached:
            raise Interrupted
