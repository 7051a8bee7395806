"""ProcessSource: what cannot be waited for is refused when the source is made."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hother.cancelable.sources import ProcessSource

from .processes import WAYS, ended_pid, go


@pytest.mark.parametrize("pid", [True, "1", 1.5, None, b"2"])
def test_an_id_of_a_wrong_type(pid: Any) -> None:
    """An id is an int; the error shows what it was."""
    with pytest.raises(TypeError, match=f"pid must be the id of a process.*{pid!r}"):
        ProcessSource(pid)


@pytest.mark.parametrize("pid", [0, -1])
def test_an_id_that_means_no_single_process(pid: int) -> None:
    """Zero and negative numbers mean groups of processes to the system."""
    with pytest.raises(ValueError, match=f"more than zero, not {pid}"):
        ProcessSource(pid)


def test_this_very_process() -> None:
    """Waiting for the own end would never end."""
    with pytest.raises(ValueError, match="cannot wait for its own end; wait for a signal"):
        ProcessSource(os.getpid())


@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_is_gone(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the process that there is not."""
    go(way, monkeypatch)
    pid = ended_pid()
    with pytest.raises(ProcessLookupError, match=f"there is no process {pid}"):
        ProcessSource(pid)


@pytest.mark.parametrize("way", WAYS)
def test_an_id_larger_than_any(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that the system has no room for is the id of no process."""
    go(way, monkeypatch)
    with pytest.raises(ProcessLookupError, match=str(2**70)):
        ProcessSource(2**70)


@pytest.mark.skipif(sys.platform != "linux", reason="ids of threads are like those of processes on Linux only")
@pytest.mark.parametrize("way", WAYS)
def test_the_id_of_a_thread(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread is no process."""
    go(way, monkeypatch)
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with pytest.raises(ProcessLookupError, match=f"there is no process {thread.native_id}"):
            ProcessSource(thread.native_id or 0)
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("way", WAYS)
def test_copies(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are none: a copy would use the descriptor that the original closes."""
    go(way, monkeypatch)
    source = ProcessSource(os.getppid())
    ways: list[Callable[[object], object]] = [copy.copy, copy.deepcopy, pickle.dumps]
    for each in ways:
        with pytest.raises(TypeError, match="a ProcessSource cannot be copied or pickled"):
            each(source)


def test_without_psutil_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(ImportError, match=r'pip install "hother-cancelable-sources\[resources\]"'):
        ProcessSource(os.getppid())


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="this system has no pidfd_open")
def test_without_psutil_where_it_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux needs no extra."""
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert ProcessSource(os.getppid()).pid == os.getppid()
