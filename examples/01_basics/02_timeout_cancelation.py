"""Deadlines: set, caught, moved and lifted.

    uv run python examples/01_basics/02_timeout_cancelation.py

Shows a timeout that raises, one that leaves the block silently, a deadline that is moved while the work goes well, and
a shield around the part that must not be cut in two.
"""

from datetime import timedelta

import anyio

from hother.cancelable import Cancelable, TimeoutCancelation, with_timeout


async def slow() -> str:
    """Take longer than anybody waits here."""
    await anyio.sleep(10)
    return "an answer"


async def raises() -> None:
    """Catch the timeout; it is a `TimeoutError`, too."""
    try:
        async with Cancelable.with_timeout(0.05, name="question"):
            print(await slow())
    except TimeoutCancelation as error:
        print(error)


async def moves_on() -> None:
    """Go on silently where no answer is fine."""
    async with Cancelable.with_timeout(timedelta(milliseconds=50), move_on=True) as operation:
        print(await slow())
    print("no answer" if operation.is_cancelled else "answered")


async def moves_the_deadline() -> None:
    """Give more time as long as there is progress."""
    async with Cancelable.with_timeout(0.1) as operation:
        for piece in range(3):
            await anyio.sleep(0.05)
            operation.reschedule(0.1)
            print(f"piece {piece} arrived, {operation.remaining():.1f} s for the next")
        operation.reschedule(None)
        print(f"all arrived, {operation.remaining()} s left")


async def shields() -> None:
    """Finish what was begun, then stop."""
    try:
        async with Cancelable.with_timeout(0.05) as operation:
            async with operation.shield(timeout=1):
                await anyio.sleep(0.1)
                print("saved")
            print("never printed")
    except TimeoutCancelation:
        print("timed out after it was saved")


async def main() -> None:
    """Show one after the other."""
    await raises()
    await moves_on()
    await moves_the_deadline()
    await shields()
    try:
        await with_timeout(0.05, slow())
    except TimeoutError:
        print("the helper raises as well")


if __name__ == "__main__":
    anyio.run(main)
