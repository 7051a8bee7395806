"""`get_request_token` in threads."""

import threading

import anyio
import anyio.to_thread
import pytest
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from hother.cancelable import CancelationReason, CancelationToken
from hother.cancelable.integrations.fastapi import get_request_token
from hother.cancelable.integrations.fastapi.monitor import SCOPE_KEY

from .hand_made import LEFT, NO_BODY, Channel

with_and_without = pytest.mark.parametrize("middleware", [True, False], ids=["middleware", "alone"])


async def test_token_from_any_thread() -> None:
    """Threads of any kind get the token, and the watch runs on the event loop of the request."""
    channel, tokens = Channel(NO_BODY), list[CancelationToken]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        def ask() -> None:
            tokens.append(get_request_token(HTTPConnection(scope)))

        def ask_in_own_thread() -> None:
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()

        await anyio.to_thread.run_sync(ask_in_own_thread)
        await tokens[0].wait_for_cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(channel.run, app)
        while channel.in_flight == 0 and not channel.sent:
            await anyio.sleep(0.001)
        channel.push(LEFT)
    assert tokens[0].reason is CancelationReason.DISCONNECT


async def test_thread_that_asks_too_late() -> None:
    """A thread that asks while the request ends starts no watch that would stay."""
    channel, tokens = Channel(NO_BODY), list[CancelationToken]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        def ask() -> None:
            tokens.append(get_request_token(HTTPConnection(scope)))

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()  # the request to watch is on its way to this loop, which does not run meanwhile

    await channel.run(app)
    await anyio.wait_all_tasks_blocked()
    assert channel.scope[SCOPE_KEY]._watcher is None
    assert not tokens[0].is_cancelled
