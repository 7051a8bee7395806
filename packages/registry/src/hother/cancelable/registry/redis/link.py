"""The connection to Redis: short timeouts, no retries, errors that give nothing away."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from hother.cancelable.registry.errors import BackendUnavailable

from .deadline import answered, is_over, punctual
from .scripts import Script

CONNECT_TIMEOUT: Final = 0.6
REPLY_TIMEOUT: Final = 1.2
"""In seconds, for one reply."""
_OLDEST: Final = (6, 2)
_STATE_OF_SERVER: Final = re.compile(
    r"\b(OOM|READONLY|LOADING|NOPERM|NOAUTH|MISCONF|BUSY|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|MOVED|ASK|TRYAGAIN)\b"
    r"|ACL failure|can't run this command|no permissions|unknown command"
)
"""What the texts of errors say that are not about one command; those of scripts hold them in their midst."""
_OURS: Final = ("maint_notifications", "orig_", "oss_", "event_dispatcher", "himport", "cache")  # a pool's own state


class Refused(BackendUnavailable):
    """Raised when the server answers, and refuses this one command for what it is about."""


class Link:
    """Calls scripts on one server, from any thread. It connects when it is first used.

    Args:
        pool: Where connections are set up as the user wants them; only its settings are used.
        prefix: What all keys of the namespace begin with.
        reply_timeout: How long a reply may take, in seconds.
    """

    def __init__(self, pool: redis.ConnectionPool, prefix: str, reply_timeout: float = REPLY_TIMEOUT) -> None:
        settings = dict(pool.connection_kwargs)
        self.address: str = _address(pool, settings)
        self.prefix: str = prefix
        self._template = pool
        self._secrets = [str(settings[key]) for key in ("password",) if settings.get(key)]
        self._pool = _copy(pool, reply_timeout)
        self._client: Any = redis.Redis(connection_pool=self._pool)  # its types differ between versions
        self._client.set_response_callback("XREAD", _as_it_is)
        self._checked = False

    def renewed(self, reply_timeout: float = REPLY_TIMEOUT) -> Link:
        """Return another link to the same server, with connections of its own."""
        return Link(self._template, self.prefix, reply_timeout)

    def call(self, script: Script, *args: str | float) -> Any:
        """Run a script and return its reply, as text, numbers and lists.

        Raises:
            BackendUnavailable: If there is no answer in time, an error, or the server is too old.
        """
        self.check()
        try:
            reply = self._command("EVALSHA", script.sha, 1, self.prefix, *args)
        except NoScriptError:
            reply = self._command("EVAL", script.text, 1, self.prefix, *args)
        answered()
        return reply

    def read(self, stream: str, after: str, block: float, count: int = 100) -> list[tuple[str, dict[str, str]]]:
        """Return the entries of a stream after an id; wait so many seconds for the first one.

        Raises:
            BackendUnavailable: If there is no answer in time, or an error.
        """
        milliseconds = max(int(block * 1000), 1)  # 0 would be for ever
        reply = self._command("XREAD", "COUNT", count, "BLOCK", milliseconds, "STREAMS", self.prefix + stream, after)
        return [(entry[0], pairs(entry[1])) for entry in reply[0][1]] if reply else []

    def members(self, key: str) -> list[str]:
        """Return the members of a set.

        Raises:
            BackendUnavailable: If there is no answer in time, or an error.
        """
        return list(self._command("SMEMBERS", self.prefix + key))

    def values(self, keys: list[str], field: str) -> list[str | None]:
        """Return one field of several hashes.

        Raises:
            BackendUnavailable: If there is no answer in time, or an error.
        """
        try:
            pipeline = self._client.pipeline(transaction=False)
            for key in keys:
                pipeline.hget(self.prefix + key, field)
            return [_as_text(each) for each in pipeline.execute()]
        except (redis.RedisError, OSError) as error:
            raise self._unavailable(error) from None

    def check(self) -> None:
        """Make sure that the server answers and is new enough.

        Raises:
            BackendUnavailable: If not.
        """
        if self._checked:
            return
        try:
            version = _version(self._command("HELLO"))
        except BackendUnavailable as error:
            if "unknown command" not in str(error).lower():
                raise
            version = "before 6"
        if not _is_new_enough(version):
            raise BackendUnavailable(
                f"the Redis at {self.address} is too old for the registry (version {version}): it needs Redis 6.2 or "
                "later, or Valkey"
            )
        self._checked = True

    def close(self) -> None:
        """Close all connections, also those that wait for a reply in another thread."""
        self._pool.disconnect()

    def _command(self, *command: str | float) -> Any:
        try:
            if is_over():
                raise redis.TimeoutError("there was no answer in time")
            return _as_text(self._client.execute_command(*command))
        except NoScriptError:
            raise
        except (redis.RedisError, OSError) as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception) -> BackendUnavailable:
        text = f"{type(error).__name__}: {error}"
        for secret in self._secrets:
            text = text.replace(secret, "***")
        kind = Refused if _is_about_the_command(error) else BackendUnavailable
        return kind(f"the registry cannot use the Redis at {self.address}: {text}")

    def __repr__(self) -> str:
        return f"<Link {self.address}>"


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


def pairs(flat: list[str]) -> dict[str, str]:
    """Return the fields of a hash or an entry, which come as a list."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _copy(pool: redis.ConnectionPool, reply_timeout: float) -> redis.ConnectionPool:
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


def _address(pool: redis.ConnectionPool, settings: dict[str, Any]) -> str:
    if isinstance(pool, SentinelConnectionPool):
        return f"the sentinels' {vars(pool).get('service_name')!r}"
    if "path" in settings:
        return str(settings["path"])
    return f"{settings.get('host', 'localhost')}:{settings.get('port', 6379)}/{settings.get('db') or 0}"


def _is_about_the_command(error: Exception) -> bool:
    """Whether other commands may do better: the client has classes of their own for most errors that all meet."""
    if isinstance(error, redis.DataError):
        return True
    return type(error) is redis.ResponseError and _STATE_OF_SERVER.search(str(error)) is None


def _as_it_is(reply: Any, **_options: Any) -> Any:
    return reply


def _as_text(reply: Any) -> Any:
    """Return a reply with text in place of bytes, whatever the client makes of it."""
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "surrogatepass")
    if isinstance(reply, (list, tuple, set)):
        return [_as_text(each) for each in reply]  # pyright: ignore[reportUnknownVariableType]
    return reply


def _version(hello: list[Any]) -> str:
    return str(dict(zip(hello[::2], hello[1::2], strict=False)).get("version", ""))


def _is_new_enough(version: str) -> bool:
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= _OLDEST
