"""Where the server is, and how to connect to it; what is secret in that is never shown."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from .deadline import punctual

CONNECT_TIMEOUT: Final = 0.6
"""How long connecting may take, in seconds."""
_OURS: Final = ("maint_notifications", "orig_", "oss_", "event_dispatcher", "himport", "cache")  # a pool's own state


def pool_of(url: str) -> redis.ConnectionPool:
    """Read the address of a server.

    Raises:
        TypeError: If it is no string.
        ValueError: If it is no address of a Redis.
    """
    if not isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"url must be a string like 'redis://localhost:6379/0', not {type(url).__name__}")
    try:
        _refuse_ambiguous(url)
        return redis.ConnectionPool.from_url(url)  # pyright: ignore[reportUnknownMemberType]
    except (ValueError, TypeError):
        # what was wrong may hold the password, so it is not told
        raise ValueError(
            "url must be like 'redis://localhost:6379/0', 'rediss://user:password@host:6379/0' or "
            "'unix:///path/to/socket'; percent-encode special characters of a password, as urllib.parse.quote "
            "does (the url given is not shown, since it may hold one)"
        ) from None


def pool_of_client(client: object) -> redis.ConnectionPool:
    """Return how a client of the user's own connects.

    Raises:
        TypeError: If it is no blocking client.
    """
    if not isinstance(client, redis.Redis):
        raise TypeError(f"client must be a redis.Redis, the blocking client, not {type(client).__name__}")
    return client.connection_pool


def pool_like(pool: redis.ConnectionPool, reply_timeout: float) -> redis.ConnectionPool:
    """Return a pool for the same server, without retries, whose replies may take so many seconds."""
    settings = {key: value for key, value in pool.connection_kwargs.items() if not key.startswith(_OURS)}
    settings |= {
        "socket_timeout": reply_timeout,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "retry_on_error": [],
        "decode_responses": True,
        "encoding": "utf-8",
        "encoding_errors": "surrogatepass",
        "protocol": 2,
        "health_check_interval": 0,
    }
    if isinstance(pool, SentinelConnectionPool):  # which asks its sentinels for the address
        del settings["connection_pool"]
        untyped: Any = pool
        settings |= {
            "connection_class": punctual(untyped.connection_class, CONNECT_TIMEOUT),
            "is_master": untyped.is_master,
        }
        make: Any = SentinelConnectionPool
        sentinel_pool: redis.ConnectionPool = make(untyped.service_name, untyped.sentinel_manager, **settings)
        return sentinel_pool
    return redis.ConnectionPool(connection_class=punctual(pool.connection_class, CONNECT_TIMEOUT), **settings)


def address_of(pool: redis.ConnectionPool) -> str:
    """Return where a server is, without user and password."""
    settings = pool.connection_kwargs
    if isinstance(pool, SentinelConnectionPool):
        return f"the sentinels' {vars(pool).get('service_name')!r}"
    if "path" in settings:
        return str(settings["path"])
    return f"{settings.get('host', 'localhost')}:{settings.get('port', 6379)}/{settings.get('db') or 0}"


def _refuse_ambiguous(url: str) -> None:
    """Refuse what may be a password with special characters: pieces of it would be taken for an address, and shown."""
    parts = urlsplit(url)
    rest = url.partition("://")[2][len(parts.netloc) :]
    if parts.scheme == "unix":
        is_ambiguous = bool(parts.netloc) and "@" not in parts.netloc
    else:
        path = parts.path.strip("/")
        is_ambiguous = "@" in rest or not (path == "" or (path.isascii() and path.isdigit()))
    if is_ambiguous or "#" in rest:
        raise ValueError
