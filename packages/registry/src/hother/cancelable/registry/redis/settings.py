"""What the user of a backend has chosen, checked."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hother.cancelable.core import positive_seconds
from hother.cancelable.registry.arguments import whole_number

from .link import REPLY_TIMEOUT

LONGEST_LEASE: Final = 86_400.0
"""In seconds; what a process has left behind stays listed for a multiple of it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process wants to be treated."""

    lease: float
    """After how many seconds of silence this process counts as lost."""
    heartbeat: float
    """How often it is heard of, in seconds."""
    metadata_keys: tuple[str, ...]
    """What of the metadata may leave the process."""
    history_limit: int
    """How many ended operations the store keeps at least, as long as this process takes part."""

    @classmethod
    def of(cls, lease: object, heartbeat: object, metadata_keys: Iterable[str], history_limit: object) -> Settings:
        """Check what a user has given.

        Raises:
            TypeError: If a value has the wrong type.
            ValueError: If a time or the limit is not positive, the lease too long, or the heartbeat too long for it.
        """
        lease = positive_seconds(lease, "lease")
        if lease > LONGEST_LEASE:
            raise ValueError(f"lease must be at most {LONGEST_LEASE:g} s, which is a day, not {lease:g}")
        heartbeat = lease / 3 if heartbeat is None else positive_seconds(heartbeat, "heartbeat")
        if heartbeat > lease / 2:
            raise ValueError(f"heartbeat must be at most half of the lease of {lease:g} s, not {heartbeat:g}")
        limit = min(whole_number(history_limit, "history_limit", 1), sys.maxsize)  # more is no number to the server
        return cls(lease, heartbeat, _checked_keys(metadata_keys), limit)

    @property
    def longest_pause(self) -> float:
        """How long to wait at most before the store is tried again, in seconds."""
        return min(2.0, self.heartbeat / 2)

    @property
    def reply_timeout(self) -> float:
        """How long a reply may take that the thread waits for which beats, in seconds."""
        return min(REPLY_TIMEOUT, max(self.heartbeat / 2, 0.1))


def checked_namespace(namespace: object) -> str:
    """Return a namespace.

    Raises:
        TypeError: If it is no string.
        ValueError: If it is empty, or has braces or white space.
    """
    if not isinstance(namespace, str):
        raise TypeError(f"namespace must be a string, not {namespace!r}")
    if not namespace or any(character in "{}" or character.isspace() for character in namespace):
        raise ValueError(f"namespace must be a name without braces and white space, not {namespace!r}")
    return namespace


def _checked_keys(given: Iterable[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise TypeError(f"metadata_keys must be several keys, like [{given!r}], not one string")
    if not isinstance(given, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"metadata_keys must be several keys, not {given!r}")
    keys = tuple(dict.fromkeys(given))
    for key in keys:
        if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"metadata_keys must be strings, not {key!r}")
    return keys
