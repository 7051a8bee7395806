"""Buttons of the app's own on the operations page."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

pytest.importorskip("hother.cancelable.registry", reason="hother-cancelable-registry is not installed")

from hother.cancelable.integrations.fastapi.operations import mount_operations_page
from hother.cancelable.registry import OperationRegistry

from .operations_app import client, everybody, page
from .operations_html import parsed

ACTIONS = {"Start <an import>": '/imports?of="all"', "Tidy up": "/tidy"}


async def buttons(http: httpx.AsyncClient, address: str = "/operations") -> dict[str, str]:
    """Return what the buttons say, and where they lead."""
    response = await http.get(address)
    forms = parsed(response.text).one("div", id="own").all("form", method="post")
    return {form.one("button", type="submit").text: form.attributes["action"] for form in forms}


async def test_buttons() -> None:
    """Each action is a form of its own, whose text and path are text."""
    async with client(page(OperationRegistry(), actions=ACTIONS)) as http:
        assert await buttons(http) == ACTIONS
    async with client(page(OperationRegistry())) as http:
        assert await buttons(http) == {}


async def test_readers_see_none() -> None:
    """Who may only read is offered nothing that changes something."""
    async with client(page(OperationRegistry(), everybody("read"), actions=ACTIONS)) as http:
        assert await buttons(http) == {}


async def test_below_a_prefix() -> None:
    """In a mounted app the paths are those of that app."""
    inner, app = FastAPI(), FastAPI()
    mount_operations_page(inner, OperationRegistry(), authorize=everybody(), actions={"Tidy up": "/tidy"})
    app.mount("/outer", inner)
    async with client(app) as http:
        assert await buttons(http, "/outer/operations") == {"Tidy up": "/outer/tidy"}


@pytest.mark.parametrize(
    "path", ["", "tidy", "//example.com", "https://example.com", "/\\example.com", "/\t/example.com", "/tidy\n"]
)
def test_paths_of_other_sites(path: str) -> None:
    """A path that is none of the app is refused at once: the browser would not send the form there."""
    with pytest.raises(ValueError, match="path of the action 'Tidy up' must begin with one slash"):
        page(OperationRegistry(), actions={"Tidy up": path})


def test_a_button_that_says_nothing() -> None:
    """A text that is empty is refused: nobody would know what the button does."""
    with pytest.raises(ValueError, match="text of the action for '/tidy' must not be empty"):
        page(OperationRegistry(), actions={" ": "/tidy"})


@pytest.mark.parametrize("actions", ["/tidy", ["/tidy"], {"Tidy up": 1}, {1: "/tidy"}])
def test_no_mapping(actions: Any) -> None:
    """Something else than texts with paths is refused at once."""
    with pytest.raises(TypeError, match="actions must be texts with paths"):
        page(OperationRegistry(), actions=actions)
