"""A live view of everything that runs, in the terminal.

    uv run python examples/05_monitoring/01_monitoring_dashboard.py
    uv run python examples/05_monitoring/01_monitoring_dashboard.py --redis redis://localhost:6379/0

The first watches some jobs that it starts itself, in memory. The second watches the operations of all processes that
share a Redis, such as those of `03_integrations/07_multi_worker_jobs.py`. Ctrl-C ends it, or `--seconds`, after which
the last picture stays. In a pipe it prints that one alone, after two seconds or as many as are given.
"""

import argparse
import math
import random
import sys
from collections.abc import Iterable

import anyio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hother.cancelable import Cancelable, OperationRegistry
from hother.cancelable.registry import BackendUnavailable, OperationRecord, RecordStatus, RedisBackend, Statistics, View

STYLES = {RecordStatus.COMPLETED: "green", RecordStatus.CANCELLED: "yellow", RecordStatus.FAILED: "red"}
NAMES = ("import prices", "send letters", "build report", "resize pictures")


async def job(name: str, steps: int) -> None:
    """Do something that can be watched; now and then it runs out of time, or fails."""
    async with Cancelable(name=name, timeout=random.uniform(2, 8), move_on=True, register_globally=True) as operation:
        for step in range(steps):
            await operation.report_progress(f"step {step + 1} of {steps}", {"current": step + 1, "total": steps})
            await anyio.sleep(random.uniform(0.05, 0.4))


async def start_jobs() -> None:
    """Keep some jobs going."""
    async with anyio.create_task_group() as group:
        while True:
            group.start_soon(job, random.choice(NAMES), random.randint(5, 30))
            await anyio.sleep(0.5)


def bar(record: OperationRecord) -> RenderableType:
    """Draw how far an operation is; a pulse where nobody knows."""
    percent = None if record.progress is None else record.progress.percent
    return ProgressBar(total=100, completed=percent or 0, pulse=percent is None, width=20)


def plain(text: str) -> Text:
    """Show the text of somebody else, which may have markup and control characters, as it is."""
    return Text("".join(each if each.isprintable() else "?" for each in text))


def running_table(records: Iterable[OperationRecord], view: View) -> Table:
    """Draw what runs."""
    table = Table("name", "age", "progress", "latest", "worker", title=f"running ({view.value} view)", expand=True)
    for record in records:
        message = "is being cancelled" if record.cancel_requested else record.progress and record.progress.message
        age = f"{record.age:.1f} s"
        table.add_row(plain(record.name or record.id), age, bar(record), plain(message or ""), record.worker)
    return table


def ended_table(records: Iterable[OperationRecord]) -> Table:
    """Draw what has ended, and why."""
    table = Table("name", "how", "why", "after", title="ended", expand=True)
    for record in records:
        why = record.error or record.cancel_message or ""
        how = Text(record.status, STYLES.get(record.status, ""))
        table.add_row(plain(record.name or record.id), how, plain(why), f"{record.age:.1f} s")
    return table


def summary(numbers: Statistics) -> Text:
    """Say it in numbers."""
    ended = ", ".join(f"{count} {status}" for status, count in numbers["ended_by_status"].items()) or "none"
    return Text(f"{numbers['active_operations']} running; ended: {ended}")


async def picture(registry: OperationRegistry) -> Group:
    """Draw everything."""
    page = await registry.page(limit=15)
    ended = await registry.get_history(8)
    return Group(running_table(page.records, page.view), ended_table(ended), summary(await registry.get_statistics()))


async def watch(registry: OperationRegistry, console: Console, seconds: float) -> None:
    """Draw it four times a second; in a pipe once. The last picture stays."""
    with anyio.move_on_after(seconds):
        if not console.is_terminal:
            await anyio.sleep_forever()
        with Live(console=console, auto_refresh=False, screen=True) as live:
            while True:
                live.update(await picture(registry), refresh=True)
                await anyio.sleep(0.25)
    console.print(await picture(registry))


def shared(url: str) -> OperationRegistry:
    """Join the registries of other processes; end the program with advice where there is no Redis."""
    try:
        return OperationRegistry(RedisBackend(url, required=True))
    except BackendUnavailable as error:
        sys.exit(f"{error}\nStart one (`redis-server`; Debian: apt-get install redis-server), or name another URL")


async def main() -> None:
    """Watch, over memory or Redis."""
    parser = argparse.ArgumentParser(description="A live view of everything that runs.")
    parser.add_argument("--redis", metavar="URL", help="watch the processes that share this Redis")
    parser.add_argument("--seconds", type=float, help="end after so long")
    arguments = parser.parse_args()
    console = Console()
    seconds = arguments.seconds or (math.inf if console.is_terminal else 2)
    if arguments.redis is not None:
        registry = shared(arguments.redis)
        await watch(registry, console, seconds)
        await registry.close()
        return
    async with anyio.create_task_group() as group:
        group.start_soon(start_jobs)
        await watch(OperationRegistry.get_instance(), console, seconds)
        group.cancel_scope.cancel()


if __name__ == "__main__":
    try:
        anyio.run(main)
    except KeyboardInterrupt:
        pass
