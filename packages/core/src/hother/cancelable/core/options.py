"""What can be said of an operation when it is made, as the types of keyword arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from datetime import timedelta

    from .operation import Cancelable
    from .source import CancelationSource
    from .token import CancelationToken


class CommonOptions(TypedDict, total=False):
    """What every factory takes besides its own arguments; see `Cancelable`."""

    name: str | None
    operation_id: str | None
    parent: Cancelable | None
    metadata: dict[str, Any] | None
    sources: Sequence[CancelationSource]
    register_globally: bool
    detached: bool
    move_on: bool
    callback_timeout: float | timedelta


class TimeoutOptions(CommonOptions, total=False):
    """What `Cancelable.with_timeout` takes besides the timeout."""

    token: CancelationToken | None


class TokenOptions(CommonOptions, total=False):
    """What `Cancelable.with_token` takes besides the token."""

    timeout: float | timedelta | None


class OperationOptions(TimeoutOptions, TokenOptions, total=False):
    """What `Cancelable` takes."""
