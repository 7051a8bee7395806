"""Jobs of several kinds, for the operations page of the FastAPI example: each button of it starts one of them."""

from collections.abc import Awaitable, Callable

import anyio

from hother.cancelable import Cancelable, current_operation


async def write_report(pages: int = 40) -> None:
    """Report progress in percent."""
    operation = current_operation()
    assert operation is not None
    for page in range(1, pages + 1):
        await operation.report_progress(f"page {page} of {pages}", {"current": page, "total": pages})
        await anyio.sleep(0.5)


async def import_customers(files: int = 4) -> None:
    """Have parts that run at the same time: the operations below this one."""
    operation = current_operation()
    assert operation is not None
    await operation.report_progress(f"{files} files")
    async with anyio.create_task_group() as group:
        for number in range(1, files + 1):
            group.start_soon(_import_file, f"customers-{number}.csv", 60 + 30 * number)


async def _import_file(name: str, rows: int) -> None:
    """Import a part. When somebody cancels it alone, the others go on."""
    async with Cancelable(name=name, move_on=True) as operation:
        for row in range(1, rows + 1):
            await operation.report_progress(f"row {row} of {rows}", {"current": row, "total": rows})
            await anyio.sleep(0.15)


async def ask_model() -> None:
    """Wait for an answer, for nobody knows how long."""
    await anyio.sleep(60)


async def check_invoices() -> None:
    """Fail half-way."""
    operation = current_operation()
    assert operation is not None
    for percent in range(0, 50, 5):
        await operation.report_progress("looking for customer numbers", {"percent": percent})
        await anyio.sleep(0.3)
    raise ValueError("invoice 31 has no customer number")


async def sync_warehouse() -> None:
    """Go on when told to stop, as badly written programs do. The page says that it is stuck, and where."""
    with anyio.CancelScope(shield=True):
        await anyio.sleep(30)


SAMPLE_JOBS: dict[str, Callable[[], Awaitable[None]]] = {
    "Start report": write_report,
    "Start import": import_customers,
    "Start question": ask_model,
    "Start failing job": check_invoices,
    "Start stubborn job": sync_warehouse,
}
"""What the buttons of the page say, and what they start."""
