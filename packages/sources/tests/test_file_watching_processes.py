"""Watching folders from several event loops, in forked processes, and when the program ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest

from hother.cancelable import Cancelable
from hother.cancelable.sources import FileSource

from .folders import NEEDS_WATCHFILES, wait_for_the_end, watching_threads

pytest.importorskip("watchfiles", reason=NEEDS_WATCHFILES)

FORKING = """
import os, sys, threading
from pathlib import Path
import anyio
from hother.cancelable import Cancelable
from hother.cancelable.sources import FileSource

folder = Path(sys.argv[1])
entered = threading.Event()

async def wait(name, event):
    with anyio.fail_after(10):
        async with Cancelable.with_source(FileSource(folder / name, "created"), move_on=True):
            event()
            await anyio.sleep_forever()

thread = threading.Thread(target=anyio.run, args=(wait, "last", entered.set))
thread.start()
entered.wait(10)
child = os.fork()
if child == 0:
    anyio.run(wait, "child", (folder / "child").touch)
    os._exit(7)
status = os.waitpid(child, 0)[1]
(folder / "last").touch()
thread.join(10)
sys.exit(os.waitstatus_to_exitcode(status))
"""

LEAVING = """
import sys, threading, time
from pathlib import Path
import anyio
from hother.cancelable import Cancelable
from hother.cancelable.sources import FileSource, watching

entered = threading.Event()

class Slow:
    def look(self, deleted):
        entered.set()
        time.sleep(0.2)

    def fail(self, error):
        raise error

class Last:
    def __del__(self):  # lets other threads run while the interpreter ends
        time.sleep(0.4)

last = Last()

async def main():
    async with Cancelable.with_source(FileSource(Path(sys.argv[1], "file"), "created")):
        entered.set()
        await anyio.sleep(seconds)
"""

ENTER = {
    "the operation was left": "seconds = 0.05; anyio.run(main)",
    "the operation goes on": "seconds = 60; threading.Thread(target=anyio.run, args=(main,), daemon=True).start(); "
    "entered.wait(10)",
    "a source looks": "watching.listen(Path(sys.argv[1]), Slow()); entered.wait(10)",
}


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that may watch a folder."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=25, check=False)


def test_several_event_loops_watch_one_folder(tmp_path: Path) -> None:
    """Loops in several threads share the thread that watches, and each of their operations ends."""
    entered, ended = threading.Barrier(9), list[str]()

    async def work() -> None:
        for _ in range(20):
            async with Cancelable.with_source(FileSource(tmp_path / "never", "created")):
                pass
        with anyio.fail_after(10):
            async with Cancelable.with_source(FileSource(tmp_path / "file", "created"), move_on=True) as operation:
                entered.wait(10)
                entered.wait(10)
                await anyio.sleep_forever()
        ended.append(operation.context.cancel_message or "")

    backends = ["asyncio", "trio"] * 4
    threads = [threading.Thread(target=anyio.run, args=(work,), kwargs={"backend": name}) for name in backends]
    for thread in threads:
        thread.start()
    entered.wait(10)
    assert len(watching_threads(tmp_path)) == 1
    entered.wait(10)
    (tmp_path / "file").touch()
    for thread in threads:
        thread.join(10)
    assert ended == [f"{tmp_path / 'file'} was created"] * 8
    wait_for_the_end(tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_watches_for_itself(tmp_path: Path) -> None:
    """It has the memory of its parent, but not the thread that watched there."""
    result = run(FORKING, tmp_path)
    assert (result.returncode, result.stderr) == (7, "")


@pytest.mark.parametrize("end", ENTER)
def test_a_program_that_ends_while_a_folder_is_watched(end: str, tmp_path: Path) -> None:
    """Nothing holds it up, and nothing is printed."""
    result = run(LEAVING + ENTER[end], tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
