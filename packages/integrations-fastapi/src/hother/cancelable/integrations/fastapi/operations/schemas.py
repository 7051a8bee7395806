"""What the API takes and gives. Times are RFC 3339 in UTC, durations are seconds, ids are opaque."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from hother.cancelable import CancelationReason
from hother.cancelable.registry import CancelState, EventKind, RecordStatus, WorkerState

BackendState = Literal["ok", "degraded", "local"]
"""`ok`: all processes; `degraded`: this one alone, the shared store is away; `local`: there is no shared store."""
Seconds = Annotated[float, Field(ge=0)]


class OperationProgress(BaseModel):
    """What an operation has reported last."""

    message: str
    percent: float | None = Field(description="How much is done, from 0 to 100.")
    time: datetime


class OperationCancel(BaseModel):
    """That an operation was told to stop, and how far that has come. It has ended only if its status says so."""

    reason: CancelationReason
    message: str | None
    origin: str | None
    requested: datetime | None
    delivered: datetime | None = Field(description="When its event loop was told.")
    delivery_seconds: Seconds | None = Field(description="From asked to told.")
    unwind_seconds: Seconds | None = Field(description="From told to ended.")


class Operation(BaseModel):
    """One operation at one moment."""

    id: str
    name: str | None
    status: RecordStatus
    cancelling: bool = Field(description="Whether it was told to stop and has not ended.")
    worker: str = Field(description="The process that it runs in.")
    parent_id: str | None
    started: datetime | None
    ended: datetime | None
    age: Seconds = Field(description="How long it has run, or ran.")
    progress: OperationProgress | None
    cancel: OperationCancel | None
    error: str | None
    stuck: str | None = Field(description="Where it sits, if it was told to stop long ago and still runs.")
    metadata: dict[str, Any] = Field(description="What is on the allow-list.")


class Answer(BaseModel):
    """When an answer was true, and how much it knows."""

    as_of: datetime
    backend: BackendState = Field(description=BackendState.__doc__ or "")


class OperationList(Answer):
    """A part of the operations that run, oldest first."""

    operations: list[Operation]
    cursor: str | None = Field(description="What to ask for the next part with; null at the end.")


class OperationHistory(Answer):
    """A part of the operations that have ended, latest first."""

    operations: list[Operation]
    cursor: str | None = Field(description="What to ask for the next part with; null at the end.")


class OperationDetail(Answer):
    """One operation."""

    operation: Operation


class OperationNode(Operation):
    """An operation in a tree."""

    depth: int = Field(ge=0, description="0 for the root, 1 for its children, and so on.")


class OperationTree(Answer):
    """An operation and what runs below it, each before its children."""

    operations: list[OperationNode]


class OperationWorker(BaseModel):
    """One process that takes part."""

    id: str
    host: str
    pid: int
    state: WorkerState
    version: str
    started: datetime
    heartbeat: datetime = Field(description="When it was heard of last.")
    operations: int = Field(description="How many operations run in it.")
    loop_lag: float | None = Field(description="How late its event loops are, in seconds.")


class OperationWorkers(Answer):
    """The processes that take part; none without a shared store."""

    workers: list[OperationWorker]


class OperationStatistics(Answer):
    """Numbers since the registry began."""

    active_operations: int
    active_by_status: dict[str, int]
    total_started: int
    total_completed: int = Field(description="How many have ended, in whichever way.")
    ended_by_status: dict[str, int]
    ended_by_reason: dict[str, int]
    history_size: int
    history_by_status: dict[str, int]
    average_duration_seconds: float
    longest_duration_seconds: float
    cancel_latency: dict[str, float] = Field(
        description="Seconds: `delivery_mean` and `delivery_max` from asked to told, `unwind_mean` and `unwind_max` "
        "from told to ended."
    )


class OperationsHealth(Answer):
    """How the connection to the shared store stands."""

    queue: int | None = Field(description="How many notes wait to be written there.")
    heartbeat_age: float | None = Field(description="How long ago the store has heard of this process, in seconds.")
    error: str | None


class OperationEvent(BaseModel):
    """Something that has happened: the data of an event of the stream."""

    kind: EventKind
    time: datetime
    worker: str | None
    operation: Operation | None = Field(description="The operation as it was then.")


class CancelOperation(BaseModel):
    """Why an operation shall stop."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    reason: CancelationReason = CancelationReason.MANUAL
    message: str | None = Field(default=None, max_length=1000, description="For whoever reads the record.")


class OperationSelection(BaseModel):
    """Which operations are meant: those that match all that is given."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    status: list[RecordStatus] | None = None
    name: str | None = Field(
        default=None, description="A part of the name; a pattern for all of it with `*`, `?` or `[`."
    )
    worker: str | None = None
    parent: str | None = None
    min_age: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="How long they have run, in seconds."
    )
    cancelling: bool | None = Field(
        default=None, description="Whether they were told to stop; by default those that were not."
    )


class CancelOperations(CancelOperation):
    """Which operations shall stop, and why: first with `dry_run`, then with the count that it gave."""

    filter: OperationSelection
    dry_run: bool = False
    expected_count: int | None = Field(default=None, ge=0, description="How many matched; more are never told.")


class CancelOutcome(BaseModel):
    """What has become of a request to cancel. `requested` and `already_requested` do not say that anything ended."""

    state: CancelState
    delivered: bool = Field(description="Whether the event loop of the operation was told.")
    operation: Operation | None


class CancelOutcomes(BaseModel):
    """What has become of a request to cancel several operations."""

    dry_run: bool
    count: int = Field(description="How many operations matched.")
    limit: int = Field(description="How many are told at most by one request.")
    told: int = Field(description="How many were told to stop by this request.")
    already: int = Field(description="How many had been told by somebody else, or had ended, meanwhile.")
