"""The event loops that every test runs on, and what a test may not leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Callable, Generator
from typing import Any

import pytest

from hother.cancelable.testing import virtual_clock


def _eager(loop_class: type[asyncio.AbstractEventLoop]) -> Callable[[], asyncio.AbstractEventLoop]:
    def make() -> asyncio.AbstractEventLoop:
        loop = loop_class()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]
        return loop

    return make


def _real_loops() -> list[Any]:
    loops = [pytest.param(("asyncio", {"loop_factory": asyncio.SelectorEventLoop}), id="asyncio")]
    if sys.version_info >= (3, 12):
        loops.append(pytest.param(("asyncio", {"loop_factory": _eager(asyncio.SelectorEventLoop)}), id="eager"))
    if sys.platform != "win32":
        loops.append(pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"))
    return [*loops, pytest.param(("trio", dict[str, Any]()), id="trio")]


def _virtual_loops() -> list[Any]:
    loops = [pytest.param(("asyncio", virtual_clock("asyncio")), id="asyncio-virtual")]
    if sys.version_info >= (3, 12):
        loops.append(pytest.param(("asyncio", virtual_clock("asyncio", eager=True)), id="eager-virtual"))
    return [*loops, pytest.param(("trio", virtual_clock("trio")), id="trio-virtual")]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the long campaigns."""
    parser.addoption(
        "--nightly", action="store_true", help="run storms for a minute and search with many more examples"
    )


def _listen_again(name: str, handler: Any) -> None:
    """Undo what a shell does to programs that it starts in the background: they ignore some signals."""
    number = getattr(signal, name, None)  # Windows has not all of them
    if number is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


def pytest_configure(config: pytest.Config) -> None:
    """Listen to the terminal; have Hypothesis try the same few examples each time, and at night many new ones."""
    _listen_again("SIGINT", signal.default_int_handler)
    _listen_again("SIGQUIT", signal.SIG_DFL)
    with contextlib.suppress(ImportError):  # not every package has tests that need it
        from hypothesis import settings

        nightly = config.getoption("--nightly")
        examples = 3_000 if nightly else 200
        settings.register_profile("cancelable", max_examples=examples, derandomize=not nightly, deadline=None)
        settings.load_profile("cancelable")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test the time that it needs at night."""
    if config.getoption("--nightly"):
        for item in items:
            item.add_marker(pytest.mark.timeout(3600), append=False)


def pytest_collection_finish() -> None:
    """Keep what was loaded by now out of the many passes of the garbage collector that the tests ask for."""
    with contextlib.suppress(ImportError):
        _begin_hypothesis()
    _freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Keep what pytest remembers of each test out of them as well, or they become ever slower."""
    result = yield
    if nextitem is None or nextitem.path != item.path:
        _freeze()
    return result


def _freeze() -> None:
    gc.collect()
    gc.freeze()


def _begin_hypothesis() -> None:
    """Have Hypothesis find out who refers to its random numbers, which it could not once that is frozen."""
    from hypothesis import given, strategies

    @given(strategies.none())
    def nothing(_: None) -> None:
        pass

    nothing()


@pytest.fixture
def nightly(request: pytest.FixtureRequest) -> bool:
    """Tell a test whether it may take minutes."""
    return bool(request.config.getoption("--nightly"))


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
