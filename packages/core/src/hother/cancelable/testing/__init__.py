"""Tools for tests of code that is cancelled: your own, or what builds on this library.

For pytest there are fixtures as well, see the guide on testing.
"""

from .asserting import assert_cancelled
from .checkpoints import CheckpointOptions, cancel_at_each_checkpoint, cancelled_at_each_checkpoint
from .clock import virtual_clock
from .clock_asyncio import VirtualLoop
from .fake_source import FakeSource
from .leftovers import Leftover, nothing_left_behind
from .recorder import OperationRecorder, RecordedEvent
from .report import Checkpoints
from .ways import Way

__all__ = [
    "CheckpointOptions",
    "Checkpoints",
    "FakeSource",
    "Leftover",
    "OperationRecorder",
    "RecordedEvent",
    "VirtualLoop",
    "Way",
    "assert_cancelled",
    "cancel_at_each_checkpoint",
    "cancelled_at_each_checkpoint",
    "nothing_left_behind",
    "virtual_clock",
]
