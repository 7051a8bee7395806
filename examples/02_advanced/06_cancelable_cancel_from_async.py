"""Cancel from other tasks: one stops another, waits for its end, and ends what it has started.

    uv run python examples/02_advanced/06_cancelable_cancel_from_async.py

Shows a task that cancels another, `cancel_and_wait`, children that end with their parent, and two requests of which
the first counts.
"""

import anyio

from hother.cancelable import Cancelable, ManualCancelation, OperationContext


def tell(context: OperationContext) -> None:
    """Say how an operation ended, and who asked for it."""
    print(f"{context.name}: {context.status}, {context.cancel_message} [{context.cancel_origin}]")


async def from_another_task() -> None:
    """Be cancelled by a supervisor."""
    operation = Cancelable(name="crawl")

    async def supervise() -> None:
        await anyio.sleep(0.02)
        await operation.cancel("too many pages")

    async with anyio.create_task_group() as group:
        group.start_soon(supervise, name="supervisor")
        try:
            async with operation:
                await anyio.sleep(10)
        except ManualCancelation as error:
            print(f"caught: {error.message}")
    tell(operation.context)


async def cancels_and_waits() -> None:
    """Return only when the other one has cleaned up, and read how it ended."""
    operation = Cancelable(name="server", move_on=True)

    async def serve() -> None:
        async with operation:
            try:
                await anyio.sleep(10)
            finally:
                async with operation.shield(timeout=5):
                    await anyio.sleep(0.02)
                    print("the server has closed its connections")

    async with anyio.create_task_group() as group:
        group.start_soon(serve)
        await anyio.wait_all_tasks_blocked()
        tell(await operation.cancel_and_wait(timeout=5, message="a new version is there"))


async def ends_its_children() -> None:
    """Cancel a parent: the operations in its tasks end with it, however deep; one that is detached does not."""
    order = Cancelable(name="order", move_on=True)

    async def send_parcel() -> None:
        async with Cancelable(name="parcel").on_cancel(tell), Cancelable(name="label").on_cancel(tell):
            await anyio.sleep(10)

    async def keep_shop() -> None:
        async with Cancelable(name="shop", detached=True) as shop:
            tell(await order.cancel_and_wait(message="the customer needs nothing any more"))
        print(f"{shop.context.name}: {shop.context.status}")

    async with anyio.create_task_group() as outside, order, anyio.create_task_group() as inside:
        inside.start_soon(send_parcel)
        await anyio.wait_all_tasks_blocked()
        outside.start_soon(keep_shop, name="shopkeeper")


async def first_cause_wins() -> None:
    """Ask twice: the second request changes nothing, and learns that it came second."""
    report = Cancelable.with_timeout(5, name="report", move_on=True)

    async def close_page() -> None:
        print("closing the page is the first request:", await report.cancel("the page was closed"))
        group.start_soon(end_session, name="session")

    async def end_session() -> None:
        print("ending the session is the first request:", await report.cancel("the session has ended"))

    async with anyio.create_task_group() as group, report:
        group.start_soon(close_page, name="browser")
        await anyio.sleep(10)
    tell(report.context)


async def main() -> None:
    """Show one after the other."""
    await from_another_task()
    await cancels_and_waits()
    await ends_its_children()
    await first_cause_wins()


if __name__ == "__main__":
    anyio.run(main)
