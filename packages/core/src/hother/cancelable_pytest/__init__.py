"""Fixtures of `hother.cancelable.testing` for pytest, which finds this module by its entry point.

It lies beside `hother.cancelable`, since pytest loads it in every test run of an environment: nothing of the library is
imported before a fixture is used.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hother.cancelable.testing import Checkpoints, OperationRecorder

__all__ = ["cancel_at_each_checkpoint", "nothing_left_behind", "operation_recorder"]


@pytest.fixture
def cancel_at_each_checkpoint() -> Callable[..., Awaitable[Checkpoints]]:
    """Give the function of this name of `hother.cancelable.testing`."""
    from hother.cancelable import testing

    return testing.cancel_at_each_checkpoint


@pytest.fixture
def operation_recorder() -> Iterator[OperationRecorder]:
    """Give an `OperationRecorder` that records all operations of the test."""
    from hother.cancelable.testing import OperationRecorder

    with OperationRecorder() as recorder:
        yield recorder


@pytest.fixture
async def nothing_left_behind(request: pytest.FixtureRequest, anyio_backend: Any) -> AsyncGenerator[None]:
    """Fail an async test that leaves a task, a thread at work, a registration or the like behind.

    For tests that anyio's plugin runs, in one module: `pytestmark = pytest.mark.usefixtures("nothing_left_behind")`.
    A test that another plugin runs on a loop of its own is refused, since nothing would be seen of it.
    """
    from hother.cancelable import testing

    _refuse_other_runners(request)
    async with testing.nothing_left_behind():
        yield


def _refuse_other_runners(request: pytest.FixtureRequest) -> None:
    for name in ("asyncio", "trio"):
        if request.config.pluginmanager.hasplugin(name) and request.node.get_closest_marker(name) is not None:
            pytest.fail(
                f"the fixture nothing_left_behind sees only tests that anyio's plugin runs, and this one is run by "
                f"pytest-{name}: write `async with hother.cancelable.testing.nothing_left_behind():` in the test",
                pytrace=False,
            )
