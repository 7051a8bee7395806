"""Watching folders: one thread for each, which ends with its last source, and says when it cannot go on."""

from __future__ import annotations

import logging
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from hother.cancelable import Cancelable, ErrorCancelation
from hother.cancelable.sources import FileSource, watching
from hother.cancelable.sources.file import FileEvent

from .folders import NEEDS_WATCHFILES, noticed, only_when_told, wait_for_the_end, watched, watching_threads

watchfiles = pytest.importorskip("watchfiles", reason=NEEDS_WATCHFILES)


async def test_sources_in_one_folder_share_a_thread(tmp_path: Path) -> None:
    """It is none of the event loop's worker threads, and ends soon after the last operation has been left."""
    ended: list[Cancelable] = []

    async def work(name: str) -> None:
        async with Cancelable.with_source(FileSource(tmp_path / name, "created"), move_on=True) as operation:
            await anyio.sleep_forever()
        ended.append(operation)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(work, f"file {number // 2}")
            await anyio.wait_all_tasks_blocked()
            assert len(watching_threads(tmp_path)) == 1
            assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
            for number in range(50):
                (tmp_path / f"file {number}").touch()
    assert len(ended) == 100
    assert all(each.is_cancelled for each in ended)
    wait_for_the_end(tmp_path)


async def test_one_operation_after_the_other(tmp_path: Path) -> None:
    """A source that comes just after the last one has left finds the folder still watched, or watched anew."""
    with anyio.fail_after(20):
        for _ in range(300):
            async with Cancelable.with_source(FileSource(tmp_path / "file", "created")):
                pass
            assert len(watching_threads(tmp_path)) <= 2  # the former one may just be ending
        await noticed(tmp_path)
    wait_for_the_end(tmp_path)


@pytest.mark.parametrize("event", ["created", "modified", "deleted"])
@pytest.mark.parametrize("way", ["deleted", "moved"])
async def test_a_folder_that_vanishes(
    event: FileEvent, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for the end of a file has it; for others the safety net is broken, and the error names the folder."""
    only_when_told(monkeypatch)
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "file"
    if event != "created":
        path.touch()
    with anyio.fail_after(10):
        async with watched(tmp_path):
            try:
                async with Cancelable.with_source(FileSource(path, event), move_on=True) as operation:
                    await noticed(folder)
                    if way == "deleted":
                        shutil.rmtree(folder)
                    else:
                        folder.rename(tmp_path / "elsewhere")
                    await anyio.sleep_forever()
            except ErrorCancelation as error:
                assert isinstance(error.__cause__, FileNotFoundError)
    message = operation.context.cancel_message or ""
    if event == "deleted":
        assert message == f"{path} was deleted"
    else:
        assert message == f"{path} failed: FileNotFoundError('the folder {folder} is gone')"
    wait_for_the_end(folder)


async def test_a_folder_that_vanishes_right_after_entry(tmp_path: Path) -> None:
    """The same, before the thread has begun to watch it."""
    for event in ("created", "deleted"):
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "there").touch()
        source = FileSource(folder / ("there" if event == "deleted" else "absent"), event)
        with anyio.fail_after(10):
            try:
                async with Cancelable.with_source(source, move_on=True) as operation:
                    shutil.rmtree(folder)
                    await anyio.sleep_forever()
            except ErrorCancelation:
                pass
        assert ("is gone" in (operation.context.cancel_message or "")) is (event == "created")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows puts no folder in the place of another")
async def test_a_folder_that_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that is in its place now is watched."""
    only_when_told(monkeypatch)
    folder, aside = tmp_path / "folder", tmp_path / "aside"
    folder.mkdir()
    with anyio.fail_after(10):
        async with watched(folder), Cancelable.with_source(FileSource(folder / "file", "created"), move_on=True):
            aside.mkdir()
            aside.replace(folder)
            await noticed(folder)
            (folder / "file").touch()
            await anyio.sleep_forever()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a folder that is watched")
@pytest.mark.parametrize("event", ["created", "modified", "deleted"])
async def test_a_file_in_place_of_the_folder(event: FileEvent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be in it any more: an error that names it, or the end of the file that was waited for."""
    folder, pausing = tmp_path / "folder", _let_pause(monkeypatch)
    folder.mkdir()
    path = folder / "file"
    if event != "created":
        path.touch()
    with anyio.fail_after(10):
        try:
            async with Cancelable.with_source(FileSource(path, event), move_on=True) as operation:
                await noticed(folder)
                with pausing:  # or it might find the folder gone, and nothing in its place
                    shutil.rmtree(folder)
                    folder.touch()
                await anyio.sleep_forever()
        except ErrorCancelation as error:
            assert isinstance(error.__cause__, NotADirectoryError)
    if event == "deleted":
        assert operation.context.cancel_message == f"{path} was deleted"
    else:
        expected = f"{path} failed: NotADirectoryError('{folder} is no folder any more')"
        assert operation.context.cancel_message == expected
    wait_for_the_end(folder)


def _let_pause(monkeypatch: pytest.MonkeyPatch) -> threading.Lock:
    """Return a lock: while the test holds it, the threads that watch do not look."""
    lock, is_set = threading.Lock(), watching.FolderWatch.is_set

    def is_set_after_pause(thread: watching.FolderWatch) -> bool:
        with lock:
            return is_set(thread)

    monkeypatch.setattr(watching.FolderWatch, "is_set", is_set_after_pause)
    return lock


async def test_a_folder_that_cannot_be_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system says, like a limit on watched folders, ends the operation; the next one tries again."""
    error = OSError("OS file watch limit reached")

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise error

    with monkeypatch.context() as patched, anyio.fail_after(10):
        patched.setattr(watchfiles, "watch", refuse)
        with pytest.raises(ErrorCancelation, match=f"the folder {tmp_path} cannot be watched: OS file watch") as caught:
            async with Cancelable.with_source(FileSource(tmp_path / "file")):
                await anyio.sleep_forever()
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.__cause__ is error
    with anyio.fail_after(10):
        await noticed(tmp_path)
    wait_for_the_end(tmp_path)


def test_a_thread_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operation cannot be entered then, and the next one tries again."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def enter() -> None:
        async with Cancelable.with_source(FileSource(tmp_path / "file", "created"), move_on=True):
            (tmp_path / "file").touch()
            await anyio.sleep_forever()

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            anyio.run(enter)
    anyio.run(enter)


async def test_many_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that never comes to rest still tells of a file, and its thread still ends."""
    only_when_told(monkeypatch)
    done = threading.Event()

    def disturb() -> None:
        number = 0
        while not done.wait(0.001):
            number += 1
            (tmp_path / f"other {number}").touch()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        with anyio.fail_after(10):
            async with watched(tmp_path):
                await noticed(tmp_path)
        wait_for_the_end(tmp_path)
    finally:
        done.set()
        thread.join()


async def test_it_is_quiet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Changes are not logged, or a log in the same folder would go on about itself."""
    caplog.set_level(logging.INFO)
    with anyio.fail_after(10):
        await noticed(tmp_path)
    wait_for_the_end(tmp_path)
    assert caplog.records == []
