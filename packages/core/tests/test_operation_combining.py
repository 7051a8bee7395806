"""`combine`: a new operation of several, which stay as they were."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from hother.cancelable import (
    Cancelable,
    CancelationReason,
    CancelationSource,
    CancelationToken,
    ConditionCancelation,
    ManualCancelation,
    Observer,
    TimeoutCancelation,
)
from hother.cancelable.core import has_listeners


class Signalled(CancelationSource):
    """Fires when its event is set."""

    def __init__(self) -> None:
        self.event = anyio.Event()

    async def wait(self) -> str | None:
        await self.event.wait()
        return "signalled"


async def test_any_token_ends_the_whole() -> None:
    """The whole ends with the token of any part."""
    for number in range(3):
        tokens = [CancelationToken() for _ in range(3)]
        parts = [Cancelable.with_token(token) for token in tokens]
        with pytest.raises(ManualCancelation, match="that one"):
            async with parts[0].combine(*parts[1:]):
                await tokens[number].cancel("that one")
                await anyio.sleep_forever()
        assert not any(has_listeners(token) for token in tokens)


async def test_cancelling_a_part_ends_the_whole() -> None:
    """Each part can still be cancelled by name, also before the whole is entered."""
    for early in (False, True):
        for number in range(2):
            parts = [Cancelable(), Cancelable.with_timeout(60)]
            whole = parts[0].combine(parts[1])
            if early:
                assert parts[number].cancel_sync("that part")
            with pytest.raises(ManualCancelation, match="that part"):
                async with whole:
                    if not early:
                        assert await parts[number].cancel("that part")
                    await anyio.sleep_forever()


async def test_cancelling_the_whole_leaves_the_parts_alone() -> None:
    """The parts stay as they were: pending, not asked to stop, and fit for use."""
    token = CancelationToken()
    parts = [Cancelable.with_token(token, name="first"), Cancelable.with_timeout(60)]
    whole = parts[0].combine(parts[1])
    with pytest.raises(ManualCancelation):
        async with whole:
            await whole.cancel()
            await anyio.sleep_forever()
    assert not token.is_cancelled
    for part in parts:
        assert not part.cancel_requested
        assert not has_listeners(part.token)
        async with part:
            pass
        assert part.is_completed
    assert whole.is_cancelled


@pytest.mark.virtual_time
async def test_the_earliest_deadline_counts() -> None:
    """Of several timeouts the shortest holds, from the entry of the whole; parts without one do not matter."""
    whole = Cancelable.with_timeout(50).combine(Cancelable(), Cancelable.with_timeout(7), Cancelable.with_timeout(20))
    await anyio.sleep(100)
    start = anyio.current_time()
    with pytest.raises(TimeoutCancelation):
        async with whole:
            assert whole.remaining() == pytest.approx(7)
            await anyio.sleep_forever()
    assert anyio.current_time() - start == pytest.approx(7)


async def test_any_source_ends_the_whole() -> None:
    """The whole watches the sources of all parts."""
    for number in range(2):
        sources = [Signalled(), Signalled()]
        whole = Cancelable.with_source(sources[0]).combine(Cancelable().add_source(sources[1]))
        with pytest.raises(ConditionCancelation, match="signalled"):
            async with whole:
                sources[number].event.set()
                await anyio.sleep_forever()
        assert whole.context.cancel_origin == "Signalled"


async def test_the_callbacks_of_all_parts_run() -> None:
    """Callbacks run in the order of the parts, with the context of the whole, once each."""
    told: list[tuple[str, str]] = []

    def noting(name: str, operation: Cancelable) -> Cancelable:
        return (
            operation.on_start(lambda context: told.append((f"{name} start", context.id)))
            .on_cancel(lambda context: told.append((f"{name} cancel", context.id)))
            .on_progress(lambda whole_id, message, _: told.append((f"{name} {message}", whole_id)))
        )

    whole = noting("first", Cancelable()).combine(noting("second", Cancelable.with_timeout(60)))
    noting("whole", whole)
    with pytest.raises(ManualCancelation):
        async with whole:
            await whole.report_progress("half")
            await whole.cancel()
            await anyio.sleep_forever()
    assert told == [
        (f"{name} {event}", whole.operation_id)
        for event in ("start", "half", "cancel")
        for name in ("first", "second", "whole")
    ]


async def test_callbacks_that_a_part_gets_later_are_its_own() -> None:
    """The whole and the parts share no lists: what is added to one afterwards does not reach the other."""
    told: list[str] = []
    part = Cancelable().on_start(lambda _: told.append("before"))
    whole = part.combine(Cancelable())
    part.on_start(lambda _: told.append("part"))
    part.on_progress(lambda *_: told.append("part"))
    whole.on_start(lambda _: told.append("whole"))
    async with whole:
        await whole.report_progress("half")
    assert told == ["before", "whole"]
    told.clear()
    async with part:
        pass
    assert told == ["before", "part"]


async def test_names_metadata_and_parent_are_taken_over() -> None:
    """The first name counts, metadata is merged into a new dict, and a parent that a part was given holds."""
    parent = Cancelable(name="parent")
    first, second = {"a": 1, "b": 1}, {"b": 2}
    whole = Cancelable(metadata=first).combine(
        Cancelable(name="second", metadata=second, parent=parent), Cancelable(name="third", operation_id="third")
    )
    assert (whole.context.name, whole.context.metadata) == ("second", {"a": 1, "b": 2})
    assert (first, second) == ({"a": 1, "b": 1}, {"b": 2})
    assert whole.parent is parent
    assert whole.operation_id not in {"third", parent.operation_id}
    with pytest.raises(BaseException, match="bye") as caught:
        async with whole:
            await parent.cancel("bye")
            await anyio.sleep_forever()
    assert getattr(caught.value, "reason", None) is CancelationReason.PARENT


async def test_combining_what_was_combined() -> None:
    """A whole can be a part; a part of a part ends it."""
    token, part = CancelationToken(), Cancelable()
    inner = part.combine(Cancelable.with_token(token))
    outer = Cancelable.with_timeout(60).combine(inner)
    with pytest.raises(ManualCancelation, match="deep"):
        async with outer:
            await part.cancel("deep")
            await anyio.sleep_forever()
    again = Cancelable().combine(part.combine(Cancelable()), inner)
    with pytest.raises(ManualCancelation, match="deep"):
        async with again:
            await anyio.sleep_forever()


async def test_parts_that_share_a_token() -> None:
    """One token in two parts is heard once."""
    token, told = CancelationToken(), list[Any]()

    class Following(Observer):
        def cancel_requested(self, operation: Cancelable, cause: Any) -> None:
            told.append(cause.message)

    whole = Cancelable.with_token(token).combine(Cancelable.with_token(token, move_on=True))
    whole._observers = (Following(),)
    with pytest.raises(ManualCancelation):
        async with whole:
            await token.cancel("once")
            await anyio.sleep_forever()
    assert told == ["once"]
    assert not token._listeners


async def test_the_first_part_says_whether_to_move_on() -> None:
    """`move_on` is that of the operation on which `combine` is called."""
    whole = Cancelable(move_on=True).combine(Cancelable())
    async with whole:
        await whole.cancel()
        await anyio.sleep_forever()
    assert whole.is_cancelled
    with pytest.raises(ManualCancelation):
        async with Cancelable().combine(Cancelable(move_on=True)) as whole:
            await whole.cancel()
            await anyio.sleep_forever()


def test_combining_with_nothing() -> None:
    """`combine()` without another operation is a ValueError."""
    with pytest.raises(ValueError, match="combine\\(\\) needs another operation besides operation 'report'"):
        Cancelable(name="report").combine()


def test_combining_with_itself() -> None:
    """A part given twice is a ValueError, wherever it stands."""
    part, other = Cancelable(), Cancelable()
    for others in ((part,), (other, part), (other, other)):
        with pytest.raises(ValueError, match="combined with itself"):
            part.combine(*others)


@pytest.mark.parametrize("wrong", [None, 3, "operation", CancelationToken(), Cancelable])
def test_combining_with_what_is_no_operation(wrong: object) -> None:
    """Only operations can be combined, and the error says so."""
    with pytest.raises(TypeError, match="only operations can be combined, not "):
        Cancelable().combine(Cancelable(), wrong)  # type: ignore[arg-type]


async def test_combining_what_was_entered_already() -> None:
    """A part that runs or has ended cannot give its sources any more: a RuntimeError that names it."""
    async with Cancelable(name="running") as running:
        for parts in ((running, Cancelable()), (Cancelable(), running)):
            with pytest.raises(RuntimeError, match="'running' was entered already"):
                parts[0].combine(parts[1])
    with pytest.raises(RuntimeError, match="'running' was entered already"):
        running.combine(Cancelable())
