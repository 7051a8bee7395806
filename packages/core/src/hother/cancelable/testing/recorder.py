"""Everything that happened to operations, for assertions that explain themselves."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from hother.cancelable.core import (
    Cancelable,
    CancelationReason,
    Cause,
    Observer,
    OperationStatus,
    add_observer,
    remove_observer,
)

KINDS = ("started", "progress", "cancel_requested", "cancel_delivered", "stuck", "ended")


class RecordedEvent(NamedTuple):
    """One step in the life of an operation."""

    kind: str
    """started, progress, cancel_requested, cancel_delivered, stuck or ended."""
    operation: Cancelable
    """Whose."""
    detail: Any = None
    """The message of a progress, the `Cause` of a request, the report of a stuck one, the status at the end."""

    def __str__(self) -> str:
        detail = self.detail
        if isinstance(detail, Cause):
            detail = f"{detail.reason.value}{'' if detail.message is None else ': ' + detail.message}"
        return f"{_name(self.operation)} {self.kind}" + ("" if detail is None else f" ({detail})")


class OperationRecorder(Observer):
    """Records every event of all operations while it is open.

    Example:
        ```python
        import anyio

        from hother.cancelable import Cancelable, CancelationReason
        from hother.cancelable.testing import OperationRecorder


        async def main() -> None:
            with OperationRecorder() as recorder:
                async with Cancelable(name="import", move_on=True) as operation:
                    await operation.cancel("enough")
                    await anyio.sleep(1)
            recorder.assert_cancelled("import", reason=CancelationReason.MANUAL)
            for event in recorder.events:
                print(event)
                #> 'import' started
                #> 'import' cancel_requested (manual: enough)
                #> 'import' cancel_delivered
                #> 'import' ended (cancelled)


        anyio.run(main)
        ```
    """

    def __init__(self) -> None:
        self.events: list[RecordedEvent] = []
        """What has happened so far, in order."""

    def __enter__(self) -> Self:
        add_observer(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        remove_observer(self)

    @property
    def operations(self) -> list[Cancelable]:
        """The operations that had an event, in the order of their first."""
        return list(dict.fromkeys(event.operation for event in self.events))

    def of(self, operation: Cancelable | str) -> list[RecordedEvent]:
        """Return the events of one operation, or of all with that name."""
        return [event for event in self.events if event.operation is operation or event.operation._name == operation]

    def assert_events(self, operation: Cancelable | str, *kinds: str) -> None:
        """Raise unless exactly these kinds of events happened to an operation, in this order.

        Raises:
            AssertionError: If it was otherwise; tells what has happened instead.
            ValueError: If there is no such kind.
        """
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown:
            raise ValueError(f"there is no event {unknown[0]!r}; the events are {', '.join(KINDS)}")
        happened = [event.kind for event in self.of(operation)]
        if happened != list(kinds):
            wanted = ", ".join(kinds) or "no event"
            raise AssertionError(f"expected of {_name(operation)}: {wanted}\n{self._story()}")

    def assert_completed(self, operation: Cancelable | str) -> None:
        """Raise unless an operation ran to its end.

        Raises:
            AssertionError: If it has not; tells what has happened instead.
        """
        self._assert_ended(operation, OperationStatus.COMPLETED)

    def assert_failed(self, operation: Cancelable | str) -> None:
        """Raise unless an operation was left by an exception of its body.

        Raises:
            AssertionError: If it was not; tells what has happened instead.
        """
        self._assert_ended(operation, OperationStatus.FAILED)

    def assert_cancelled(self, operation: Cancelable | str, reason: CancelationReason | None = None) -> None:
        """Raise unless an operation was cancelled.

        Args:
            operation: The operation, or its name.
            reason: Why; any reason unless given.

        Raises:
            AssertionError: If it was not, or for another reason; tells what has happened instead.
        """
        for each in self._assert_ended(operation, OperationStatus.CANCELLED):
            if reason is not None and each.context.cancel_reason is not reason:
                found = each.context.cancel_reason
                raise AssertionError(
                    f"{_name(each)} was cancelled for the reason {found}, not {reason}\n{self._story()}"
                )

    def assert_nothing_runs(self) -> None:
        """Raise if an operation that started has not ended.

        Raises:
            AssertionError: If there is one; names it.
        """
        running = [each for each in self.operations if each.is_running]
        if running:
            raise AssertionError(f"still running: {', '.join(map(_name, running))}\n{self._story()}")

    def _assert_ended(self, operation: Cancelable | str, status: OperationStatus) -> Sequence[Cancelable]:
        found = list(dict.fromkeys(event.operation for event in self.of(operation)))
        if not found:
            raise AssertionError(f"no operation {_name(operation)} was started\n{self._story()}")
        for each in found:
            if each.context.status is not status:
                raise AssertionError(
                    f"{_name(each)} should be {status.value}, but is {each.context.status.value}\n{self._story()}"
                )
        return found

    def _story(self) -> str:
        lines = [f"  {event}" for event in self.events]
        return "\n".join(["what happened:", *(lines or ["  nothing"])])

    def _record(self, kind: str, operation: Cancelable, detail: Any = None) -> None:
        self.events.append(RecordedEvent(kind, operation, detail))

    def operation_started(self, operation: Cancelable) -> None:
        self._record("started", operation)

    def progress_reported(self, operation: Cancelable, message: Any, metadata: dict[str, Any] | None) -> None:
        self._record("progress", operation, message)

    def cancel_requested(self, operation: Cancelable, cause: Cause) -> None:
        self._record("cancel_requested", operation, cause)

    def cancel_delivered(self, operation: Cancelable) -> None:
        self._record("cancel_delivered", operation)

    def operation_stuck(self, operation: Cancelable, report: str) -> None:
        self._record("stuck", operation, report)

    def operation_ended(self, operation: Cancelable) -> None:
        self._record("ended", operation, operation.context.status.value)


def _name(operation: Cancelable | str) -> str:
    return repr(operation if isinstance(operation, str) else operation._name or operation.operation_id)
