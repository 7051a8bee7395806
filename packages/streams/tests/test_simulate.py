"""Simulated streams: their pieces, their times, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import anyio
import pytest

from hother.cancelable.streams import StreamConfig, simulate_stream

TEXT = "It was the best of times, it was the worst of times. " * 8


async def played(text: str, config: StreamConfig | None = None) -> list[tuple[float, str]]:
    """Return the pieces of a simulated stream, with the seconds since the one before."""
    pieces, last = list[tuple[float, str]](), anyio.current_time()
    async for piece in simulate_stream(text, config):
        pieces.append((round(anyio.current_time() - last, 6), piece))
        last = anyio.current_time()
    return pieces


@pytest.mark.virtual_time
async def test_without_configuration() -> None:
    """A text comes in pieces of ten characters, without a delay."""
    assert await played("abcdefghijklm") == [(0, "abcdefghij"), (0, "klm")]


@pytest.mark.virtual_time
async def test_an_empty_text() -> None:
    """No text has no pieces, and takes no time."""
    start = anyio.current_time()
    assert await played("", StreamConfig(delay=5, stall_after=1, stall_time=5)) == []
    assert anyio.current_time() == start


@pytest.mark.virtual_time
@pytest.mark.parametrize("size", [1, 3, 1000, (1, 4), (2, 2), (5, 50)])
async def test_the_pieces_are_the_text(size: int | tuple[int, int]) -> None:
    """The pieces together are the text, and each but the last has a size in the range."""
    least, most = size if isinstance(size, tuple) else (size, size)
    for seed in range(20):
        pieces = [piece for _, piece in await played(TEXT, StreamConfig(chunk_size=size, seed=seed))]
        assert "".join(pieces) == TEXT
        assert all(least <= len(piece) <= most for piece in pieces[:-1])
        assert 1 <= len(pieces[-1]) <= most


@pytest.mark.virtual_time
async def test_the_whole_range_of_sizes_occurs() -> None:
    """Of a range both ends occur."""
    sizes = {len(piece) for _, piece in (await played(TEXT, StreamConfig(chunk_size=(2, 4), seed=1)))[:-1]}
    assert sizes == {2, 3, 4}


@pytest.mark.virtual_time
async def test_the_same_seed() -> None:
    """The same seed gives the same pieces at the same times, another one others."""
    options: dict[str, Any] = {
        "chunk_size": (1, 9),
        "delay": 2,
        "jitter": 0.5,
        "stall_probability": 0.2,
        "stall_time": 60,
    }
    first = await played(TEXT, StreamConfig(seed=7, **options))
    assert await played(TEXT, StreamConfig(seed=7, **options)) == first
    assert await played(TEXT, StreamConfig(seed=8, **options)) != first


@pytest.mark.virtual_time
async def test_bursts() -> None:
    """The pieces of a burst come together, and before each burst is the delay."""
    pieces = await played("abcdefg", StreamConfig(chunk_size=1, delay=2, burst_size=3))
    assert [seconds for seconds, _ in pieces] == [2, 0, 0, 2, 0, 0, 2]


@pytest.mark.virtual_time
@pytest.mark.parametrize("jitter", [0.0, 0.2, 1.0])
async def test_jitter(jitter: float) -> None:
    """A delay is off by no more than its share, both ways."""
    pieces = await played(TEXT, StreamConfig(chunk_size=1, delay=10, jitter=jitter, seed=3))
    delays = [seconds for seconds, _ in pieces]
    assert min(delays) == pytest.approx(10 * (1 - jitter), abs=0.5)
    assert max(delays) == pytest.approx(10 * (1 + jitter), abs=0.5)
    assert all(10 * (1 - jitter) - 1e-5 <= delay <= 10 * (1 + jitter) + 1e-5 for delay in delays)


@pytest.mark.virtual_time
async def test_a_stall_after_some_pieces() -> None:
    """The stream stalls once, after so many pieces."""
    pieces = await played("abcde", StreamConfig(chunk_size=1, delay=1, stall_after=2, stall_time=100))
    assert [seconds for seconds, _ in pieces] == [1, 1, 101, 1, 1]


@pytest.mark.virtual_time
@pytest.mark.parametrize(("probability", "least", "most"), [(0.0, 0, 0), (1.0, 400, 400), (0.25, 70, 130)])
async def test_stalls_by_chance(probability: float, least: int, most: int) -> None:
    """Stalls come as likely as asked for."""
    config = StreamConfig(chunk_size=1, stall_probability=probability, stall_time=100, seed=5)
    pieces = await played(TEXT[:400], config)
    assert least <= sum(seconds >= 100 for seconds, _ in pieces) <= most
    assert {seconds for seconds, _ in pieces} <= {0, 100}


async def test_on_real_time() -> None:
    """The same text comes on a real clock."""
    pieces = [piece async for piece in simulate_stream(TEXT, StreamConfig(chunk_size=(1, 80), delay=0.0001, seed=1))]
    assert "".join(pieces) == TEXT


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("chunk_size", 0, ValueError),
        ("chunk_size", -1, ValueError),
        ("chunk_size", True, TypeError),
        ("chunk_size", 1.5, TypeError),
        ("chunk_size", "3", TypeError),
        ("chunk_size", None, TypeError),
        ("chunk_size", [1, 2], TypeError),
        ("chunk_size", (), ValueError),
        ("chunk_size", (1,), ValueError),
        ("chunk_size", (1, 2, 3), ValueError),
        ("chunk_size", (3, 2), ValueError),
        ("chunk_size", (0, 2), ValueError),
        ("chunk_size", (1, 2.5), TypeError),
        ("delay", -0.1, ValueError),
        ("delay", math.nan, ValueError),
        ("delay", math.inf, ValueError),
        ("delay", "1", TypeError),
        ("delay", True, TypeError),
        ("delay", None, TypeError),
        ("jitter", 1.1, ValueError),
        ("jitter", -0.1, ValueError),
        ("jitter", math.nan, ValueError),
        ("burst_size", 0, ValueError),
        ("burst_size", 1.0, TypeError),
        ("stall_after", 0, ValueError),
        ("stall_after", 2.0, TypeError),
        ("stall_time", -1, ValueError),
        ("stall_time", math.inf, ValueError),
        ("stall_probability", 1.01, ValueError),
        ("stall_probability", -1, ValueError),
        ("stall_probability", "often", TypeError),
        ("seed", "x", TypeError),
        ("seed", [], TypeError),
        ("seed", 1.5, TypeError),
    ],
)
def test_bad_configuration(field: str, value: Any, kind: type[Exception]) -> None:
    """A bad value is refused with the name of its field and the value."""
    with pytest.raises(kind) as caught:
        StreamConfig(**{field: value})
    assert type(caught.value) is kind
    assert field in str(caught.value)
    given = value if not isinstance(value, tuple) or kind is ValueError else value[1]
    assert repr(given) in str(caught.value) or repr(value[0]) in str(caught.value)


def test_positions_are_not_taken() -> None:
    """Every field has to be named."""
    with pytest.raises(TypeError, match="positional"):
        StreamConfig(*[10])


@pytest.mark.virtual_time
async def test_closing_early() -> None:
    """A consumer that leaves closes the stream."""
    stream = simulate_stream(TEXT, StreamConfig(delay=1))
    assert await anext(stream) == TEXT[:10]
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3,), "text must be a str, not 3"),
        ((b"abc",), "text must be a str, not b'abc'"),
        ((None,), "text must be a str, not None"),
        (("abc", {"delay": 1}), "config must be a StreamConfig, not {'delay': 1}"),
        (("abc", 5), "config must be a StreamConfig, not 5"),
    ],
    ids=str,
)
def test_bad_arguments(arguments: tuple[Any, ...], message: str) -> None:
    """They are refused at the call, before anybody iterates."""
    with pytest.raises(TypeError) as caught:
        simulate_stream(*arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize("size", [[1, 2], "3", None])
def test_what_a_chunk_size_may_be(size: Any) -> None:
    """The error names both kinds."""
    with pytest.raises(TypeError) as caught:
        StreamConfig(chunk_size=size)
    assert str(caught.value) == f"chunk_size must be a whole number, or a tuple of two, not {size!r}"
