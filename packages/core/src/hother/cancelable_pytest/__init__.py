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
async def nothing_left_behind(anyio_backend: Any) -> AsyncGenerator[None]:
    """Fail an async test that leaves a task, a thread at work, a registration or the like behind.

    For tests that anyio's plugin runs, in one module: `pytestmark = pytest.mark.usefixtures("nothing_left_behind")`.
    """
    from hother.cancelable import testing

    async with testing.nothing_left_behind():
        yield
