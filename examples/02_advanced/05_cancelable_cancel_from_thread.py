"""Cancel from threads: those of your own, timers, pools, and the threads that an operation works in.

    uv run python examples/02_advanced/05_cancelable_cancel_from_thread.py

Shows `cancel_sync`, which may be called from anywhere, work in a thread that asks whether to stop, and how the record
tells who did it.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import anyio

from hother.cancelable import Cancelable, current_operation


def tell(operation: Cancelable) -> None:
    """Say how an operation ended, and who asked for it."""
    context = operation.context
    print(f"{context.name}: {context.status}, {context.cancel_message} [{context.cancel_origin}]")


async def from_a_thread() -> None:
    """Cancel from a thread that knows nothing of event loops."""
    async with Cancelable(name="download", move_on=True) as operation:
        button = threading.Thread(target=operation.cancel_sync, args=("the button was pressed",), name="button")
        button.start()
        await anyio.sleep(10)
    button.join()
    tell(operation)


async def from_a_timer() -> None:
    """Have a timer cancel; it runs in a thread of its own."""
    async with Cancelable(name="render", move_on=True) as operation:
        timer = threading.Timer(0.02, operation.cancel_sync, ["it renders for too long"])
        timer.name = "watchdog"
        timer.start()
        await anyio.sleep(10)
    timer.join()
    tell(operation)


async def from_a_pool() -> None:
    """Cancel from two workers at once: one of the requests counts, and each worker learns whether it was its own."""
    with ThreadPoolExecutor(thread_name_prefix="worker") as pool:
        async with Cancelable(name="search", move_on=True) as operation:
            answers = [pool.submit(operation.cancel_sync, "found") for _ in range(2)]
            await anyio.sleep(10)
        print("first requests:", [answer.result() for answer in answers].count(True))
    print(f"{operation.context.name}: {operation.context.cancel_message}")


def resize(pictures: int, begun: threading.Event) -> int:
    """Block a thread, and ask before each piece of work whether to stop."""
    operation = current_operation()
    assert operation is not None
    try:
        for _ in range(pictures):
            operation.check()
            begun.set()
            time.sleep(0.01)
    finally:
        print("the thread has tidied up")
    return pictures


async def work_in_a_thread() -> None:
    """Stop work in a thread from another thread. A thread cannot be interrupted, so it asks."""
    begun = threading.Event()
    async with Cancelable(name="resize", move_on=True) as operation:

        def stop() -> None:
            begun.wait()
            operation.cancel_sync("no pictures are needed")

        gallery = threading.Thread(target=stop, name="gallery")
        gallery.start()
        await operation.run_in_thread(resize, 1000, begun)
    gallery.join()
    tell(operation)


def look_for_enough() -> None:
    """Cancel the operation that this thread works for."""
    operation = current_operation()
    assert operation is not None
    operation.cancel_sync("enough was found")


async def from_inside() -> None:
    """Have the work itself end the operation. What comes after it is not run."""
    async with Cancelable(name="collect", move_on=True) as operation:
        await operation.run_in_thread(look_for_enough)
        print("never printed")
    tell(operation)


async def main() -> None:
    """Show one after the other."""
    await from_a_thread()
    await from_a_timer()
    await from_a_pool()
    await work_in_a_thread()
    await from_inside()


if __name__ == "__main__":
    anyio.run(main)
