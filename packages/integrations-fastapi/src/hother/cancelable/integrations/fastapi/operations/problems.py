"""Errors as problem details, https://www.rfc-editor.org/rfc/rfc9457, without touching the app's own handlers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fastapi.exceptions import RequestValidationError
from hother.cancelable.registry import BackendUnavailable

PROBLEM_JSON: Final = "application/problem+json"
"""The media type of problem details."""
RETRY_AFTER: Final = 2
"""After how many seconds to ask again where the shared store was away."""
_MEANINGS: Final = {
    400: "The body is not in UTF-8.",
    401: "Authentication is needed.",
    403: "The caller may not do this, or the request may come from another site.",
    404: "No operation with this id is known.",
    409: "The operation has ended otherwise, or more operations match than were confirmed.",
    422: "A parameter or the body is not valid.",
    503: "The shared store cannot be reached; ask again after `Retry-After` seconds.",
}


class Problem(BaseModel):
    """What went wrong; members beyond these are facts of this problem."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class ProblemError(Exception):
    """Raised to answer with a problem.

    Args:
        status: The HTTP status.
        detail: What went wrong, and what to do.
        headers: Further headers of the response.
        **members: Facts of this problem, fit for JSON.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.problem: Problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, **members)
        self.headers: Mapping[str, str] = headers or {}

    def response(self) -> Response:
        """Return the answer."""
        body = self.problem.model_dump_json()
        return Response(body, self.problem.status, self.headers, PROBLEM_JSON)


def problem_of(error: Exception) -> ProblemError | None:
    """Return the problem that an exception stands for; None where it is a bug."""
    match error:
        case ProblemError():
            return error
        case RequestValidationError():
            return ProblemError(422, "the request is not valid; see `errors`", errors=_errors(error))
        case HTTPException():
            return ProblemError(error.status_code, str(error.detail), error.headers)
        case BackendUnavailable():  # its text may name the address, which is not for callers
            detail = "the shared store of the operations cannot be reached; ask again later"
            return ProblemError(503, detail, {"Retry-After": str(RETRY_AFTER)})
        case _:
            return None


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how the problems of a route appear in the OpenAPI document."""
    content = {PROBLEM_JSON: {"schema": Problem.model_json_schema()}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in statuses}


def _errors(error: RequestValidationError) -> list[dict[str, Any]]:
    """Return where the errors are and what they are; not the input, which may be secret or endless."""
    found: Iterable[Mapping[str, Any]] = error.errors()
    return [{key: each[key] for key in ("type", "loc", "msg")} for each in found]
