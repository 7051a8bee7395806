"""FileSource: a file that is created, modified or deleted ends an operation."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from hother.cancelable import AnyOfSource, Cancelable, CancelationReason, ConditionCancelation
from hother.cancelable.sources import AllOfSource, FileSource
from hother.cancelable.sources.file import FileEvent

from .folders import NEEDS_WATCHFILES, noticed, only_when_told, watched
from .shared import count_tasks

pytest.importorskip("watchfiles", reason=NEEDS_WATCHFILES)


def replace(path: Path) -> None:
    """Write a file as careful programs do: aside, and then in the place of the former one."""
    aside = path.with_name("aside")
    aside.write_text("replaced")
    os.replace(aside, path)  # noqa: PTH105 - what is tested, by its name


def recreate(path: Path) -> None:
    """Delete a file and create it at once."""
    path.unlink()
    path.write_text("created again")


@pytest.mark.parametrize(
    ("event", "there", "act"),
    [
        ("created", False, Path.touch),
        ("created", False, Path.mkdir),
        ("created", False, replace),
        ("modified", True, lambda path: path.write_text("longer")),
        ("modified", True, lambda path: path.write_text("as long")),
        ("modified", True, os.utime),
        ("modified", True, replace),
        ("modified", True, recreate),
        ("modified", False, Path.touch),
        ("deleted", True, Path.unlink),
        ("deleted", True, recreate),
        ("deleted", True, lambda path: path.rename(path.with_name("moved"))),
    ],
    ids=[
        "created", "created as folder", "moved here", "longer", "as long", "touched", "replaced", "recreated", "new",
        "deleted", "deleted and recreated", "moved away",
    ],
)  # fmt: skip
async def test_what_happens_to_a_file(
    event: FileEvent, there: bool, act: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder tells of it, and the record says what happened to which file."""
    only_when_told(monkeypatch)
    path = tmp_path / "file"
    if there:
        path.write_text("so long")
    with anyio.fail_after(10):
        async with watched(tmp_path):
            with pytest.raises(ConditionCancelation, match=f"{path} was {event}"):
                async with Cancelable.with_source(FileSource(path, event)) as operation:
                    act(path)
                    await anyio.sleep_forever()
    assert operation.context.cancel_reason is CancelationReason.CONDITION
    assert operation.context.cancel_origin == str(path)


@pytest.mark.parametrize(("event", "message"), [("created", "exists"), ("deleted", "does not exist")])
async def test_what_is_so_on_entry(event: FileEvent, message: str, tmp_path: Path) -> None:
    """The operation ends at once if the file is there already, or is not there."""
    path = tmp_path / "file"
    if event == "created":
        path.touch()
    with anyio.fail_after(10):
        with pytest.raises(ConditionCancelation, match=f"{path} {message}"):
            async with Cancelable.with_source(FileSource(path, event)):
                await anyio.sleep_forever()
        assert (await FileSource(path, event).wait()).message == f"{path} {message}"


async def test_what_happens_right_after_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing gets lost between the entry and the moment from which the folder is watched."""
    only_when_told(monkeypatch)
    with anyio.fail_after(20):
        for number in range(5):
            folder = tmp_path / str(number)
            folder.mkdir()
            async with Cancelable.with_source(FileSource(folder / "file", "created"), move_on=True):
                (folder / "file").touch()
                await anyio.sleep_forever()


async def test_a_replaced_file_was_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is there at any time, so who waits for its end goes on."""
    only_when_told(monkeypatch)
    path = tmp_path / "file"
    path.touch()
    with anyio.fail_after(10):
        async with watched(tmp_path), Cancelable.with_source(FileSource(path, "deleted")) as operation:
            for _ in range(2):
                replace(path)
                await noticed(tmp_path)
            assert not operation.cancel_requested


@pytest.mark.parametrize("event", ["created", "modified", "deleted"])
async def test_other_files_do_not_count(event: FileEvent, tmp_path: Path) -> None:
    """Nothing else in the folder ends the operation, whatever its name begins with."""
    path, other = tmp_path / "file", tmp_path / "file2"
    if event != "created":
        path.touch()
    tasks = count_tasks()
    with anyio.fail_after(10):
        async with Cancelable.with_source(FileSource(path, event)) as operation:
            for act in (Path.touch, replace, recreate, Path.unlink):
                act(other)
                await noticed(tmp_path)
            assert not operation.cancel_requested
    assert count_tasks() == tasks


async def test_one_source_for_one_operation_after_the_other(tmp_path: Path) -> None:
    """Each operation compares with how the file was on its own entry."""
    path = tmp_path / "file"
    path.touch()
    source = FileSource(path)
    with anyio.fail_after(20):
        for number in range(2):
            async with Cancelable.with_source(source) as operation:
                await noticed(tmp_path)
            assert not operation.cancel_requested
            async with Cancelable.with_source(source, move_on=True) as operation:
                path.write_text("x" * number + "y")
                await anyio.sleep_forever()
            assert operation.is_cancelled


async def test_in_composites(tmp_path: Path) -> None:
    """Any of two files, all of two files."""
    first, second = tmp_path / "first", tmp_path / "second"
    with anyio.fail_after(10):
        every = AllOfSource(FileSource(first, "created"), FileSource(second, "created"))
        async with Cancelable.with_source(every, move_on=True) as outer:
            either = AnyOfSource(FileSource(first, "created"), FileSource(second, "created"))
            async with Cancelable.with_source(either, move_on=True) as inner:
                second.touch()
                await anyio.sleep_forever()
            assert inner.context.cancel_origin == str(second)
            await noticed(tmp_path)
            assert not outer.cancel_requested
            first.touch()
            await anyio.sleep_forever()
        assert outer.context.cancel_origin == str(first)
