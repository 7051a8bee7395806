"""A process that was forked has a registry of its own: what runs in its parent does not run in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from hother.cancelable import Cancelable, OperationRegistry
from hother.cancelable.registry import forks
from hother.cancelable.registry.forks import follow_forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forking needs Unix")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.loops("asyncio")
async def test_a_child_begins_anew() -> None:
    """Operations, history and numbers of the parent are its own; the parent goes on with them."""
    registry = OperationRegistry()
    async with Cancelable(name="before") as before:
        await registry.register(before)
    async with Cancelable(name="parent") as operation:
        await registry.register(operation)
        child = os.fork()
        if child == 0:
            status = 2
            try:
                tracker = registry.engine.tracker
                started = registry.engine.statistics()["total_started"]
                status = int(bool(tracker.entries() or tracker.history or started))
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert [record.name for record in await registry.list_operations()] == ["parent"]
    assert [record.name for record in await registry.get_history()] == ["parent", "before"]


class Counted:
    """Counts how often it is told of a fork."""

    def __init__(self) -> None:
        self.forks: int = 0

    def before_fork(self) -> None:
        self.forks += 1

    def after_fork_in_parent(self) -> None:
        pass

    def after_fork(self) -> None:
        pass


def test_what_other_threads_add_meanwhile() -> None:
    """A fork is told to all, also while other threads make registries."""
    first, added = Counted(), list[Counted]()
    follow_forks(first)

    def add(frame: FrameType, *_: object) -> Callable[..., Any]:  # at each line of the code that keeps the registries
        if "weak" in frame.f_code.co_filename:
            added.append(Counted())
            follow_forks(added[-1])
        return add

    before = sys.gettrace()
    sys.settrace(add)
    try:
        forks._before()
    finally:
        sys.settrace(before)
        forks._in_parent()
    assert added, "nothing was added meanwhile"
    assert first.forks == 1
