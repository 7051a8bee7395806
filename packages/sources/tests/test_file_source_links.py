"""FileSource: paths that lead elsewhere."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from hother.cancelable import Cancelable, ErrorCancelation
from hother.cancelable.sources import FileSource, watching

from .folders import NEEDS_WATCHFILES, only_when_told, watched

pytest.importorskip("watchfiles", reason=NEEDS_WATCHFILES)


async def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It means a file in the folder that was the current one when the source was made."""
    monkeypatch.chdir(tmp_path)
    source = FileSource("file", "created")
    assert source.path == tmp_path / "file"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with anyio.fail_after(10):
        async with Cancelable.with_source(source, move_on=True):
            (tmp_path / "file").touch()
            await anyio.sleep_forever()


async def test_a_file_in_a_linked_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is deleted and created again is told of by the name that was asked for."""
    only_when_told(monkeypatch)
    (tmp_path / "real").mkdir()
    linked = tmp_path / "linked"
    linked.symlink_to(tmp_path / "real")
    (linked / "file").touch()
    with anyio.fail_after(10):
        async with watched(linked), Cancelable.with_source(FileSource(linked / "file", "deleted"), move_on=True):
            (tmp_path / "real" / "file").unlink()
            (tmp_path / "real" / "file").write_text("again")
            await anyio.sleep_forever()


async def test_a_link_that_is_set_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the link leads to is another file then; also where only a folder on the way is set anew."""
    only_when_told(monkeypatch)
    for version in ("old", "new"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "file").write_text(version)
    current, aside = tmp_path / "current", tmp_path / "aside"
    current.symlink_to("old")
    (tmp_path / "file").symlink_to(Path("current", "file"))
    with anyio.fail_after(10):
        async with Cancelable.with_source(FileSource(tmp_path / "file"), move_on=True):
            aside.symlink_to("new")
            aside.replace(current)
            await anyio.sleep_forever()


@pytest.mark.parametrize("kind", ["target of a link", "folder"])
async def test_what_the_folder_does_not_hear_of(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources look by themselves from time to time."""
    monkeypatch.setattr(watching, "LOOK_INTERVAL", 0.1)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "target").touch()
    (tmp_path / "link").symlink_to(Path("elsewhere", "target"))
    path = tmp_path / ("link" if kind == "target of a link" else "elsewhere")
    with anyio.fail_after(10):
        async with watched(tmp_path), Cancelable.with_source(FileSource(path), move_on=True):
            (tmp_path / "elsewhere" / "target").unlink()
            (tmp_path / "elsewhere" / "target").write_text("new")
            await anyio.sleep_forever()


async def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    """There is nothing at its path until its target exists."""
    path, target = tmp_path / "link", tmp_path / "target"
    path.symlink_to(target)
    with anyio.fail_after(10):
        async with Cancelable.with_source(FileSource(path, "created"), move_on=True) as operation:
            target.touch()
            await anyio.sleep_forever()
    assert operation.context.cancel_message == f"{path} was created"


async def test_a_link_to_itself(tmp_path: Path) -> None:
    """What cannot be looked at ends the operation: a broken safety net is not silent."""
    path = tmp_path / "link"
    with anyio.fail_after(10):
        with pytest.raises(ErrorCancelation, match=f"{path} failed: OSError"):
            async with Cancelable.with_source(FileSource(path, "created")):
                path.symlink_to(path)
                await anyio.sleep_forever()
        with pytest.raises(OSError, match="link"):
            async with Cancelable.with_source(FileSource(path, "created")):
                raise AssertionError("the operation cannot be entered")
