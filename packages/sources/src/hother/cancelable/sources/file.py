"""A source that fires when a file is created, modified or deleted."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Literal, get_args

from hother.cancelable.core import Disarm, Fire

from .armed import ArmedSource, nothing_to_disarm
from .extras import require_extra
from .paths import path_text
from .watching import listen

FileEvent = Literal["created", "modified", "deleted"]

Fingerprint = tuple[int, int, int] | None
"""What tells one state of a file from another; None where there is no file."""


class FileSource(ArmedSource):
    """Fires when there is something at a path, or nothing any more, or something else than before.

    Watched with watchfiles: `pip install "hother-cancelable-sources[files]"`. One thread watches a folder for all
    sources of the process. It is noticed within about 0.2 s; within about a second where the folder does not hear of
    it: in the target of a link that leads to another folder, in what a folder contains, on a network file system.

    How many folders can be watched at a time is up to the system: on Linux each takes one of the user's inotify
    instances, of which there are 128 unless `fs.inotify.max_user_instances` says otherwise. An operation beyond that
    ends with the reason ERROR, and its message shows what the system said, like "Too many open files". So does one
    whose folder is deleted or replaced by a file.

    Args:
        path: The path of a file or folder, which need not exist; the folder that it is in has to. A link is followed.
        event: `"created"` fires as soon as there is something at the path, at once if there is on entry. `"deleted"`
            fires as soon as there is nothing, at once if there is none, and also if it was deleted and is there again.
            `"modified"` fires when there is something else than on entry: written, replaced, or new.

    Raises:
        TypeError: If the path is neither a str nor a path.
        ValueError: If the path is empty or contains a null character, or the event is none of the three.
        FileNotFoundError: If its folder does not exist.
        ImportError: If watchfiles is not installed.

    Example:
        ```python
        import tempfile
        from pathlib import Path

        import anyio

        from hother.cancelable import Cancelable
        from hother.cancelable.sources import FileSource


        async def main() -> None:
            with tempfile.TemporaryDirectory() as folder:
                stop = Path(folder, "stop")
                async with Cancelable.with_source(FileSource(stop, "created"), move_on=True) as operation:
                    stop.touch()
                    await anyio.sleep(10)
                print(operation.is_cancelled)
                #> True


        anyio.run(main)
        ```
    """

    def __init__(self, path: str | os.PathLike[str], event: FileEvent = "modified") -> None:
        require_extra("watchfiles", "files", type(self).__name__)
        if event not in get_args(FileEvent):
            raise ValueError(f"event must be one of 'created', 'modified' and 'deleted', not {event!r}")
        self.path: Path = _absolute(path)
        self.event: FileEvent = event
        self.name: str = str(self.path)
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"the folder {self.path.parent} does not exist, so {self.path.name!r} in it cannot")

    def arm(self, fire: Fire) -> Disarm:
        """Have the folder watched, unless it has happened already."""
        awaited = _Awaited(self, fire)
        if awaited.look(()):
            return nothing_to_disarm
        stop = listen(self.path.parent, awaited)
        awaited.look(())  # again, since a thread that watches already tells of later changes only
        return stop

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, {self.event!r})"


class _Awaited:
    """What an operation waits for, and how the file was on entry."""

    __slots__ = ("_before", "_fire", "_source")

    def __init__(self, source: FileSource, fire: Fire) -> None:
        self._source = source
        self._fire = fire
        self._before = _fingerprint(source.path)

    def look(self, deleted: Collection[str]) -> bool:
        """Fire if it has happened, and tell whether it has."""
        try:
            message = self._what_happened(deleted)
        except OSError as error:
            self.fail(error)
            return True
        if message:
            self._fire(message)
        return bool(message)

    def _what_happened(self, deleted: Collection[str]) -> str:
        path, event = self._source.path, self._source.event
        now = _fingerprint(path)
        has_changed = now != self._before
        if event == "created" and now:
            return f"{path} was created" if has_changed else f"{path} exists"
        if event == "modified" and now and has_changed:
            return f"{path} was modified"
        if event == "deleted" and has_changed and (not now or str(path) in deleted):
            return f"{path} was deleted"
        if event == "deleted" and not now:
            return f"{path} does not exist"
        return ""

    def fail(self, error: Exception) -> None:
        """End the operation, because the file can no longer be watched."""
        self._fire.fail(error)


def _fingerprint(path: Path) -> Fingerprint:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _absolute(value: object) -> Path:
    path = path_text(value, "path")
    if not path or "\0" in path:
        raise ValueError(f"path must be the path of a file, not {path!r}")
    return Path(path).absolute()
