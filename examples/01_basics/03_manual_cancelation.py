"""Tokens: requests to stop that can be handed around.

    uv run python examples/01_basics/03_manual_cancelation.py

Shows one token for several operations, a token cancelled from a thread, callbacks, tokens made of others, and work in
a thread that asks whether to stop.
"""

import threading
import time

import anyio

from hother.cancelable import Cancelable, CancelationToken, ManualCancelation, current_operation


async def download(name: str, token: CancelationToken) -> None:
    """Work until the token is cancelled."""
    try:
        async with Cancelable.with_token(token, name=name):
            await anyio.sleep(10)
    except ManualCancelation as error:
        print(f"{name} stopped: {error.message}")


async def one_token_for_all() -> None:
    """Stop two operations with one request; the first request counts."""
    token = CancelationToken()
    token.on_cancel(lambda token: print(f"asked to stop by {token.origin}"))
    async with anyio.create_task_group() as group:
        group.start_soon(download, "first", token)
        await anyio.wait_all_tasks_blocked()
        print("this call was the first:", await token.cancel("the user has seen enough"))
        print("this call was the first:", await token.cancel("too late"))


async def from_a_thread() -> None:
    """Cancel from a thread that knows nothing of event loops."""
    token = CancelationToken()
    thread = threading.Thread(target=token.cancel_sync, args=("a thread says so",), name="button")
    thread.start()
    await download("second", token)
    thread.join()
    print(f"asked by {token.origin}")


async def either_of_two() -> None:
    """Make a token that is cancelled with either of two others."""
    user, service = CancelationToken(), CancelationToken()
    either = CancelationToken.any_of(user, service)
    await service.cancel("the service goes down")
    print(f"either: {either.message}")


def count_to(limit: int) -> int:
    """Block a thread, and ask now and then whether to stop."""
    for number in range(limit):
        operation = current_operation()
        if operation is not None:
            operation.check()
        time.sleep(0.01)
        if number == 0:
            print("counting")
    return limit


async def work_in_a_thread() -> None:
    """Stop work in a thread, which no cancellation can interrupt by itself."""
    async with Cancelable.with_timeout(0.05, move_on=True) as operation:
        await operation.run_in_thread(count_to, 1000)
    print(f"the thread stopped: {operation.context.cancel_reason}")


async def main() -> None:
    """Show one after the other."""
    await one_token_for_all()
    await from_a_thread()
    await either_of_two()
    await work_in_a_thread()


if __name__ == "__main__":
    anyio.run(main)
