"""Make the screenshots of the operations page: uv run python scripts/screenshots.py [folder].

Needs Chromium, as Debian's package `chromium` brings it.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import uvicorn
from anyio.abc import TaskGroup, TaskStatus
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, sync_playwright

from hother.cancelable import Cancelable, CancelationReason, set_stuck_after
from hother.cancelable.integrations.fastapi import GracefulShutdown, RequestCancelationMiddleware
from hother.cancelable.integrations.fastapi.operations import allow_loopback_only, mount_operations_page
from hother.cancelable.registry import OperationRegistry

WIDE: Final = {"width": 1280, "height": 760}
PHONE: Final = {"width": 390, "height": 844}
RUNNING: Final = [
    ("import customers", "file 31 of 80, 12,400 rows", 39),
    ("nightly report", "charts for 2026-11", 72),
    ("chat: summarise the thread", "", None),
    ("reindex search", "shard 5 of 6", 91),
    ("export invoices", "waiting for the accounting service", 8),
    ("transcode lecture-07.mp4", "pass 2", 55),
    ("sync calendar", "", None),
    ("train recommender", "epoch 3 of 20", 15),
]

ENDS: Final = [
    *[(None, "")] * 2,
    (CancelationReason.TIMEOUT, "no answer within 30 s"),
    *[(None, "")] * 3,
    (CancelationReason.MANUAL, "wrong address (by alice)"),
    (None, ""),
]


class Shop:
    """An app with operations that are worth looking at."""

    def __init__(self) -> None:
        self.registry = OperationRegistry()
        self._over = anyio.Event()

    @asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncGenerator[None]:
        """Run the operations while the app is served."""
        async with anyio.create_task_group() as group:
            await self._begin(group)
            yield
            self._over.set()
            group.cancel_scope.cancel()

    async def _begin(self, group: TaskGroup) -> None:
        await self._history(group)
        first: Cancelable | None = None
        for name, message, percent in RUNNING:
            operation = await self._start(group, name, metadata={"customer": "acme"})
            first = first or operation
            if message:
                await operation.report_progress(message, {"percent": percent})
        for number in range(3):
            child = await self._start(group, f"parse file {31 + number}", parent=first)
            await child.report_progress(f"{(number + 1) * 20} of 100 rows", {"percent": (number + 1) * 20})
        set_stuck_after(0.1)
        for name, why in (("legacy import", "maintenance (by bob)"), ("resize images", "wrong folder (by alice)")):
            operation = await self._start(group, name, is_stubborn=True, metadata={"customer": "acme"})
            await operation.report_progress("31 of 80 done", {"current": 31, "total": 80})
            await self.registry.cancel(operation.operation_id, CancelationReason.MANUAL, why)
            await anyio.sleep(0.3)
            set_stuck_after(None)

    async def _history(self, group: TaskGroup) -> None:
        for number in range(24):
            reason, message = ENDS[number % len(ENDS)]
            operation = await self._start(group, f"send mail {number + 1}", seconds=0.02 if message == "" else 3600)
            await anyio.sleep(0.03 + random.random() / 20)
            if reason is not None:
                operation.token.cancel_sync(reason, message)

    async def _start(
        self, group: TaskGroup, name: str, *, is_stubborn: bool = False, seconds: float = 3600, **options: Any
    ) -> Cancelable:
        operation = Cancelable(name=name, move_on=True, **options)
        await self.registry.register(operation)
        await group.start(self._run, operation, is_stubborn, seconds)
        return operation

    async def _run(
        self, operation: Cancelable, is_stubborn: bool, seconds: float, *, task_status: TaskStatus[None]
    ) -> None:
        async with operation:
            task_status.started()
            with anyio.CancelScope(shield=is_stubborn):
                with anyio.move_on_after(seconds):
                    await self._over.wait()


@contextmanager
def served() -> Generator[str]:
    """Serve the app in a thread, and return its address."""
    shop, shutdown = Shop(), GracefulShutdown(grace=1)
    app = FastAPI(lifespan=shop.lifespan)
    app.add_middleware(RequestCancelationMiddleware, shutdown=shutdown)
    mount_operations_page(app, shop.registry, authorize=allow_loopback_only(), metadata_keys=["customer"])
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/operations"
    finally:
        shutdown.begin_shutdown()
        server.should_exit = True
        thread.join()
        listener.close()


@contextmanager
def opened(browser: Browser, address: str, **options: Any) -> Generator[Page]:
    """Open the page, and wait until it is live."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto(address)
    page.locator("body[data-live=live]").wait_for()
    page.locator("#counts li").first.wait_for()
    page.locator("#operations .badge[data-state=stuck]").or_(page.locator("#ended tbody tr").first).first.wait_for()
    page.wait_for_timeout(1500)
    yield page
    context.close()


def take(browser: Browser, address: str, folder: Path) -> None:
    """Make the screenshots."""
    for scheme in ("light", "dark"):
        options: dict[str, Any] = {"color_scheme": scheme, "viewport": WIDE}
        with opened(browser, address, **options) as page:
            page.screenshot(path=folder / f"operations-{scheme}.png")
            page.get_by_role("button", name="resize images", exact=True).click()
            page.screenshot(path=folder / f"operations-detail-{scheme}.png")
    for view in ("tree", "ended"):
        with opened(browser, f"{address}?view={view}", viewport=WIDE) as page:
            page.screenshot(path=folder / f"operations-{view}.png")
    with opened(browser, address, viewport=PHONE, device_scale_factor=2, has_touch=True) as page:
        page.screenshot(path=folder / "operations-phone.png")


def main() -> None:
    """Make the screenshots in the folder that was given."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/assets")
    folder.mkdir(parents=True, exist_ok=True)
    path = shutil.which("chromium")
    if path is None:
        sys.exit("chromium is not in PATH (Debian: apt-get install chromium)")
    options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        take(browser, address, folder)
        browser.close()
    sys.stdout.write(f"screenshots in {folder}\n")


if __name__ == "__main__":
    main()
