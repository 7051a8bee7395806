"""The tutorial, followed in an environment that holds the wheels and nothing of the repository, shows what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import Environment
from .workspace import ROOT

pytestmark = pytest.mark.timeout(240)

TUTORIAL: Path = ROOT / "docs" / "tutorial.md"
LEAVING_CLIENT = """
import anyio

async def call(app):
    answered = []
    body = {"type": "http.request", "body": b""}
    arriving = iter([body])

    async def receive():
        for message in arriving:
            return message
        await anyio.sleep(0.5)
        return {"type": "http.disconnect"}

    async def send(message):
        answered.append(message)

    scope = {"type": "http", "method": "GET", "path": "/report", "query_string": b"count=1000", "headers": []}
    await app(scope, receive, send)
    print(answered)

anyio.run(call, app)
"""


def programs() -> list[str]:
    """Return the programs of the tutorial, in their order."""
    return re.findall(r"^```python\n(.*?)^```", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL)


def test_programs_of_the_tutorial_run_from_the_wheels(everything: Environment) -> None:
    """What `first.py` and `second.py` print is what the tutorial says below their prints."""
    for program in programs()[:2]:
        assert everything.run(program).splitlines() == re.findall(r"^ *#> ?(.*)$", program, re.MULTILINE)


def test_app_of_the_tutorial_stops_from_the_wheels(everything: Environment) -> None:
    """`app.py` stops for a client that leaves, and answers nothing."""
    printed = everything.run(programs()[2] + LEAVING_CLIENT).splitlines()
    assert printed[0] == "page 1 of 1000"
    assert printed[-2:] == ["stopped: the client has left", "[]"]
