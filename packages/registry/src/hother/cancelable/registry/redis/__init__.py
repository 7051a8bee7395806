"""The shared store in Redis: joins the registries of processes and hosts."""

from .backend import RedisBackend

__all__ = ["RedisBackend"]
