"""The event loops that every test runs on, and what a test may not leave behind."""

from __future__ import annotations

import asyncio
import math
import selectors
import sys
from collections.abc import Callable
from typing import Any

import pytest


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that never sleeps: where nothing is ready it moves its loop's clock to the next timer."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return super().select(None)  # only the world outside can act: a thread, a socket, a signal
        ready = super().select(0)
        if not ready and timeout > 0:
            self.now = math.nextafter(self.now + timeout, math.inf)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop on which waiting takes no time. Work in threads counts as none, so keep it out."""

    def __init__(self) -> None:
        self._virtual = _JumpingSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def _eager(loop_class: type[asyncio.AbstractEventLoop]) -> Callable[[], asyncio.AbstractEventLoop]:
    def make() -> asyncio.AbstractEventLoop:
        loop = loop_class()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]
        return loop

    return make


def _trio_on_virtual_time() -> tuple[str, dict[str, Any]]:
    import trio.testing

    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


def _real_loops() -> list[Any]:
    loops = [pytest.param(("asyncio", {"loop_factory": asyncio.SelectorEventLoop}), id="asyncio")]
    if sys.version_info >= (3, 12):
        loops.append(pytest.param(("asyncio", {"loop_factory": _eager(asyncio.SelectorEventLoop)}), id="eager"))
    if sys.platform != "win32":
        loops.append(pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"))
    return [*loops, pytest.param(("trio", dict[str, Any]()), id="trio")]


def _virtual_loops() -> list[Any]:
    loops = [pytest.param(("asyncio", {"loop_factory": VirtualLoop}), id="asyncio-virtual")]
    if sys.version_info >= (3, 12):
        loops.append(pytest.param(("asyncio", {"loop_factory": _eager(VirtualLoop)}), id="eager-virtual"))
    return [*loops, pytest.param(_trio_on_virtual_time(), id="trio-virtual")]


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Replace the fixture of anyio's plugin: each test gets the loops that its markers ask for."""
    return request.param


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each async test on every loop, or on the virtual clocks where it is marked `virtual_time`."""
    if "anyio_backend" not in metafunc.fixturenames:
        return
    only = metafunc.definition.get_closest_marker("loops")
    loops = _virtual_loops() if metafunc.definition.get_closest_marker("virtual_time") else _real_loops()
    if only is not None:
        loops = [each for each in loops if each.id.partition("-")[0] in only.args]
    metafunc.parametrize("anyio_backend", loops, indirect=True)
