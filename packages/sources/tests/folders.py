"""Folders that are watched, and the threads that do it."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from hother.cancelable import Cancelable
from hother.cancelable.sources import FileSource, watching

NEEDS_WATCHFILES = "folders are watched with watchfiles, which is not installed"


def only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have sources look only when the folder tells of a change."""
    monkeypatch.setattr(watching, "LOOK_INTERVAL", 3600.0)


@asynccontextmanager
async def watched(folder: Path) -> AsyncGenerator[None]:
    """Have a folder watched from here on, so that all is told that happens in it."""
    async with Cancelable.with_source(FileSource(folder / "never", "created")):
        await noticed(folder)
        yield


async def noticed(folder: Path) -> None:
    """Wait until all that has happened in a folder has been told."""
    probe = folder / "probe"
    async with Cancelable.with_source(FileSource(probe, "created"), move_on=True):
        probe.touch()
        await anyio.sleep_forever()
    async with Cancelable.with_source(FileSource(probe, "deleted"), move_on=True):
        probe.unlink()
        await anyio.sleep_forever()


def watching_threads(folder: Path) -> list[threading.Thread]:
    """Return the threads that watch a folder."""
    return [thread for thread in threading.enumerate() if thread.name == f"watching {folder}"]


def wait_for_the_end(folder: Path) -> None:
    """Wait until nobody watches a folder any more."""
    for thread in watching_threads(folder):
        thread.join(5)
        assert not thread.is_alive()
