"""Sources for streaming responses, and what a channel has got of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import anyio
from starlette.types import ASGIApp

from .hand_made import Channel


class Diary:
    """What has happened, in order."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.awaited: bool = False

    async def clean_up(self) -> None:
        """Do a clean-up that has to wait."""
        self.entries.append("closing")
        await anyio.sleep(0.05)
        await anyio.sleep(0)
        self.entries.append("closed")


async def wait_after(diary: Diary, *items: str) -> AsyncIterator[str]:
    """Give some items, then wait for ever; clean up with awaits."""
    try:
        for item in items:
            yield item
        await anyio.sleep_forever()
    finally:
        await diary.clean_up()


async def never_wait(diary: Diary) -> AsyncIterator[str]:
    """Give items for ever without a checkpoint; clean up with awaits."""
    try:
        while True:
            yield "data: x\n\n"
    finally:
        await diary.clean_up()


async def give(*items: str) -> AsyncIterator[str]:
    """Give some items."""
    for item in items:
        yield item


def count_tasks() -> int:
    """Return how many tasks there are on this loop, those of the system among them."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        import trio

        return trio.lowlevel.current_statistics().tasks_living


def bodies(channel: Channel) -> list[bytes]:
    """Return the pieces of the body that were sent, but for the empty ones."""
    return [message["body"] for message in channel.sent if message.get("body")]


def is_complete(channel: Channel) -> bool:
    """Tell whether the response has come to its proper end."""
    last = channel.sent[-1]
    return last["type"] == "http.response.body" and not last.get("more_body", False)


def header(channel: Channel, name: bytes) -> bytes | None:
    """Return a header of the response."""
    return dict(channel.sent[0]["headers"]).get(name)


async def run(channel: Channel, response: ASGIApp, middleware: bool) -> None:
    """Send a response, behind the middleware or alone."""
    await (channel.run if middleware else channel.run_alone)(response)


@asynccontextmanager
async def sending(channel: Channel, response: ASGIApp, middleware: bool) -> AsyncGenerator[anyio.CancelScope]:
    """Send a response meanwhile; leaving the block waits for its end. Gives a scope that cancels it."""
    async with anyio.create_task_group() as group:
        group.start_soon(run, channel, response, middleware)
        await anyio.wait_all_tasks_blocked()
        yield group.cancel_scope
