"""Random nestings of any-of and all-of over virtual time, held against a model of a few lines."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
import pytest
from anyio.abc import TaskGroup
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hother.cancelable import Cancelable, CancelationReason, CancelationSource, CancelationToken, Cause, Observer
from hother.cancelable.sources import AllOfSource, AnyOfSource, TimeoutSource, TokenSource

from .shared import Wire

TOLERANCE = 1e-6
"""What the steps of the virtual clock may add up to, in seconds."""

NEVER = 1000
"""When the body ends that nobody interrupts, in seconds."""

REASONS = {
    "deadline": CancelationReason.TIMEOUT,
    "timeout": CancelationReason.TIMEOUT,
    "token": CancelationReason.SHUTDOWN,
    "task": CancelationReason.CONDITION,
    "wire": CancelationReason.DISCONNECT,
}
"""The kinds of leaves, and the reason of each."""


@dataclass(frozen=True)
class Leaf:
    """A source that fires so many seconds after entry."""

    kind: str
    time: int


@dataclass(frozen=True)
class Composite:
    """Any of some parts, or all of them."""

    needs_all: bool
    parts: tuple[Tree, ...]


Tree = Leaf | Composite


def model(tree: Tree) -> tuple[int, set[Leaf]]:
    """Return when a tree fires, and the leaves that may be named: those of equal time are all as good."""
    if isinstance(tree, Leaf):
        return tree.time, {tree}
    fired = [model(part) for part in tree.parts]
    time = (max if tree.needs_all else min)(each for each, _ in fired)
    return time, set[Leaf]().union(*(leaves for each, leaves in fired if each == time))


class Sleeping(CancelationSource):
    """Sleeps in a task."""

    def __init__(self, seconds: float, name: str) -> None:
        self.seconds = seconds
        self.name = name

    async def wait(self) -> str | None:
        await anyio.sleep(self.seconds)
        return None


class Deliveries(Observer):
    """Counts how often an operation is told to stop, and interrupted."""

    def __init__(self) -> None:
        self.requests: list[Cause] = []
        self.deliveries = 0

    def cancel_requested(self, operation: Cancelable, cause: Cause) -> None:
        self.requests.append(cause)

    def cancel_delivered(self, operation: Cancelable) -> None:
        self.deliveries += 1


@dataclass
class Builder:
    """Makes the sources of a tree, and the tasks that have them fire."""

    group: TaskGroup
    start: float

    def build(self, tree: Tree) -> CancelationSource:
        if isinstance(tree, Composite):
            parts = [self.build(part) for part in tree.parts]
            return AllOfSource(parts) if tree.needs_all else AnyOfSource(*parts)
        name = f"{tree.kind} at {tree.time}"
        if tree.kind == "deadline":
            return TimeoutSource(tree.time)
        if tree.kind == "timeout":
            return TimeoutSource(tree.time, name)
        if tree.kind == "task":
            return Sleeping(tree.time, name)
        if tree.kind == "token":
            token = CancelationToken()
            self.group.start_soon(self._cancel, tree.time, token)
            return TokenSource(token, name)
        wire = Wire(name)
        self.group.start_soon(self._fire, tree.time, wire)
        return wire

    async def _cancel(self, time: float, token: CancelationToken) -> None:
        await anyio.sleep_until(self.start + time)
        await token.cancel(CancelationReason.SHUTDOWN)

    async def _fire(self, time: float, wire: Wire) -> None:
        await anyio.sleep_until(self.start + time)
        if wire.armed is not None:
            wire.fire()
            wire.fire("again")


def _named(leaf: Leaf) -> set[str]:
    return {"timeout"} if leaf.kind == "deadline" else {f"{leaf.kind} at {leaf.time}"}


leaves = st.builds(Leaf, st.sampled_from(sorted(REASONS)), st.integers(1, 15))


def _composites(parts: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.builds(Composite, st.booleans(), st.lists(parts, min_size=1, max_size=4).map(tuple))


def _depth(tree: Tree) -> int:
    return 0 if isinstance(tree, Leaf) else 1 + max(map(_depth, tree.parts))


trees = _composites(st.recursive(leaves, _composites, max_leaves=12)).filter(lambda tree: _depth(tree) <= 4)


@pytest.mark.virtual_time
@pytest.mark.timeout(60)
@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tree=trees, observed=st.booleans())
async def test_nestings_fire_as_the_model_says(tree: Tree, observed: bool) -> None:
    """A composite fires exactly at the minimum or maximum, once, in the name and with the reason of the right leaf."""
    time, candidates = model(tree)
    deliveries = Deliveries()
    async with anyio.create_task_group() as group:
        start = anyio.current_time()
        operation = Cancelable.with_source(Builder(group, start).build(tree), move_on=True)
        if observed:
            operation._observers = (deliveries,)
        async with operation:
            await anyio.sleep(NEVER)
        elapsed = anyio.current_time() - start
        group.cancel_scope.cancel()
    assert time - TOLERANCE <= elapsed <= time + TOLERANCE
    cause = operation.token.cause
    assert operation.is_cancelled
    assert cause is not None
    assert time - TOLERANCE <= cause.time - start <= time + TOLERANCE
    assert (cause.origin, cause.reason) in {(name, REASONS[leaf.kind]) for leaf in candidates for name in _named(leaf)}
    if observed:
        assert deliveries.requests == [cause]
        assert deliveries.deliveries == 1
