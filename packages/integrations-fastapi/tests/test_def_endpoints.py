"""On a real server, an endpoint that is a plain function stops where it checks, once its client has left."""

import time
from typing import Annotated

import pytest
from fastapi import Depends

from hother.cancelable import Cancelable, DisconnectCancelation
from hother.cancelable.integrations.fastapi import cancelable_dependency, cancelable_within

from .hand_made import make_app, with_and_without
from .serving import Journal, each_server, serving

pytestmark = pytest.mark.server

DEPENDENCIES = {"cancelable_dependency": cancelable_dependency, "cancelable_within": cancelable_within(30)}


@each_server
@with_and_without
@pytest.mark.parametrize("name", DEPENDENCIES)
def test_check_stops_the_thread(kind: str, middleware: bool, name: str) -> None:
    """The thread is free soon after the client is gone, and nothing is logged or sent."""
    app, journal = make_app(middleware=middleware), Journal()

    @app.get("/")
    def endpoint(operation: Annotated[Cancelable, Depends(DEPENDENCIES[name])]) -> None:
        try:
            while True:
                operation.check()
                journal.note("working")
                time.sleep(0.005)
        except Exception as error:
            journal.note("stopped", error)
            raise

    with serving(app, kind) as server:
        client = server.connect()
        client.get("/")
        journal.when("working")
        gone = client.kill()
        assert journal.when("stopped") - gone < 0.2
    assert isinstance(journal.values["stopped"], DisconnectCancelation)


@each_server
def test_client_that_stays_gets_its_answer(kind: str) -> None:
    """Checking says nothing as long as the client is there, however many requests there are on its connection."""
    app = make_app(middleware=True)

    @app.get("/")
    def endpoint(operation: Annotated[Cancelable, Depends(cancelable_dependency)]) -> str:
        for _ in range(10):
            operation.check()
            time.sleep(0.001)
        return "done"

    with serving(app, kind) as server:
        client = server.connect()
        for _ in range(3):
            client.get("/")
            assert client.response() == (200, b'"done"')
