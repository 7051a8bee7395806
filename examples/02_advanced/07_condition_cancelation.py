"""Conditions: operations that end when something has become true.

    uv run python examples/02_advanced/07_condition_cancelation.py

Shows a file that appears, asked for at an interval and watched without asking, a target that is reached, an async
condition, and a condition that breaks. What is written goes to a temporary folder.
"""

import tempfile
from pathlib import Path

import anyio

from hother.cancelable import Cancelable, CancelationError, ConditionCancelation
from hother.cancelable.sources import FileSource


async def create_soon(path: Path) -> None:
    """Create a file after a short time, as another program would."""
    await anyio.sleep(0.05)
    path.touch()


async def works_until_stopped(operation: Cancelable, path: Path) -> None:
    """Work until the operation ends, and say why it did."""
    try:
        async with operation, anyio.create_task_group() as group:
            group.start_soon(create_soon, path)
            await anyio.sleep(10)
    except ConditionCancelation as error:
        print(str(error).replace(str(path), path.name))


async def file_appears(folder: Path) -> None:
    """Ask now and then whether a file is there."""
    path = folder / "stop"
    operation = Cancelable.with_condition(
        path.exists, check_interval=0.01, condition_name="the file is there", name="polling"
    )
    await works_until_stopped(operation, path)


async def file_is_watched(folder: Path) -> None:
    """Have the system tell when the file is there."""
    path = folder / "stop now"
    try:
        source = FileSource(path, event="created")
    except ImportError as error:  # it needs `hother-cancelable-sources[files]`
        print(error)
    else:
        await works_until_stopped(Cancelable.with_source(source, name="watching"), path)


async def target_is_reached() -> None:
    """Collect until there is enough, without an `if` in the work itself."""
    found: list[int] = []
    enough = Cancelable.with_condition(
        lambda: len(found) >= 5, check_interval=0.01, condition_name="five were found", move_on=True
    )
    async with enough:
        while True:
            await anyio.sleep(0.02)
            found.append(len(found))
    print(f"found {found}: {enough.context.cancel_message}")


async def condition_awaits() -> None:
    """Ask something that takes a moment to answer; the work goes on meanwhile."""
    answers = iter([40, 70, 95])

    async def is_full() -> bool:
        await anyio.sleep(0.01)
        percent = next(answers)
        print(f"the disk is {percent} % full")
        return percent > 90

    try:
        async with Cancelable.with_condition(is_full, check_interval=0.01, name="recording"):
            await anyio.sleep(10)
    except ConditionCancelation as error:
        print(error)


async def condition_breaks() -> None:
    """End the operation as well when the condition itself fails: nobody would stop it any more."""
    sensors: dict[str, float] = {}
    try:
        async with Cancelable.with_condition(lambda: sensors["oven"] > 80, condition_name="too hot", name="baking"):
            await anyio.sleep(10)
    except CancelationError as error:
        print(f"{error.reason}: {error.message}, because of {error.__cause__!r}")


async def main() -> None:
    """Show one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        await file_appears(Path(folder))
        await file_is_watched(Path(folder))
    await target_is_reached()
    await condition_awaits()
    await condition_breaks()


if __name__ == "__main__":
    anyio.run(main)
