"""Watching folders: one thread for each, shared by all that listen in this process.

`watchfiles.awatch` would keep one of the worker threads of the event loop for as long as it watches, and there are 40.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .armed import nothing_to_disarm

if TYPE_CHECKING:
    from watchfiles import Change

STEP = 30
"""How often changes are asked for, in milliseconds."""

LOOK_INTERVAL = 1.0
"""How often listeners look without having been told, in seconds: hints get lost, and a link may lead elsewhere."""


class Listener(Protocol):
    """Something that wants to know of changes in a folder. It is called in the thread that watches."""

    def look(self, deleted: Collection[str]) -> object:
        """Look for changes; there may be none.

        Args:
            deleted: The paths that have been deleted since the last time, even if there is something again.
        """

    def fail(self, error: Exception) -> None:
        """Hear that the folder is watched no longer."""


class FolderWatch(threading.Thread):
    """The thread that watches a folder until nobody listens any more."""

    def __init__(self, folder: Path, folders: Folders) -> None:
        super().__init__(name=f"watching {folder}", daemon=True)
        self.listeners: dict[Listener, None] = {}
        self._folder = folder
        self._folders = folders
        self._deleted: set[str] = set()
        self._next_look = 0.0
        self._was_replaced = True

    def is_set(self) -> bool:
        """Look where there is a reason to, and tell whether to stop watching.

        Watchfiles takes this for the event that stops it, which it asks at every step; the first time is after it has
        begun to watch.
        """
        if time.monotonic() >= self._next_look:
            self._look()
        return self._was_replaced or self._folders.forget_unused(self._folder)

    def run(self) -> None:
        """Watch."""
        from watchfiles import watch

        try:
            while self._was_replaced:
                self._was_replaced = False
                self._next_look = 0.0
                if _is_no_folder(self._folder):  # watchfiles would watch a file as well
                    raise NotADirectoryError(f"{self._folder} is no folder")
                for _ in watch(
                    self._folder,
                    watch_filter=self._note,
                    debounce=STEP,
                    step=STEP,
                    stop_event=self,
                    rust_timeout=0,
                    raise_interrupt=False,
                    recursive=False,
                ):
                    pass  # nothing comes out of the filter
        except Exception as error:
            self._fail(error)

    def _note(self, change: Change, path: str) -> bool:
        """Take note of a change; as a filter that lets nothing pass, or watchfiles would log each."""
        self._next_look = 0.0
        if change.name == "deleted":
            self._deleted.add(path)
            if path == str(self._folder):  # or moved; what is in its place now has to be watched anew
                self._was_replaced = True
        return False

    def _look(self) -> None:
        deleted, self._deleted = self._deleted, set()
        self._next_look = time.monotonic() + LOOK_INTERVAL
        for listener in list(self.listeners):
            if listener in self.listeners:  # it has not left meanwhile
                listener.look(deleted)
        if not _is_folder(self._folder):
            self._was_replaced = True  # by nothing, as the next attempt to watch it finds out

    def _fail(self, error: Exception) -> None:
        self._folders.forget(self._folder)
        failure = _failure(self._folder, error)
        failure.__cause__ = error
        for listener in list(self.listeners):
            listener.look(())
            listener.fail(failure)


class Folders:
    """The folders that a process watches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: dict[Path, FolderWatch] = {}
        self._is_closed = False
        atexit.register(self.close)

    def listen(self, folder: Path, listener: Listener) -> Callable[[], object]:
        """Have a listener called at changes in a folder, until the returned function is called."""
        with self._lock:
            if self._is_closed:
                return nothing_to_disarm
            watch = self._watches.get(folder)
            if watch is None:
                watch = FolderWatch(folder, self)
                watch.start()
                self._watches[folder] = watch
            watch.listeners[listener] = None
        return lambda: watch.listeners.pop(listener, None)

    def forget_unused(self, folder: Path) -> bool:
        """Forget a folder if nobody listens, and tell whether that is so; only its own thread may ask."""
        with self._lock:
            if self._watches[folder].listeners and not self._is_closed:
                return False
            del self._watches[folder]
            return True

    def forget(self, folder: Path) -> None:
        """Forget a folder that is watched no longer; who listens to it from now on has it watched anew."""
        with self._lock:
            del self._watches[folder]

    def close(self) -> None:
        """End the threads before the interpreter ends, which aborts the process if one is in watchfiles just then."""
        self._is_closed = True
        for thread in threading.enumerate():
            if isinstance(thread, FolderWatch):
                thread.join(1)


_folders: dict[int, Folders] = {}
"""By the process, since a forked one has the memory of its parent and none of its threads."""


def listen(folder: Path, listener: Listener) -> Callable[[], object]:
    """Have a listener called at changes in a folder.

    A thread watches the folder; it ends soon after the last listener has left.

    Returns:
        A function that ends it.
    """
    process = os.getpid()
    folders = _folders.get(process) or _folders.setdefault(process, Folders())
    return folders.listen(folder, listener)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_no_folder(path: Path) -> bool:
    """Tell whether there is something else."""
    try:
        return path.exists() and not path.is_dir()
    except OSError:
        return False


def _failure(folder: Path, error: Exception) -> OSError:
    """Return what listeners are told when a folder can be watched no longer."""
    if _is_folder(folder):
        return OSError(f"the folder {folder} cannot be watched: {error}")
    if _is_no_folder(folder):
        return NotADirectoryError(f"{folder} is no folder any more")
    return FileNotFoundError(f"the folder {folder} is gone")
