"""The keyword arguments of `cancelable_stream`, for those who pass them on."""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

from hother.cancelable import CancelationToken

from .gate import PauseGate
from .reporting import ProgressFunction


class StreamOptions(TypedDict, total=False):
    """What `cancelable_stream` takes besides the stream and the operation; see there."""

    timeout: float | timedelta | None
    item_timeout: float | timedelta | None
    token: CancelationToken | None
    report_interval: int | None
    on_progress: ProgressFunction | None
    buffer_partial: bool
    buffer_limit: int
    gate: PauseGate | None
    operation_id: str | None
    name: str | None
