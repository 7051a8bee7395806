"""Who this process is to the store, and how it wants to be treated."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from typing import Final

_REMEMBERED: Final = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user has chosen."""

    lease: float
    """After how many seconds of silence this process counts as lost."""
    heartbeat: float
    """How often it is heard of, in seconds."""
    metadata_keys: tuple[str, ...]
    """What of the metadata may leave the process."""
    history_limit: int
    """How many ended operations the store keeps."""

    @property
    def longest_pause(self) -> float:
        """How long to wait at most before the store is tried again, in seconds."""
        return min(2.0, self.heartbeat / 2)


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
