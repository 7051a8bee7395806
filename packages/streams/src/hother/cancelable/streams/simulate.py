"""A stream as models and sockets send it: in bursts, with jitter, stalling. For tests and demonstrations."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

import anyio

from hother.cancelable.core import require

from .settings import positive_count


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """How `simulate_stream` behaves. The same seed gives the same pieces at the same times.

    Attributes:
        chunk_size: How many characters a piece has: a number, or the least and the most.
        delay: Seconds before each piece.
        jitter: How far a delay may be off, as a share of it: 0.2 is 20 % more or less.
        burst_size: So many pieces come together, without a delay between them.
        stall_after: After so many pieces the stream stalls; None never.
        stall_time: For how long, in seconds.
        stall_probability: How likely a stall is before any piece, from 0 to 1.
        seed: For the dice.

    Raises:
        TypeError: If a number is none.
        ValueError: If a number is out of its range.
    """

    chunk_size: int | tuple[int, int] = 10
    delay: float = 0.0
    jitter: float = 0.0
    burst_size: int = 1
    stall_after: int | None = None
    stall_time: float = 0.0
    stall_probability: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.chunk_size, (int, float, tuple)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"chunk_size must be a whole number, or a tuple of two, not {self.chunk_size!r}")
        for size in self.sizes:
            positive_count(size, "chunk_size")
        if len(self.sizes) != 2 or self.sizes[0] > self.sizes[1]:
            raise ValueError(
                f"chunk_size must be a whole number, or a tuple of the least and the most, not {self.chunk_size!r}"
            )
        positive_count(self.burst_size, "burst_size")
        if self.stall_after is not None:
            positive_count(self.stall_after, "stall_after")
        if self.seed is not None and not isinstance(self.seed, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"seed must be a whole number, not {self.seed!r}")
        for name, most_of_it in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{name} must be a number, not {value!r}")
            if not 0 <= value <= most_of_it:
                raise ValueError(f"{name} must be from 0 to {most_of_it:g}, not {value!r}")

    @property
    def sizes(self) -> tuple[int, int]:
        """The least and the most characters of a piece."""
        return self.chunk_size if isinstance(self.chunk_size, tuple) else (self.chunk_size, self.chunk_size)


_RANGES = {"delay": 86_400.0, "jitter": 1.0, "stall_time": 86_400.0, "stall_probability": 1.0}


def simulate_stream(text: str, config: StreamConfig | None = None) -> AsyncGenerator[str, None]:
    """Yield a text in pieces, as a slow source would send it.

    It waits with `anyio.sleep`, so on a virtual clock it takes no time.

    Args:
        text: What to send. The pieces together are the text.
        config: How; in pieces of ten characters without any delay, unless given.

    Raises:
        TypeError: If the text is no `str`, or the configuration no `StreamConfig`.
    """
    require(str, text, "text", "a str")
    if config is not None:
        require(StreamConfig, config, "config", "a StreamConfig")
    return _simulate(text, StreamConfig() if config is None else config)


async def _simulate(text: str, config: StreamConfig) -> AsyncGenerator[str, None]:
    dice = random.Random(config.seed)
    for number, piece in enumerate(_pieces(text, config, dice)):
        if number == config.stall_after or dice.random() < config.stall_probability:
            await anyio.sleep(config.stall_time)
        if number % config.burst_size == 0:
            await anyio.sleep(config.delay * (1 + config.jitter * dice.uniform(-1, 1)))
        yield piece


def _pieces(text: str, config: StreamConfig, dice: random.Random) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = start + dice.randint(*config.sizes)
        yield text[start:end]
        start = end
