"""2,000 connections that close at random moments leave nothing behind, and every operation has its one end."""

import gc
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hother.cancelable import Cancelable, CancelationReason, OperationStatus
from hother.cancelable.core import Observer, add_observer, remove_observer

from .clients import Client
from .serving import serving
from .soak_app import KINDS, Balance, make_soaked_app

pytestmark = [
    pytest.mark.server,
    pytest.mark.timeout(60),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts descriptors in /proc"),
]

CONNECTIONS = 2_000
CLIENTS = 16
"""How many of them at a time."""


class Counters(Observer):
    """Counts how operations begin and end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.started = 0
        self.running: Counter[int] = Counter()
        self.ended: Counter[tuple[OperationStatus, CancelationReason | None]] = Counter()

    def operation_started(self, operation: Cancelable) -> None:
        """Count one more."""
        with self._lock:
            self.started += 1
            self.running[id(operation)] += 1

    def operation_ended(self, operation: Cancelable) -> None:
        """Count how it ended, by status and by why it was asked to; Starlette, too, cancels what streams to nobody."""
        reason = operation.context.cancel_reason
        with self._lock:
            self.running[id(operation)] -= 1
            self.ended[operation.context.status, operation.token.reason or reason] += 1


ENDINGS = {
    (OperationStatus.COMPLETED, None),
    (OperationStatus.CANCELLED, CancelationReason.DISCONNECT),
    (OperationStatus.CANCELLED, CancelationReason.TIMEOUT),
}


def behave(port: int, number: int) -> None:
    """Be one client, with a temper that depends on its number alone."""
    dice = random.Random(number)
    client = Client(port)
    leave: Callable[[], Any] = dice.choice([client.close, client.kill])
    kind = dice.choice(KINDS)
    try:
        for _ in range(dice.choice([1, 1, 2, 3])):  # the connection stays alive between
            if request(client, kind, dice):
                break
    finally:
        leave()


def request(client: Client, kind: str, dice: random.Random) -> bool:
    """Make a request, at most, and return whether the client has had enough."""
    moment = dice.choice(["head", "body", "waiting", "within", "after", "whole"])
    if kind == "upload":
        head = b"POST /upload HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    else:
        head = f"GET /{kind} HTTP/1.1\r\nHost: test\r\n\r\n".encode()
    if moment == "head":
        client.send(head[: dice.randrange(len(head))])
        return True
    client.send(head)
    if kind == "upload":
        for _ in range(dice.randrange(4)):
            client.chunk(bytes(dice.randrange(1, 20_000)))
        if moment == "body":
            return True
        client.chunk(b"")
    if moment in ("body", "waiting"):
        time.sleep(dice.random() * 0.03)
        return True
    if moment == "within":
        client.socket.recv(dice.randrange(1, 2_000))
        return True
    finish(client, kind)
    return moment == "after"


def finish(client: Client, kind: str) -> None:
    """Read a whole response."""
    if kind in ("stream", "plain"):
        client.read_until(b"\r\n0\r\n\r\n")
        return
    status, body = client.response()
    assert status == (504 if kind == "timeout" else 200), body


@pytest.fixture
def counters() -> Generator[Counters]:
    """Count all operations."""
    observer = Counters()
    add_observer(observer)
    yield observer
    remove_observer(observer)


def sockets() -> int:
    """Return how many sockets this process has open; loops keep a few pipes for the next one."""
    return sum(is_socket(each) for each in Path("/proc/self/fd").iterdir())


def is_socket(descriptor: Path) -> bool:
    """Tell whether a descriptor is one of a socket."""
    try:
        return str(descriptor.readlink()).startswith("socket:")
    except FileNotFoundError:  # the one that the directory was read with
        return False


@pytest.mark.parametrize("kind", ["h11", "httptools"])
def test_2000_connections(kind: str, counters: Counters) -> None:
    """No task, thread, socket or traceback is left, and each operation that began has ended once, for a reason."""
    balance = Balance()
    before = sockets(), threading.active_count()
    with serving(make_soaked_app(balance), kind) as server:
        first = settled(server.connect(), balance)
        open_before = sockets()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda number: behave(server.port, number), range(CONNECTIONS)))
        client = server.connect()
        wait_until(lambda: settled(client, balance) == first)  # one may be on its way out
        wait_until(lambda: sockets() <= open_before + 2)  # the second connection has two ends
    gc.collect()
    # worker threads end by themselves, a moment later
    wait_until(lambda: sockets() <= before[0] and threading.active_count() <= before[1])
    assert balance.begun == balance.ended
    assert min(balance.begun.values()) > 50
    assert set(counters.running.values()) == {0}
    assert counters.started == counters.ended.total()
    assert counters.started > sum(balance.begun[f"/{each}"] for each in ("decorated", "timeout", "plain", "stream"))
    assert min(counters.ended[ending] for ending in ENDINGS) > 20
    assert set(counters.ended) - ENDINGS <= {(OperationStatus.COMPLETED, CancelationReason.DISCONNECT)}


def settled(client: Client, balance: Balance) -> int:
    """Return how many tasks the server has once nothing but this request runs."""
    tasks = list[int]()

    def is_alone() -> bool:
        client.get("/tasks")
        status, body = client.response()
        assert status == 200
        tasks.append(int(body))
        return balance.begun.total() == balance.ended.total()

    wait_until(is_alone)
    return tasks[-1]


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what the server does when its clients have gone."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
