"""Close codes: what may be sent, and what is known of the peer's."""

from enum import IntEnum
from typing import Any

import pytest

from hother.cancelable.integrations.fastapi.close_codes import code_of, reason_of, require_close

from .web_sockets import gone


class Code(IntEnum):
    """Close codes as some servers give them."""

    GOING_AWAY = 1001
    ABNORMAL = 1006


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        (None, None, None),
        (gone(4001, reason="bye"), 4001, "bye"),
        (gone(1000, reason=None), 1000, None),
        (gone(1000, reason=""), 1000, None),
        (gone(1005), None, None),
        (gone(1006, reason="lost"), None, None),
        (gone(Code.GOING_AWAY), 1001, None),
        (gone(Code.ABNORMAL), None, None),
        ({"type": "websocket.disconnect"}, None, None),
    ],
)
def test_what_the_peer_said(message: Any, code: int | None, reason: str | None) -> None:
    """A code that says nothing, or a missing one, is not known; an enum becomes a plain number."""
    assert code_of(message) == code
    assert type(code_of(message)) in (int, type(None))
    assert reason_of(message) == reason


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_codes_that_may_be_sent(code: int) -> None:
    """Registered codes, and those for libraries and apps, are let through, with a reason that fits."""
    require_close(code, None)
    require_close(code, "ü" * 61)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_codes_that_may_not_be_sent(code: int) -> None:
    """A code that no frame may carry is refused with the range that may."""
    with pytest.raises(ValueError, match=f"code must be one that may be sent, .*4999, not {code}"):
        require_close(code, None)


@pytest.mark.parametrize("code", ["1000", None, 1000.0, True])
def test_code_of_a_wrong_type(code: Any) -> None:
    """A code that is no whole number is refused."""
    with pytest.raises(TypeError, match="code must be a whole number"):
        require_close(code, None)


def test_reasons_that_may_not_be_sent() -> None:
    """A reason that does not fit into the frame is refused, and so is one that is no string."""
    with pytest.raises(ValueError, match="123 bytes at most in UTF-8, not 124"):
        require_close(1000, "ü" * 62)
    wrong: Any = b"bye"
    with pytest.raises(TypeError, match="reason must be a string, not b'bye'"):
        require_close(1000, wrong)
