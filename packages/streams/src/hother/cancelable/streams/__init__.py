"""Streams that can be stopped, paused and resumed."""

from .chunks import ChunkedStream, chunked_cancelable_stream
from .gate import PauseGate
from .options import StreamOptions
from .partial import PartialResult
from .simulate import StreamConfig, simulate_stream
from .stream import CancelableAsyncIterator, cancelable_stream

__all__ = [
    "CancelableAsyncIterator",
    "ChunkedStream",
    "PartialResult",
    "PauseGate",
    "StreamConfig",
    "StreamOptions",
    "cancelable_stream",
    "chunked_cancelable_stream",
    "simulate_stream",
]
