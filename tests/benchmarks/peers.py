"""What somebody may pick instead on asyncio, measured in the rows that it can take part in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import anyio
from anyio.lowlevel import checkpoint
from measuring import Row, Work, per_call

try:  # by name: types are checked without the dependency group
    async_timeout: Any = import_module("async_timeout")
    cantok: Any = import_module("cantok")
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing}: run `uv run --group bench python tests/benchmarks`") from None
token: Any = cantok.SimpleToken()


async def asyncio_timeout(times: int) -> None:
    for _ in range(times):
        async with asyncio.timeout(10):
            pass


async def async_timeout_timeout(times: int) -> None:
    for _ in range(times):
        async with async_timeout.timeout(10):
            pass


async def cantok_timeout(times: int) -> None:
    for _ in range(times):
        cantok.TimeoutToken(10).check()


async def cantok_with_token(times: int) -> None:
    for _ in range(times):
        cantok.SimpleToken(token).check()


async def cantok_combined(times: int) -> None:
    for _ in range(times):
        (cantok.TimeoutToken(10) + token).check()


async def asyncio_expires(times: int) -> None:
    for _ in range(times):
        try:
            async with asyncio.timeout(None) as limit:
                limit.reschedule(0)
                await checkpoint()
                await asyncio.sleep(1)
        except TimeoutError:
            pass


async def cantok_cancels(times: int) -> None:
    for _ in range(times):
        made = cantok.SimpleToken()
        made.cancel()
        await anyio.sleep(0)
        try:
            made.check()
        except cantok.CancellationError:
            pass


async def cantok_creates(times: int) -> None:
    for _ in range(times):
        cantok.SimpleToken()


PEERS: Mapping[str, Mapping[str, Work]] = {
    "enter and leave `with_timeout`": {
        "asyncio.timeout": per_call(asyncio_timeout),
        "async-timeout": per_call(async_timeout_timeout),
        "cantok": per_call(cantok_timeout),
    },
    "enter and leave `with_token`": {"cantok": per_call(cantok_with_token)},
    "`with_timeout().combine(with_token())`": {"cantok": per_call(cantok_combined, 100)},
    "cancel and leave, raising": {
        "asyncio.timeout": per_call(asyncio_expires, 100),
        "cantok": per_call(cantok_cancels, 100),
    },
    "create a token": {"cantok": per_call(cantok_creates)},
}


def with_peers(row: Row) -> Row:
    """Return a row with those who can take part in it."""
    return replace(row, others=PEERS.get(row.path, {}))
