"""Reaching the shared store, as one who only looks: the command line takes part as no worker."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

import typer

from hother.cancelable.registry.backend import Backend
from hother.cancelable.registry.errors import BackendUnavailable
from hother.cancelable.registry.redis import RedisBackend

from .exits import ExitCode, stop

Connect = Callable[[str, str], Backend]
"""Makes the backend for a URL and a namespace. The object of the typer context may be another one, for tests."""


def connect_redis(url: str, namespace: str) -> Backend:
    """Return the backend for Redis."""
    return RedisBackend(url, namespace=namespace)


@contextmanager
def opened(ctx: typer.Context, url: str, namespace: str) -> Generator[Backend]:
    """Give a command the shared store, and close it afterwards.

    The store is never attached to a registry, so this process is listed as no worker, and an answer is never taken from
    this process alone.
    """
    connect: Connect = ctx.obj or connect_redis
    try:
        store = connect(url, namespace)
    except (TypeError, ValueError) as error:
        stop(ExitCode.USAGE, f"--redis or --namespace: {without_credentials(str(error), url)}")
    except BackendUnavailable as error:
        stop(ExitCode.UNAVAILABLE, without_credentials(str(error), url))
    try:
        yield store
    except BackendUnavailable as error:
        stop(ExitCode.UNAVAILABLE, without_credentials(str(error), url))
    finally:
        store.close()


def without_credentials(text: str, url: str) -> str:
    """Return a text of somebody else in which no part of the URL that is secret can be read."""
    try:
        parts = urlsplit(url)
        secrets = [parts.netloc.rpartition("@")[0], parts.password or "", parts.query]
    except ValueError:
        secrets = []
    for secret in filter(None, [url, *secrets]):
        text = text.replace(secret, "***")
    return text
