"""A source that fires when a token is cancelled."""

from __future__ import annotations

from hother.cancelable import CancelationSource, CancelationToken, Cause
from hother.cancelable.core import Disarm, Fire, require

from .names import optional_name


class TokenSource(CancelationSource):
    """Fires when a token is cancelled, with the reason, message and origin of that request; for use in composites.

    It takes no task, only a registration on the token.

    Args:
        token: The token.
        name: What the operation's record shows as origin, instead of who has cancelled the token.

    Raises:
        TypeError: If it is no token, or the name no str.
    """

    def __init__(self, token: CancelationToken, name: str | None = None) -> None:
        require(CancelationToken, token, "token", "a CancelationToken")
        self.token: CancelationToken = token
        self.name: str = optional_name(name)

    async def wait(self) -> Cause:
        """Wait until the token is cancelled."""
        await self.token.wait_for_cancel()
        return self._cause()

    def arm(self, fire: Fire) -> Disarm:
        """Register on the token."""
        return self.token.on_cancel(lambda _: fire(self._cause())).unregister

    def _cause(self) -> Cause:
        cause = self.token.cause
        assert cause is not None
        return cause._replace(origin=self.name or cause.origin)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.token!r})"
