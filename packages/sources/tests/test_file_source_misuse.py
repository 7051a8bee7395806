"""FileSource: what cannot be watched is refused when the source is made."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from hother.cancelable.sources import FileSource

from .folders import NEEDS_WATCHFILES


@pytest.mark.parametrize("event", ["moved", "Created", "", None, 1, []])
def test_an_unknown_event(event: Any, tmp_path: Path) -> None:
    """The error lists those that there are."""
    pytest.importorskip("watchfiles", reason=NEEDS_WATCHFILES)
    with pytest.raises(ValueError, match="event must be one of 'created', 'modified' and 'deleted', not"):
        FileSource(tmp_path / "file", event)


class BytesPath:
    """Stands for a path that is no text."""

    def __fspath__(self) -> bytes:
        return b"file"


@pytest.mark.parametrize("path", [b"file", 1, None, ["file"], BytesPath()])
def test_a_path_of_a_wrong_type(path: Any) -> None:
    """A path is a str, or something like pathlib's."""
    pytest.importorskip("watchfiles", reason=NEEDS_WATCHFILES)
    with pytest.raises(TypeError, match="path must be a str or a path, not"):
        FileSource(path)


@pytest.mark.parametrize("path", ["", "a\0b"], ids=["empty", "null"])
def test_a_path_that_can_be_none(path: str) -> None:
    """Empty paths and those with a null character name no file."""
    pytest.importorskip("watchfiles", reason=NEEDS_WATCHFILES)
    with pytest.raises(ValueError, match="path must be the path of a file"):
        FileSource(path)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    """The error names the folder; a file in the place of the folder is none either."""
    pytest.importorskip("watchfiles", reason=NEEDS_WATCHFILES)
    with pytest.raises(FileNotFoundError, match=f"the folder {tmp_path / 'nowhere'} does not exist"):
        FileSource(tmp_path / "nowhere" / "file", "created")
    (tmp_path / "nowhere").touch()
    with pytest.raises(FileNotFoundError, match=f"the folder {tmp_path / 'nowhere'} does not exist"):
        FileSource(tmp_path / "nowhere" / "file", "created")


def test_without_watchfiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error says what to install, as soon as the source is made."""
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(
        ImportError, match=r'FileSource needs watchfiles: pip install "hother-cancelable-sources\[files\]"'
    ) as caught:
        FileSource(tmp_path / "file")
    assert caught.value.name == "watchfiles"


def test_repr(tmp_path: Path) -> None:
    """It shows path and event."""
    pytest.importorskip("watchfiles", reason=NEEDS_WATCHFILES)
    path = tmp_path / "file"
    assert repr(FileSource(str(path), "deleted")) == f"FileSource({str(path)!r}, 'deleted')"
