"""Shields: the part that must not be cut in two.

    uv run python examples/02_advanced/02_shielded_operations.py

Shows what is delivered after a shield, cleaning up after a cancellation, a shield with a limit, and what the code
inside can see.
"""

import anyio

from hother.cancelable import Cancelable, CancelationError


async def commit(seconds: float = 0.02) -> None:
    """Do something that should be done as a whole."""
    await anyio.sleep(seconds)
    print("  committed")


async def delivers_afterwards() -> None:
    """Finish what was begun; the request to stop arrives right after it."""
    try:
        async with Cancelable(name="transfer") as operation:
            async with operation.shield():
                await operation.cancel("the user has left")
                await commit()
            print("  never printed")
    except CancelationError as error:
        print(f"  {error}")


async def cleans_up() -> None:
    """Await something in `finally`, where an operation that was cancelled would be interrupted again."""
    try:
        async with Cancelable.with_timeout(0.02, name="upload") as operation:
            try:
                await anyio.sleep(10)
            finally:
                async with operation.shield(timeout=5):
                    await anyio.sleep(0.02)
                    print("  connection closed")
    except CancelationError as error:
        print(f"  {error}")


async def has_a_limit() -> None:
    """Bound the time of the protected part; without a request to stop, the limit is an error of its own."""
    try:
        async with Cancelable(name="slow") as operation, operation.shield(timeout=0.02):
            await commit(10)
    except TimeoutError as error:
        print(f"  {error}")


async def has_a_limit_and_a_request() -> None:
    """Cut the protected part off at its limit; then the request to stop is what leaves the block."""
    try:
        async with Cancelable(name="slow") as operation, operation.shield(timeout=0.02):
            await operation.cancel("the user has left")
            await commit(10)
    except CancelationError as error:
        print(f"  {error}")


async def sees_the_request() -> None:
    """Look for a request inside the shield, where nothing is raised, and do less."""
    async with Cancelable(name="backup", move_on=True) as operation:
        async with operation.shield():
            for part in range(1, 1000):
                operation.check()
                print(f"  part {part} saved")
                if part == 2:
                    await operation.cancel("the disk is needed")
                if operation.cancel_requested:
                    break
        print("  never printed")
    print(f"  {operation.context.status}: {operation.context.cancel_message}")


async def main() -> None:
    """Show one after the other."""
    for example in (delivers_afterwards, cleans_up, has_a_limit, has_a_limit_and_a_request, sees_the_request):
        print(f"{example.__name__}:")
        await example()


if __name__ == "__main__":
    anyio.run(main)
