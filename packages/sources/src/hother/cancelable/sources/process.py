"""A source that fires when a process ends."""

from __future__ import annotations

import errno
import os
import weakref
from typing import Any, NoReturn

import anyio

from hother.cancelable import CancelationSource
from hother.cancelable.core import Disarm, Fire

from .extras import require_extra
from .polling import Polling
from .ticker import current_ticker

CHECK_INTERVAL = 0.1
"""How often a process is looked at where the system cannot tell of its end, in seconds."""

_NO_PROCESS = {errno.ESRCH, errno.EINVAL, errno.ENOENT}
"""What `pidfd_open` says of an id that no process has, and of one that is a thread's."""

_NO_PIDFD = {errno.ENOSYS, errno.EPERM}
"""What it says where the kernel has none, and where a sandbox does not let it be asked."""


class ProcessSource(CancelationSource):
    """Fires when a process has ended, whether or not its parent has asked for its exit status yet.

    Any process will do, not only children of this one. On Linux the kernel tells of the end, and the source means the
    process that had the id when the source was made, even if the id is given to another one. Elsewhere the process is
    looked at ten times a second; this takes psutil (`pip install "hother-cancelable-sources[resources]"`).

    Args:
        pid: The id of the process.

    Raises:
        TypeError: If the id is no int.
        ValueError: If it is zero or negative, or this process's own.
        ProcessLookupError: If there is no such process.
        ImportError: If psutil is needed and not installed.

    Example:
        ```python
        import subprocess
        import sys

        import anyio

        from hother.cancelable import Cancelable
        from hother.cancelable.sources import ProcessSource


        async def main() -> None:
            with subprocess.Popen([sys.executable, "-c", ""]) as helper:
                async with Cancelable.with_source(ProcessSource(helper.pid), move_on=True) as operation:
                    await anyio.sleep(10)
            print(operation.context.cancel_message == f"process {helper.pid} has ended")
            #> True


        anyio.run(main)
        ```
    """

    def __init__(self, pid: int) -> None:
        _require_foreign(pid)
        self.pid: int = pid
        self.name: str = f"process {pid}"
        self._pidfd = _open_pidfd(pid)
        if self._pidfd is None:
            self._psutil = require_extra("psutil", "resources", f"{type(self).__name__} on this system")
            self._process = _find(pid, self._psutil)
        else:
            weakref.finalize(self, os.close, self._pidfd)

    async def wait(self) -> str:
        """Wait until the process has ended."""
        if self._pidfd is not None:
            await anyio.wait_readable(self._pidfd)
        else:
            while not self._has_ended():
                await current_ticker().wait(CHECK_INTERVAL)
        return self._message()

    def arm(self, fire: Fire) -> Disarm | None:
        """Have the ticker look at the process where the system cannot tell; else it is waited for."""
        if self._pidfd is not None:
            return None
        return Polling(self._has_ended, fire, self._message).start(CHECK_INTERVAL)

    def _has_ended(self) -> bool:
        try:
            return not self._process.is_running() or self._process.status() == self._psutil.STATUS_ZOMBIE
        except self._psutil.NoSuchProcess:
            return True

    def _message(self) -> str:
        return f"process {self.pid} has ended"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a ProcessSource cannot be copied or pickled: it holds on to its process; make a second one")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.pid})"


def _require_foreign(pid: object) -> None:
    if isinstance(pid, bool) or not isinstance(pid, int):
        raise TypeError(f"pid must be the id of a process, an int, not {pid!r}")
    if pid <= 0:
        raise ValueError(f"pid must be more than zero, not {pid}")
    if pid == os.getpid():
        raise ValueError(f"{pid} is this process, which cannot wait for its own end; wait for a signal instead")


def _open_pidfd(pid: int) -> int | None:
    """Return a descriptor that means this very process and becomes readable at its end; None where there are none."""
    pidfd_open = getattr(os, "pidfd_open", None)
    if pidfd_open is None:
        return None
    try:
        descriptor: int = pidfd_open(pid)
    except OverflowError:
        raise _no_such_process(pid) from None
    except OSError as error:
        if error.errno in _NO_PROCESS:
            raise _no_such_process(pid) from None
        if error.errno in _NO_PIDFD:
            return None
        raise
    return descriptor


def _find(pid: int, psutil: Any) -> Any:
    try:
        if psutil.pid_exists(pid):  # which, unlike the rest of it, takes no thread for a process
            return psutil.Process(pid)
    except (OverflowError, psutil.NoSuchProcess):
        pass
    raise _no_such_process(pid)


def _no_such_process(pid: int) -> ProcessLookupError:
    return ProcessLookupError(f"there is no process {pid}")
