"""The helper `with_timeout`: an operation around a single call.

    uv run python examples/02_advanced/04_with_timeout_helper.py

Shows a call with a result and one without, one that takes too long, calls inside calls, and the time that is left.
"""

from datetime import timedelta

import anyio

from hother.cancelable import TimeoutCancelation, current_operation, with_timeout


async def fetch(seconds: float) -> str:
    """Get an answer after some time."""
    await anyio.sleep(seconds)
    return "an answer"


async def notify() -> None:
    """Do something that has no result."""
    print("notified")


async def in_time() -> None:
    """Await calls that are fast enough, and have their results."""
    print(await with_timeout(5, fetch(0.01)))
    print(len(await with_timeout(timedelta(seconds=5), fetch(0.01))), "characters")
    await with_timeout(5, notify())


async def too_late() -> None:
    """Catch the timeout, as a `TimeoutError` or by its own name, which knows more."""
    try:
        await with_timeout(0.02, fetch(10))
    except TimeoutError:
        print("no answer")
    try:
        await with_timeout(0.02, fetch(10), name="weather")
    except TimeoutCancelation as error:
        print(error)


async def page(patience: float) -> str:
    """Make a page with the weather, or without it when that takes too long."""
    try:
        weather = await with_timeout(patience, fetch(10), name="weather")
    except TimeoutCancelation:
        weather = "no weather"
    return f"a page with {weather}"


async def nested() -> None:
    """Give a whole and its part a time each; the part cannot take the timeout of the whole for its own."""
    print(await with_timeout(5, page(patience=0.02), name="page"))
    try:
        print(await with_timeout(0.02, page(patience=5), name="page"))
    except TimeoutCancelation as error:
        print(error)


async def answer() -> str:
    """Look at the time that the caller gives, and choose the way that fits into it."""
    operation = current_operation()
    assert operation is not None
    if operation.remaining() < 1:
        return "an old answer, there is hardly any time"
    return f"a good answer, there are {operation.remaining():.0f} s left"


async def main() -> None:
    """Show one after the other."""
    await in_time()
    await too_late()
    await nested()
    for seconds in (60, 0.5):
        print(await with_timeout(seconds, answer()))
    print("outside of an operation:", current_operation())


if __name__ == "__main__":
    anyio.run(main)
