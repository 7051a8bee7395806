"""What can go wrong with a registry."""

from __future__ import annotations


class RegistryError(Exception):
    """The base of this package's exceptions."""


class DuplicateOperation(RegistryError, ValueError):
    """Raised when an operation is registered under an id that another one has, which still runs."""


class BackendUnavailable(RegistryError, ConnectionError):
    """Raised when the shared store is needed and cannot be reached. Operations and the local view go on."""
