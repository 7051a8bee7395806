"""What a web socket may say when it closes, and what is known of what the peer said: RFC 6455, section 7.4."""

from __future__ import annotations

from starlette.types import Message

NOT_KNOWN = 1006
"""The code where nothing is known: the connection was lost, or the server does not tell."""
_SAY_NOTHING = (1005, NOT_KNOWN)
_LONGEST_REASON = 123
_RESERVED = (1004, 1005, 1006)


def code_of(message: Message | None) -> int | None:
    """Return the close code that the peer gave, or None if it gave none, or nobody knows."""
    code: int | None = None if message is None else message.get("code")
    return None if code is None or code in _SAY_NOTHING else int(code)  # some servers have an IntEnum


def reason_of(message: Message | None) -> str | None:
    """Return the reason that the peer gave with its close code, if it did."""
    if message is None or code_of(message) is None:
        return None
    return message.get("reason") or None


def name_of_close(message: Message | None) -> str:
    """Return what the peer said when it closed; 1005 and 1006 say nothing, not even that it did."""
    code, reason = code_of(message), reason_of(message)
    return "" if code is None else f" (close code {code}{f': {reason}' if reason else ''})"


def require_close(code: int, reason: str | None) -> None:
    """Refuse a close code that may not be sent, or a reason that does not fit into a frame.

    Raises:
        TypeError: If the code is no whole number, or the reason no string.
        ValueError: If one of them may not be sent.
    """
    if not isinstance(code, int) or isinstance(code, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"code must be a whole number, not {code!r}")
    if not ((1000 <= code <= 1014 and code not in _RESERVED) or 3000 <= code <= 4999):
        raise ValueError(f"code must be one that may be sent, 1000 to 1003, 1007 to 1014, 3000 to 4999, not {code!r}")
    if reason is None:
        return
    if not isinstance(reason, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"reason must be a string, not {reason!r}")
    if len(reason.encode()) > _LONGEST_REASON:
        raise ValueError(f"reason must have {_LONGEST_REASON} bytes at most in UTF-8, not {len(reason.encode())}")
