"""What those see who only look, such as the command line, and in which order."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

pytest.importorskip("redis", reason="the shared store needs the extra redis, which is not installed")

from hother.cancelable import CancelationReason
from hother.cancelable.registry import OperationFilter, RecordStatus, WorkerState

from .fake_process import FakeProcess
from .redis_server import namespace, redis_server, until

pytestmark = pytest.mark.server

ALL = OperationFilter()


def test_nobody_is_left() -> None:
    """Where all processes have died, one who only looks sees that their operations are lost."""
    with namespace() as here:
        one, looking = FakeProcess(here.backend(lease=0.6)), here.backend()
        one.start("x")
        assert one.backend.get("x") is not None
        one.vanish()
        until(lambda: (record := looking.get("x")) and record.status is RecordStatus.LOST)
        assert looking.statistics()["active_by_status"] == {"lost": 1}
        assert [worker.state for worker in looking.workers()] == [WorkerState.LOST]
        assert looking.cancel("x", CancelationReason.MANUAL, None, None, None).record == looking.get("x")


def test_looking_forgets_nothing() -> None:
    """One who only looks removes nothing, whatever limits it has been given."""
    with namespace() as here:
        one, looking = FakeProcess(here.backend()), here.backend(history_limit=1, lease=0.001)
        for name in "xyz":
            one.start(name)
            one.end(name)
        assert len(one.backend.history(ALL, 10, None)) == 3
        assert len(looking.history(ALL, 10, None)) == 3


def test_looking_at_a_replica() -> None:
    """One may look where nothing may be written."""
    with redis_server() as main, namespace(main) as here:
        one = FakeProcess(here.backend(lease=0.6))
        one.start("x")
        assert one.backend.get("x") is not None
        one.vanish()
        with redis_server("--replicaof", "127.0.0.1", str(main.port)) as replica, namespace(replica) as there:
            until(lambda: there.backend(namespace=here.name).count(ALL) == 1)
            asked = time.time()
            until(lambda: time.time() - asked > 0.6)  # its lease is out, which nobody can write down there
            assert there.backend(namespace=here.name).get("x") is not None


def test_order_of_a_page_in_any_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor visits each operation once, in whichever language the server sorts, also where its own has ended."""
    _speak_english(tmp_path, monkeypatch)
    with redis_server() as server, namespace(server) as here:
        one, started = FakeProcess(here.backend()), time.time()
        names = [f"{word}-{number}" for word in ("Import", "import", "Zip", "job", "Job_x") for number in range(3)]
        for name in names:
            one.start(name, started=started)
        assert one.backend.count(ALL) == len(names)
        assert _by_pages(one, ends=False) == sorted(names)
        assert _by_pages(one, ends=True) == sorted(names)


def _by_pages(one: FakeProcess, *, ends: bool) -> list[str]:
    seen: list[str] = []
    cursor = None
    while True:
        page = one.backend.page(ALL, 2, cursor)
        seen += [record.id for record in page.records]
        cursor = page.cursor
        if cursor is None:
            return seen
        if ends:
            one.end(seen[-1])


def _speak_english(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have servers sort as people do who read English: neither case nor punctuation counts for much."""
    if shutil.which("localedef") is None:
        pytest.skip("localedef is not in PATH to make a locale")
    command = ["localedef", "-i", "en_US", "-f", "UTF-8", str(folder / "en_US.UTF-8")]
    subprocess.run(command, capture_output=True, check=False)  # warnings count as errors there
    if not (folder / "en_US.UTF-8" / "LC_COLLATE").exists():
        pytest.skip("there is nothing to make a locale from")
    monkeypatch.setenv("LOCPATH", str(folder))
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
