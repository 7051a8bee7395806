"""Background jobs that can be cancelled by their id."""

from __future__ import annotations

import builtins
import threading
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import ParamSpec, TypeVar

import anyio
import anyio.from_thread
from starlette.background import BackgroundTasks

from hother.cancelable import CancelationReason, CancelationToken
from hother.cancelable.core import current_loop, positive_seconds, require, start_beside

from .job import Job, JobRun, JobStatus, name_of, require_function

P = ParamSpec("P")
T = TypeVar("T")


class JobNotFound(LookupError):
    """Raised for an id that belongs to no job, or to one that ended long ago and was forgotten.

    Attributes:
        job_id: The id.
    """

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id: str = job_id

    def __str__(self) -> str:
        return f"no background job has the id {self.job_id!r}: none ever had, or it has ended and was forgotten"


class BackgroundJobs:
    """Keeps background jobs by id: starts them, cancels them, and tells whether they have ended.

    A job is an operation of its own, `current_operation()` in its function. Neither the client of the request that
    started it nor the response ends it. It ends when its function does, when it is cancelled here, or with `token`.
    A cancelled job is interrupted at its next checkpoint, and ends silently. Plain functions run in a worker thread
    and stop where they call `current_operation().check()`; one that never does is waited for, and counts as cancelled
    when it comes back. It is running until then also where its task was cancelled from outside and is gone, as when a
    server's patience at shutdown is over.

    Make one for the app. It knows the jobs of its own process, and may be asked in worker threads, too; to cancel a job
    there, call `token(job_id).cancel_sync()`.

    Args:
        token: Ends all jobs when it is cancelled, for example at shutdown. Later ones never begin.
        keep: How many jobs that have ended are remembered; the oldest are forgotten first.

    Raises:
        TypeError: If the token is no token, or `keep` no whole number.
        ValueError: If `keep` is negative.

    Example:
        ```python
        import anyio
        from fastapi import BackgroundTasks, FastAPI, HTTPException
        from hother.cancelable.integrations.fastapi import BackgroundJobs, JobNotFound, JobStatus

        app = FastAPI()
        jobs = BackgroundJobs()


        async def write_report(year: int) -> None:
            await anyio.sleep(60)


        @app.post("/reports/{year}")
        async def start(year: int, background_tasks: BackgroundTasks) -> str:
            return jobs.add(background_tasks, write_report, year)


        @app.delete("/jobs/{job_id}")
        async def cancel(job_id: str) -> JobStatus:
            try:
                return await jobs.cancel(job_id, "the user cancelled", wait=1)
            except JobNotFound as error:
                raise HTTPException(404, str(error)) from None
        ```
    """

    def __init__(self, token: CancelationToken | None = None, *, keep: int = 1000) -> None:
        if token is not None:
            require(CancelationToken, token, "token", "a CancelationToken")
        if isinstance(keep, bool) or not isinstance(keep, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"keep must be a whole number of jobs, not {keep!r}")
        if keep < 0:
            raise ValueError(f"keep must be zero or more jobs, not {keep!r}")
        self._token = token
        self._keep = keep
        self._jobs: dict[str, Job] = {}
        self._ended: deque[str] = deque()
        self._forgetting = threading.Lock()  # nobody waits for it: event loops must not, nor a garbage collection

    def add(
        self,
        background_tasks: BackgroundTasks,
        function: Callable[P, object],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> str:
        """Have a job run after the response, as a background task of FastAPI or Starlette.

        Its exceptions go the way of those of any background task. Where the background tasks never run, as after an
        endpoint that raised, the job ends as cancelled, with the reason `EXTERNAL`, when they are thrown away.

        Args:
            background_tasks: What FastAPI hands the endpoint, or what a response of Starlette is given.
            function: What to run: a coroutine function, or a plain one for a worker thread.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            The id of the job.

        Raises:
            TypeError: If `background_tasks` is something else, or the function cannot be called.
        """
        require(BackgroundTasks, background_tasks, "background_tasks", "the BackgroundTasks of the request")
        require_function(function, "add(background_tasks, function, 1)")
        run = self._new(partial(function, *args, **kwargs))
        background_tasks.add_task(run)
        return run.job.id

    def start(self, function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> str:
        """Run a job at once, in a task beside the request that no server waits for.

        An exception of the job is kept in its status and logged at ERROR, with its traceback. The job is cancelled when
        the event loop closes.

        Args:
            function: What to run: a coroutine function, or a plain one for a worker thread.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            The id of the job.

        Raises:
            TypeError: If the function cannot be called.
            RuntimeError: If no event loop runs here, and this is no thread that one has started, as FastAPI does for a
                plain endpoint.
        """
        require_function(function, "start(function, 1)")
        start = partial(self._start, partial(function, *args, **kwargs))
        try:
            current_loop()
        except anyio.NoEventLoopError:
            return _on_the_loop(start)
        return start()

    async def cancel(
        self, job_id: str, message: str | None = None, *, wait: float | timedelta | None = None
    ) -> JobStatus:
        """Tell a job to stop. One that has not begun never does; one that has ended is left as it is.

        Args:
            job_id: The id of the job.
            message: What to tell the reader of its status.
            wait: How long to wait for its end at most, in seconds or as a `timedelta`; None does not wait.

        Returns:
            How the job stands now. `has_ended` is false if it still runs; the request stands.

        Raises:
            JobNotFound: If no job has this id.
            RuntimeError: If a job waits for its own end.
            TypeError: If the message is no string, or `wait` no time span.
            ValueError: If `wait` is zero, negative or NaN.
        """
        seconds = None if wait is None else positive_seconds(wait, "wait")
        job = self._find(job_id)
        if seconds is None or not job.operation.is_running:
            await job.operation.cancel(CancelationReason.MANUAL, message)
        if seconds is not None and not job.status().has_ended:
            with anyio.move_on_after(seconds):  # the status tells
                await job.operation.cancel_and_wait(None, CancelationReason.MANUAL, message)
                await job.ended.wait_for_cancel()
        return job.status()

    def status(self, job_id: str) -> JobStatus:
        """Tell how a job stands.

        Raises:
            JobNotFound: If no job has this id.
        """
        return self._find(job_id).status()

    def list(self) -> builtins.list[JobStatus]:
        """Tell how all jobs stand that are remembered, in the order in which they were given."""
        return [job.status() for job in self._jobs.copy().values()]  # threads may add further ones meanwhile

    def token(self, job_id: str) -> CancelationToken:
        """Return the token that ends a job, for code that hands tokens around.

        Raises:
            JobNotFound: If no job has this id.
        """
        return self._find(job_id).operation.token

    def _find(self, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None:
            raise JobNotFound(job_id)
        return job

    def _new(self, call: partial[object]) -> JobRun:
        job = Job(name_of(call), self._token)
        self._jobs[job.id] = job
        return JobRun(job, call, self._note_end)

    def _start(self, call: partial[object]) -> str:
        run = self._new(call)
        start_beside(current_loop(), run.beside, f"background job {run.job.name}")
        return run.job.id

    def _note_end(self, job: Job) -> None:
        self._ended.append(job.id)
        while len(self._ended) > self._keep and self._forgetting.acquire(blocking=False):  # or who has it looks again
            try:
                if len(self._ended) > self._keep:
                    del self._jobs[self._ended.popleft()]
            finally:
                self._forgetting.release()


def _on_the_loop(start: Callable[[], T]) -> T:
    try:
        return anyio.from_thread.run_sync(start)
    except anyio.NoEventLoopError:
        raise RuntimeError(
            "no event loop runs in this thread, and none has started it: call start() in a coroutine, or in a thread "
            "of FastAPI, anyio.to_thread or Cancelable.run_in_thread"
        ) from None
