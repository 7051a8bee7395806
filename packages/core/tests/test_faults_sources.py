"""Sources that raise, exit included, when they are started and when they are stopped."""

from __future__ import annotations

from typing import ClassVar

import anyio
import pytest

from hother.cancelable import Cancelable, CancelationReason, CancelationSource
from hother.cancelable.core import Disarm, Fire, has_listeners


class Broken(CancelationSource):
    """Raises where it is told to."""

    reason: ClassVar[CancelationReason] = CancelationReason.CONDITION

    def __init__(self, at: str, error: BaseException) -> None:
        self.at = at
        self.error = error
        self.log: list[str] = []

    def arm(self, fire: Fire) -> Disarm | None:
        self._step("arm")
        return None if self.at.startswith("wait") else lambda: self._step("disarm")

    async def wait(self) -> str | None:
        self._step("wait")
        try:
            await anyio.sleep(60)
        finally:
            self._step("wait ends")
        return None

    def _step(self, name: str) -> None:
        self.log.append(name)
        if name == self.at:
            raise self.error


@pytest.mark.parametrize("error", [OSError("broken"), SystemExit("broken"), KeyboardInterrupt("broken")], ids=repr)
@pytest.mark.parametrize("at", ["arm", "disarm", "wait", "wait ends"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_source_that_raises(at: str, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a source raises, at its start or its end, is told; the sources beside it and the operation end."""
    broken, beside = Broken(at, error), [Broken("", error), Broken("wait never", error)]
    operation = Cancelable(sources=[beside[0], broken, beside[1]])
    left: BaseException | None = None
    try:
        async with operation:
            await anyio.wait_all_tasks_blocked()
    except BaseException as caught:
        left = caught
    told = {type(left), type(left.__cause__ if left else None), type(operation.context.cause)}
    told |= {type(record.exc_info[1]) for record in caplog.records if record.exc_info}
    assert type(error) in told
    assert not operation.is_running
    assert not has_listeners(operation.token)
    assert beside[0].log == ["arm", "disarm"]
    assert len(beside[1].log) in {0, 1, 3}
    assert not any("_used_by" in vars(source) for source in (broken, *beside))
