"""Sources: everything that can end an operation besides a cancel request."""

from .composite import AllOfSource, AnyOfSource, CompositeSource
from .condition import ConditionSource
from .file import FileSource
from .process import ProcessSource
from .resource import ResourceConditionSource
from .signal import SignalSource
from .timeout import TimeoutSource
from .token import TokenSource

__all__ = [
    "AllOfSource",
    "AnyOfSource",
    "CompositeSource",
    "ConditionSource",
    "FileSource",
    "ProcessSource",
    "ResourceConditionSource",
    "SignalSource",
    "TimeoutSource",
    "TokenSource",
]
