"""Predicates that leave the program: `SystemExit` and `KeyboardInterrupt`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import anyio
import pytest

from hother.cancelable import Cancelable, ConditionCancelation
from hother.cancelable.core import ErrorCancelation
from hother.cancelable.sources import ConditionSource

from .asking import Answers, AsyncAnswers, is_idle

EXITS = pytest.mark.parametrize("exit_type", [SystemExit, KeyboardInterrupt])
ASYNCIO = [pytest.param({"backend": "asyncio"}, id="asyncio")]
if sys.platform != "win32":
    ASYNCIO.append(pytest.param({"backend": "asyncio", "backend_options": {"use_uvloop": True}}, id="uvloop"))


async def _until_true(ask: Answers) -> None:
    async with Cancelable.with_source(ConditionSource(ask, 0.001)):
        await anyio.sleep_forever()


@EXITS
async def test_exit_at_the_first_check(exit_type: type[BaseException]) -> None:
    """It leaves the entry of the operation as it is, on every loop, and nothing stays behind."""
    operation = Cancelable.with_source(ConditionSource(Answers(exit_type("now"))))
    with pytest.raises(exit_type, match="now"):
        async with operation:
            raise AssertionError("the body runs")
    assert not operation.is_running
    assert is_idle()


@EXITS
@pytest.mark.parametrize("options", ASYNCIO)
def test_exit_later_on_asyncio(options: dict[str, Any], exit_type: type[BaseException]) -> None:
    """It leaves the event loop, as from any callback, and so ends the program."""
    with pytest.raises(exit_type, match="now"):
        anyio.run(_until_true, Answers(False, exit_type("now")), **options)


async def _ends_with_an_error(ask: Answers, exit_type: type[BaseException]) -> None:
    with pytest.raises(ErrorCancelation) as caught:
        await _until_true(ask)
    assert isinstance(caught.value.__cause__, exit_type)


async def _beside_another(exit_type: type[BaseException]) -> None:
    exiting, sound = Answers(False, exit_type("now")), Answers(False, False, False, True)
    async with anyio.create_task_group() as group:
        group.start_soon(_ends_with_an_error, exiting, exit_type)
        with pytest.raises(ConditionCancelation):
            await _until_true(sound)
    assert (len(exiting.asked), len(sound.asked)) == (2, 4)
    assert is_idle()


@EXITS
@pytest.mark.loops("trio")
async def test_exit_later_on_trio(exit_type: type[BaseException]) -> None:
    """Trio cannot be left from a timer: the operation ends with ERROR and that exit as cause; others go on."""
    await _beside_another(exit_type)


@EXITS
@pytest.mark.parametrize("options", ASYNCIO)
def test_asyncio_goes_on_after_an_exit(options: dict[str, Any], exit_type: type[BaseException]) -> None:
    """Where the loop is run again, the operation ends with ERROR, too, and others go on being asked."""
    loop = _new_loop(options)
    task = loop.create_task(_beside_another(exit_type))
    with pytest.raises(exit_type, match="now"):
        loop.run_until_complete(task)
    loop.run_until_complete(task)
    loop.close()


@EXITS
@pytest.mark.parametrize("options", [*ASYNCIO, pytest.param({"backend": "trio"}, id="trio")])
def test_exit_of_an_async_predicate(options: dict[str, Any], exit_type: type[BaseException]) -> None:
    """The operation ends with ERROR and that exit as cause, on every loop: no exception group, and others go on."""
    anyio.run(_ends_with_an_error, AsyncAnswers(False, exit_type("now")), exit_type, **options)


def _new_loop(options: dict[str, Any]) -> asyncio.AbstractEventLoop:
    if "backend_options" not in options:
        return asyncio.SelectorEventLoop()
    import uvloop

    return uvloop.new_event_loop()
