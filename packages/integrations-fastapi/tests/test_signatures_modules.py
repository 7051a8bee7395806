"""Endpoints whose annotations are strings, in modules of their own."""

import importlib.util
import json
import sys
from collections.abc import Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hother.cancelable.integrations.fastapi import with_cancelation

from .asking import app_with, ask, schema_of
from .hand_made import piece

SHOP = """
from __future__ import annotations

import decimal as money
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Query, Request
from pydantic import BaseModel
from starlette.requests import HTTPConnection as Connection, HTTPConnection
import starlette.requests

if TYPE_CHECKING:
    from decimal import Decimal
    from starlette.requests import HTTPConnection as OnlyForTypes


class Price(BaseModel):
    amount: money.Decimal


Limit = Annotated[int, Query(le=5)]


def user(request: Request) -> str:
    return request.headers.get("user", "nobody")


User = Annotated[str, Depends(user)]


async def imported(price: Price, limit: Limit = 3, user: User = "") -> Price:
    "Buy."
    return price


def in_thread(price: Price, limit: Limit = 3) -> list[Price]:
    return [price] * limit


async def generator(limit: Limit = 2) -> AsyncIterator[Price]:
    for number in range(limit):
        yield Price(amount=number)


async def own_request(request: Request, connection: Connection) -> str:
    return f"{request.method} {connection.url.path}"


async def qualified(connection: starlette.requests.HTTPConnection) -> str:
    return connection.url.path


async def for_types_only(limit: Limit = 3) -> Decimal:
    return limit


async def connection_and_for_types_only(own: HTTPConnection, limit: Limit = 3) -> Decimal:
    return limit


async def parameter_for_types_only(limit: Decimal = 3) -> int:
    return limit


class Shop:
    async def __call__(self, price: Price) -> Price:
        return price

    def method(self, limit: Limit) -> int:
        return limit


class_instance = Shop()
method = class_instance.method
partly = partial(in_thread, limit=2)
"""
NAMES = [
    "imported",
    "in_thread",
    "generator",
    "own_request",
    "qualified",
    "for_types_only",
    "connection_and_for_types_only",
    "parameter_for_types_only",
    "class_instance",
    "method",
    "partly",
]
JSON = (b"content-type", b"application/json")


@pytest.fixture
def shop(tmp_path: Path) -> Generator[ModuleType]:
    """Import the module from a file."""
    (tmp_path / "the_shop.py").write_text(SHOP)
    spec = importlib.util.spec_from_file_location("the_shop", tmp_path / "the_shop.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules["the_shop"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["the_shop"]


def schema_or_error(endpoint: Any, **options: Any) -> str:
    """Return the schema, or what FastAPI says of the endpoint."""
    try:
        return schema_of(endpoint, methods=["POST"], **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_the_same(shop: ModuleType, name: str) -> None:
    """The schema is byte-identical; where FastAPI refuses the endpoint, it does so in the same words."""
    endpoint = getattr(shop, name)
    for options in ({}, {"response_model": None}):
        plain = schema_or_error(endpoint, **options)
        assert schema_or_error(with_cancelation(endpoint), **options) == plain
        assert schema_or_error(with_cancelation(timeout=3)(with_cancelation(endpoint)), **options) == plain


def test_annotations_are_understood(shop: ModuleType) -> None:
    """Names that the module imported reach the schema through the decorator."""
    schema = json.loads(schema_of(with_cancelation(shop.imported), methods=["POST"]))
    operation = schema["paths"]["/"]["post"]
    assert operation["description"] == "Buy."
    assert [each["name"] for each in operation["parameters"]] == ["limit"]
    assert operation["parameters"][0]["schema"]["maximum"] == 5
    assert "schemas/Price" in json.dumps(operation["requestBody"])


async def answer_of(endpoint: Any, **options: Any) -> tuple[Any, ...]:
    """Return what an endpoint answers to a body and a query."""
    app = app_with(endpoint, methods=["POST"], **options)
    heard = await ask(app, "/?limit=2", piece(b'{"amount": 5}', more=False), method="POST", headers=[JSON])
    return heard.status, heard.headers, heard.body


@pytest.mark.parametrize("name", [name for name in NAMES if name != "parameter_for_types_only"])
async def test_answer_is_the_same(shop: ModuleType, name: str) -> None:
    """So is the answer of an endpoint that FastAPI takes."""
    endpoint = getattr(shop, name)
    options: dict[str, Any] = {"response_model": None} if name.endswith("for_types_only") else {}
    plain = await answer_of(endpoint, **options)
    assert plain[0] == 200
    assert await answer_of(with_cancelation(endpoint), **options) == plain
