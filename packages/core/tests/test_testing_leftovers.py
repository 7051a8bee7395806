"""`nothing_left_behind`, as a block and as a fixture, and the plugin that pytest loads."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hother.cancelable import Cancelable, CancelationToken
from hother.cancelable.testing import Leftover, nothing_left_behind

from . import kit_cases

CHECK = """
import sys
import {module}
print(sorted({{name.partition(".")[0] for name in sys.modules}} & {{"anyio", "trio", "asyncio"}}))
print([name for name in sys.modules if name.startswith("hother.cancelable.")])
"""

ANOTHER_RUNNER = """
def pytest_configure(config):
    config.pluginmanager.register(object(), "trio")
    config.addinivalue_line("markers", "trio: for the plugin of that name")
"""


@pytest.fixture(autouse=True)
def _tidy() -> Iterator[None]:
    yield
    kit_cases.tidy_up()


async def test_a_block_that_leaves_nothing() -> None:
    """Tasks, registrations and generators that have ended are fine, and so is a thread that ends in time."""
    async with nothing_left_behind():
        await kit_cases.right()
        async with Cancelable.with_timeout(5):
            await checkpoint()


LEFT: dict[str, tuple[Callable[[], object], str]] = {
    "registration": (lambda: kit_cases.TOKEN.on_cancel(print), "left the callback 'print' on <CancelationToken "),
    "linked token": (lambda: kit_cases.BACKGROUND.append(CancelationToken.any_of(kit_cases.TOKEN)), "a linked token"),
    "context variable": (lambda: kit_cases.USER.set("me"), "left the context variable 'USER' set to 'me'"),
}


@pytest.mark.parametrize("case", LEFT)
async def test_a_block_that_leaves_something(case: str) -> None:
    """The error names it."""
    leave, text = LEFT[case]
    with pytest.raises(AssertionError, match="the block left something behind:\n") as caught:
        async with nothing_left_behind():
            leave()
    assert text in str(caught.value)


async def test_what_is_allowed_may_stay() -> None:
    """Kinds that are allowed are not looked for."""
    async with nothing_left_behind(allow=[Leftover.REGISTRATION, "context variable"]):
        for leave in (LEFT["registration"], LEFT["context variable"]):
            leave[0]()


async def test_the_exception_of_the_block_is_kept() -> None:
    """A block that raises and leaves something shows both."""
    with pytest.raises(AssertionError) as caught:
        async with nothing_left_behind():
            kit_cases.TOKEN.on_cancel(print)
            raise KeyError("why")
    assert isinstance(caught.value.__context__, KeyError)
    with pytest.raises(KeyError):
        async with nothing_left_behind():
            raise KeyError


async def test_blocks_nest() -> None:
    """An outer block goes on watching when an inner one has ended."""
    with pytest.raises(AssertionError, match="'print'"):
        async with nothing_left_behind():
            async with nothing_left_behind():
                pass
            kit_cases.TOKEN.on_cancel(print)


async def test_a_bad_kind_or_limit_is_refused() -> None:
    """The error lists the kinds."""
    with pytest.raises(ValueError, match="'task', 'thread', 'registration'"):
        async with nothing_left_behind(allow=["file"]):
            pass
    with pytest.raises(ValueError, match="limit"):
        async with nothing_left_behind(limit=-1):
            pass


@pytest.mark.usefixtures("nothing_left_behind")
async def test_the_fixture_lets_tidy_tests_pass() -> None:
    """A test that leaves nothing does not notice it."""
    async with anyio.create_task_group() as group:
        group.start_soon(checkpoint)


def pytest_in(folder: Path, test: str) -> subprocess.CompletedProcess[str]:
    """Run a test file with pytest in a process of its own, with no more plugins than it needs."""
    (folder / "test_it.py").write_text(textwrap.dedent(test))
    (folder / "conftest.py").write_text(textwrap.dedent(ANOTHER_RUNNER))
    plugins = ["-p", "anyio.pytest_plugin", "-p", plugin_name()]
    command = [sys.executable, "-m", "pytest", "-q", "--anyio-mode=auto", *plugins, "test_it.py"]
    variables = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=60)


def plugin_name() -> str:
    """Return the module that the entry point for pytest names."""
    return next(each.value for each in entry_points(group="pytest11") if each.name == "hother-cancelable")


def test_the_fixture_fails_a_test_that_leaves_something(tmp_path: Path) -> None:
    """A test that leaves a task is an error that names it, and so is one of which the fixture would see nothing."""
    done = pytest_in(
        tmp_path,
        """
        import asyncio
        import sys
        import pytest

        pytestmark = pytest.mark.usefixtures("nothing_left_behind")

        async def test_left(anyio_backend_name):
            if anyio_backend_name == "asyncio":
                sys.left = asyncio.create_task(asyncio.sleep(60), name="poller")
            else:
                import trio
                trio.lowlevel.spawn_system_task(trio.sleep, 60, name="poller")

        async def test_nothing_left():
            pass

        @pytest.mark.trio
        async def test_of_another_plugin():
            pass
        """,
    )
    assert "4 passed, 4 errors" in done.stdout, done.stdout
    assert "this one is run by pytest-trio: write `async with" in done.stdout
    assert done.stdout.count("left the task 'poller' running, at ") >= 2


def test_importing_the_plugin_brings_nothing_heavy() -> None:
    """What pytest loads in every run imports neither an event loop nor this library."""
    code = CHECK.format(module=plugin_name())
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[1] == "[]"
    assert "anyio" not in done.stdout
    assert "trio" not in done.stdout


def test_the_kit_does_without_trio_and_pytest() -> None:
    """The tools themselves need neither."""
    code = "import sys, hother.cancelable.testing; print({'trio', 'pytest'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"


async def test_that_the_case_runs(cancel_at_each_checkpoint: Callable[..., Awaitable[object]]) -> None:
    """The fixtures can be used together."""
    async with nothing_left_behind():
        await cancel_at_each_checkpoint(checkpoint)
