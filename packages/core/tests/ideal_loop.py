"""An ideal event loop, for the model of the contract: scopes, tasks and time, with no backend and no threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field


class Interrupted(Exception):
    """The backend's own cancellation."""


class Raised(Exception):
    """Any other exception: its name, or as a group the names of all in it."""

    def __init__(self, label: str | frozenset[str]) -> None:
        self.label = label


@dataclass(eq=False)
class Scope:
    """A stretch of code that is cancelled as a whole."""

    above: Scope | None
    shield: bool = False
    cancelled: bool = False

    def all(self) -> Iterator[Scope]:
        """Yield this scope and those around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.above

    def visible(self) -> Iterator[Scope]:
        """Yield the scopes from which a cancellation reaches this one, itself among them."""
        for scope in self.all():
            yield scope
            if scope.shield:
                break

    @property
    def reached(self) -> bool:
        return any(scope.cancelled for scope in self.visible())


Run = Generator["float | list[Task]", None, None]
"""What a task does: it waits so many seconds, or for other tasks."""


@dataclass(eq=False)
class Task:
    """A task, and what it waits for."""

    scope: Scope
    start: Callable[[Task], Run]
    failed: Callable[[Raised], object]
    wakes: float = math.inf
    waits_for: list[Task] = field(default_factory=list["Task"])

    def __post_init__(self) -> None:
        self.run: Run = self.start(self)


class IdealLoop:
    """Runs tasks. `pick` chooses among those that are interrupted at the same time."""

    def __init__(self, pick: Callable[[int], int]) -> None:
        self.now: float = 0.0
        self.pick = pick
        self.tasks: list[Task] = []
        self.timers: list[tuple[float, Scope, Callable[[], object]]] = []

    def start(self, scope: Scope, run: Callable[[Task], Run], failed: Callable[[Raised], object]) -> Task:
        task = Task(scope, run, failed)
        self.tasks.append(task)
        self._resume(task, None)
        return task

    def finish(self) -> None:
        """Run until there is no task any more."""
        while self.tasks:
            # A task that waits for others waits on, whatever happens: it has cancelled them.
            interrupted = [task for task in self.tasks if task.scope.reached and not task.waits_for]
            joined = [task for task in self.tasks if task.waits_for and not set(task.waits_for) & set(self.tasks)]
            if interrupted:
                self._resume(interrupted[self.pick(len(interrupted))], Interrupted())
            elif joined:
                self._resume(joined[0], None)
            else:
                self._pass_time()

    def open(self, task: Task, shield: bool = False) -> Scope:
        task.scope = Scope(task.scope, shield)
        return task.scope

    def close(self, task: Task) -> Scope:
        """Leave the innermost scope; return the one around it."""
        scope = task.scope
        assert scope.above is not None
        task.scope = scope.above
        self.timers = [timer for timer in self.timers if timer[1] is not scope]
        return scope.above

    def limit(self, scope: Scope, seconds: float | None, callback: Callable[[], object]) -> None:
        """Call a function after some time, unless the scope was left before."""
        if seconds is not None:
            self.timers.append((self.now + seconds, scope, callback))

    def _resume(self, task: Task, error: Interrupted | None) -> None:
        task.wakes, task.waits_for = math.inf, []
        try:
            wait = next(task.run) if error is None else task.run.throw(error)
        except (StopIteration, Interrupted):
            self.tasks.remove(task)
        except Raised as raised:
            self.tasks.remove(task)
            task.failed(raised)
        else:
            if isinstance(wait, list):
                task.waits_for = wait
            else:
                task.wakes = self.now + wait

    def _pass_time(self) -> None:
        task = min(self.tasks, key=lambda task: task.wakes)
        timer = min(self.timers, key=lambda timer: timer[0], default=None)
        if timer is not None and timer[0] < task.wakes:
            self.timers.remove(timer)
            self.now = timer[0]
            timer[2]()
        else:
            self.now = task.wakes
            self._resume(task, None)
