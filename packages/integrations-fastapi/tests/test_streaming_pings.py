"""What breaks a ping ends the stream."""

from __future__ import annotations

import pytest
from fastapi.sse import KEEPALIVE_COMMENT
from starlette.types import Message

from hother.cancelable import Cancelable, CancelationReason, TimeoutCancelation
from hother.cancelable.integrations.fastapi import cancelable_streaming_response

from .hand_made import NO_BODY, Channel
from .streams import Diary, run, wait_after


class TimingOutChannel(Channel):
    """A channel on which a ping runs out of the time that a middleware gives it."""

    async def send(self, message: Message) -> None:
        """Refuse a ping."""
        if message.get("body") == KEEPALIVE_COMMENT:
            raise TimeoutCancelation("all of it took too long")
        await super().send(message)


@pytest.mark.parametrize("move_on", [True, False])
@pytest.mark.virtual_time
async def test_ping_finds_a_timeout(move_on: bool) -> None:
    """A timeout that a middleware raises on a ping is an `OSError`, too, but no client that left: it leaves as is."""
    diary, operation = Diary(), Cancelable(timeout=100, move_on=move_on)
    response = cancelable_streaming_response(wait_after(diary), operation, "text/event-stream", ping=10)
    with pytest.raises(TimeoutCancelation, match="all of it took too long"):
        await run(TimingOutChannel(NO_BODY), response, False)
    assert diary.entries == ["closing", "closed"]


@pytest.mark.virtual_time
async def test_timeout_on_a_ping_is_on_record() -> None:
    """The operation is not on record as ended by its client when a ping has run out of time."""
    operation = Cancelable(timeout=100)
    response = cancelable_streaming_response(wait_after(Diary()), operation, "text/event-stream", ping=10)
    with pytest.raises(TimeoutCancelation):
        await run(TimingOutChannel(NO_BODY), response, False)
    assert operation.context.cancel_reason is CancelationReason.ERROR
