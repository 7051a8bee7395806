"""The connection to Redis: short timeouts, no retries, errors that give nothing away."""

from __future__ import annotations

import re
from typing import Any, Final

import redis
from redis.exceptions import NoScriptError

from hother.cancelable.registry.errors import BackendUnavailable

from .address import address_of, pool_like
from .deadline import answered, is_over
from .scripts import Script

REPLY_TIMEOUT: Final = 1.2
"""How long one reply may take, in seconds."""
_OLDEST: Final = (6, 2)
_STATE_OF_SERVER: Final = re.compile(
    r"\b(OOM|READONLY|LOADING|NOPERM|NOAUTH|MISCONF|BUSY|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|MOVED|ASK|TRYAGAIN)\b"
    r"|ACL failure|can't run this command|no permissions|unknown command"
)
"""What the texts of errors say that are not about one command; those of scripts hold them in their midst."""


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
        self.address: str = address_of(pool)
        self.prefix: str = prefix
        self._template = pool
        self._secrets = [str(settings[key]) for key in ("password",) if settings.get(key)]
        self._pool = pool_like(pool, reply_timeout)
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


def pairs(flat: list[str]) -> dict[str, str]:
    """Return the fields of a hash or an entry, which come as a list."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


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
