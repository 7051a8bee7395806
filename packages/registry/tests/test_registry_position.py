"""Where the feed stands, and whether a registry has a shared store."""

from __future__ import annotations

import pytest

from hother.cancelable.registry import Backend, BackendUnavailable, OperationRegistry, ThreadSafeRegistry

from . import shared
from .fake_backend import FakeBackend
from .shared import each_view, listed, running, work


@each_view
async def test_a_feed_from_a_position(view: shared.View) -> None:
    """What has happened since a position was asked for is read from there, and nothing before."""
    origin = OperationRegistry()
    registry, operation, before = view(origin), work("import"), work("before")
    await registry.position()  # from now on events are kept
    await listed(origin, before, operation)
    async with running(before):
        here = await registry.position()
        async with running(operation):
            event = await anext(origin.events(after=here))
    assert event.record is not None
    assert (event.kind, event.record.name) == ("started", "import")


async def test_the_position_of_a_shared_store() -> None:
    """With a shared store it is that of the store, and unknown where that is away."""
    backend = FakeBackend()
    registry = OperationRegistry(backend)
    assert await registry.position() == backend.position()
    backend.away = True
    with pytest.raises(BackendUnavailable):
        await registry.position()


def test_whether_there_is_a_shared_store() -> None:
    """It is told also while the store is away."""
    backend: Backend = FakeBackend()
    for registry, expected in ((OperationRegistry(), False), (OperationRegistry(backend), True)):
        assert registry.is_shared is expected
        assert ThreadSafeRegistry(registry).is_shared is expected
