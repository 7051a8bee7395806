"""Who this process is to the store."""

from __future__ import annotations

import os
import secrets
import socket
from typing import Final

_REMEMBERED: Final = 8


class Identity:
    """The id of this process, a new one for each incarnation, and the ids that it had before."""

    def __init__(self) -> None:
        self.worker: str = _new_id()
        self.earlier: tuple[str, ...] = ()

    def renew(self) -> None:
        """Become a new incarnation of the same process, which may write what the earlier ones had begun."""
        self.earlier = (*self.earlier, self.worker)[-_REMEMBERED:]
        self.worker = _new_id()

    @property
    def row(self) -> dict[str, str]:
        """What others are told of this process."""
        return {"host": socket.gethostname(), "pid": str(os.getpid())}


def _new_id() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
