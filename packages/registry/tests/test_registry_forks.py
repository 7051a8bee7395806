"""A process that was forked has a registry of its own: what runs in its parent does not run in it."""

from __future__ import annotations

import os

import pytest

from hother.cancelable import Cancelable, OperationRegistry


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
