"""Operations as context managers: what they tell about themselves, and how one ends before its time.

    uv run python examples/01_basics/01_basic_cancelation.py

Shows an operation that runs to its end, its callbacks and progress, one that is cancelled, and one inside another.
"""

import anyio

from hother.cancelable import Cancelable, CancelationError, OperationContext, current_operation


async def work(steps: int) -> None:
    """Do something in steps, without knowing who might stop it."""
    operation = current_operation()
    for step in range(1, steps + 1):
        await anyio.sleep(0.02)
        if operation is not None:
            await operation.report_progress(f"step {step} of {steps}", {"percent": 100 * step // steps})


def ended(context: OperationContext) -> None:
    """Say how an operation ended."""
    because = f" ({context.cancel_reason}: {context.cancel_message})" if context.cancel_reason else ""
    print(f"{context.name}: {context.status}{because}")


async def runs_to_its_end() -> None:
    """Leave the block in the ordinary way."""
    operation = Cancelable(name="import").on_complete(ended)
    operation.on_progress(lambda operation_id, message, metadata: print(f"import: {message}"))
    async with operation:
        await work(3)


async def is_cancelled() -> None:
    """Have another task cancel the operation, and catch what leaves the block."""
    operation = Cancelable(name="export").on_cancel(ended)

    async def somebody() -> None:
        await anyio.sleep(0.05)
        await operation.cancel("nobody needs it any more")

    async with anyio.create_task_group() as group:
        group.start_soon(somebody)
        try:
            async with operation:
                await work(1000)
        except CancelationError as error:
            print(f"caught: {error}")


async def ends_with_its_parent() -> None:
    """Cancel an operation, and with it the one inside."""
    async with Cancelable(name="batch", move_on=True) as batch, Cancelable(name="item").on_cancel(ended):
        await batch.cancel("the batch is withdrawn")
        await work(1000)
    ended(batch.context)


async def main() -> None:
    """Show one after the other."""
    await runs_to_its_end()
    await is_cancelled()
    await ends_with_its_parent()


if __name__ == "__main__":
    anyio.run(main)
