"""`def` endpoints, which run in threads: they stop when they ask, and nobody abandons them when they do not."""

import threading
import time

import anyio.to_thread
import pytest
from fastapi import FastAPI, Request

from hother.cancelable.integrations.fastapi import get_request_token

from .hand_made import make_app, with_and_without
from .serving import Journal, Server, each_server, quickest, serving

pytestmark = pytest.mark.server

SOON = 0.2


def make_app_with_one_thread(journal: Journal, *, middleware: bool) -> FastAPI:
    """Return an app with one thread for all, and an endpoint that shows when it is free."""
    app = make_app(middleware=middleware)

    @app.get("/busy")
    async def busy() -> list[int]:
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = 1
        return [int(limiter.borrowed_tokens), limiter.statistics().tasks_waiting]

    @app.get("/next/{name}")
    def next_one(name: str) -> None:
        journal.note(f"{name} next")

    return app


@each_server
@with_and_without
def test_thread_that_asks_is_free(kind: str, middleware: bool) -> None:
    """A thread that goes on asking whether to stop is free for the next request within 0.2 s of the client leaving."""
    journal = Journal()
    app = make_app_with_one_thread(journal, middleware=middleware)

    @app.get("/loop/{name}")
    def loop(name: str, request: Request) -> None:
        token = get_request_token(request)
        journal.note(f"{name} started")
        while True:
            token.check()
            time.sleep(0.005)

    def time_to_be_free(server: Server, name: str) -> float:
        client, waiting = server.connect(), server.connect()
        client.get(f"/loop/{name}")
        journal.when(f"{name} started")
        waiting.get(f"/next/{name}")
        wait_for_busy(server, working=1, waiting=1)
        gone = client.kill()
        return journal.when(f"{name} next") - gone

    with serving(app, kind) as server:
        wait_for_busy(server, working=0, waiting=0)
        assert quickest(lambda name: time_to_be_free(server, name), SOON) < SOON


@each_server
@with_and_without
def test_thread_that_does_not_ask_is_not_abandoned(kind: str, middleware: bool) -> None:
    """A thread that does not ask works on to its end after the client has left, and counts as busy until then."""
    journal, may_end = Journal(), threading.Event()
    app = make_app_with_one_thread(journal, middleware=middleware)

    @app.get("/work")
    def work(request: Request) -> None:
        get_request_token(request).on_cancel(lambda _: journal.note("left"))
        journal.note("started")
        may_end.wait(5)
        journal.note("worked")

    with serving(app, kind) as server:
        wait_for_busy(server, working=0, waiting=0)
        client, waiting = server.connect(), server.connect()
        client.get("/work")
        journal.when("started")
        waiting.get("/next/one")
        client.kill()
        journal.when("left")
        wait_for_busy(server, working=1, waiting=1)
        assert "one next" not in journal
        may_end.set()
        assert journal.when("worked") <= journal.when("one next")


def wait_for_busy(server: Server, *, working: int, waiting: int) -> None:
    """Ask until some threads work and some requests wait for one."""
    client, expected = server.connect(), f"[{working},{waiting}]".encode()
    deadline = time.monotonic() + 5
    found = b""
    while found != expected:
        assert time.monotonic() < deadline, f"expected {expected!r}, found {found!r}"
        client.get("/busy")
        found = client.response()[1]
