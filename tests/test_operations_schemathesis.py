"""What the operations API answers, held against its own OpenAPI document by schemathesis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import pytest
import requests
import schemathesis
from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI, Request
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
    response_schema_conformance,
)

from hother.cancelable import Cancelable
from hother.cancelable.integrations.fastapi.operations import Access, feed, operations_router
from hother.cancelable.registry import OperationRegistry

RUNS, ENDED = "runs/1", "ended/1"
BEYOND_SCHEMAS = ("send expected_count", "the cursor is none")
"""What is asked for beyond what a schema can say."""
CHANGE = {"X-Cancelable": "test"}


def authorize(request: Request) -> Access | None:
    """Let those in who do not say that they are nobody."""
    return None if request.headers.get("x-nobody") else Access("all", "alice")


class Api:
    """The API of a registry in which one operation runs always, and many have ended."""

    def __init__(self, portal: BlockingPortal) -> None:
        self.registry = OperationRegistry()
        self.app = FastAPI()
        self.app.include_router(operations_router(self.registry, authorize=authorize))
        self.schema: BaseSchema = schemathesis.openapi.from_dict(self.app.openapi())
        self.answers: Counter[tuple[str, int]] = Counter()
        self._portal = portal

    async def keep_running(self, *, task_status: TaskStatus[None]) -> None:
        """Run an operation to its end, and another one, which is begun anew whenever it was cancelled."""
        async with Cancelable(operation_id=ENDED) as ended:
            await self.registry.register(ended)
        task_status.started()
        while True:
            async with Cancelable(operation_id=RUNS, name="import", move_on=True) as operation:
                await self.registry.register(operation)
                await anyio.sleep_forever()

    def answer(self, case: Case[Any]) -> httpx.Response:
        """Send a request to the app, as it is."""
        prepared = requests.Request(**case.as_transport_kwargs(base_url="http://test", headers=CHANGE)).prepare()
        response = self._portal.call(self._send, prepared)
        self.answers[case.operation.label, response.status_code] += 1
        return response

    async def _send(self, prepared: requests.PreparedRequest) -> httpx.Response:
        content: Any = prepared.body
        headers: Any = prepared.headers
        request = httpx.Request(str(prepared.method), str(prepared.url), headers=headers, content=content)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://test") as client:
            return await client.send(request)


def unfit_checks(case: Case[Any], answer: httpx.Response) -> list[Any]:
    """Return the checks that an answer cannot meet."""
    if any(text in answer.text for text in BEYOND_SCHEMAS):
        return [positive_data_acceptance]
    if answer.headers["content-type"].startswith("text/event-stream"):
        return [response_schema_conformance]  # it takes the schema of the whole stream for that of each event
    if "since" in case.query:
        return [negative_data_rejection]  # pydantic takes numbers for times, too
    return []


@contextmanager
def running_api() -> Generator[Api]:
    """Serve the API on an event loop of its own."""
    with start_blocking_portal() as portal:
        api = Api(portal)
        task, _ = portal.start_task(api.keep_running)
        yield api
        task.cancel()


def try_out(mode: GenerationMode, *known: str, examples: int) -> Counter[tuple[str, int]]:
    """Send many requests, some of them to known ids, check each answer, and return which there were."""
    with running_api() as api:

        @given(case=api.schema.as_strategy(mode), identity=st.sampled_from(["", *known]))
        @settings(
            max_examples=examples,
            derandomize=True,
            suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
        )
        def check(case: Case[Any], identity: str) -> None:
            if identity and case.path_parameters:
                case.path_parameters["operation_id"] = identity
            assume("%0A" not in case.formatted_path)  # Starlette finds no route for a line feed
            answer = api.answer(case)
            case.validate_response(answer, excluded_checks=unfit_checks(case, answer))

        check()
        return api.answers


@pytest.fixture(autouse=True)
def brief_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have streams of events end soon."""
    monkeypatch.setattr(feed, "STREAM_SECONDS", 0.001)


def test_what_the_document_allows() -> None:
    """Requests that the document allows get answers that it describes, and never a 5xx."""
    answers = try_out(GenerationMode.POSITIVE, RUNS, ENDED, examples=150)
    assert len({label for label, _ in answers}) == 10, "too few examples to ask for everything"
    assert {200, 202, 404, 409, 422} <= {status for _, status in answers}


def test_what_the_document_forbids() -> None:
    """Requests that the document does not allow are refused, with a problem that it describes."""
    answers = try_out(GenerationMode.NEGATIVE, examples=120)
    posts = ("POST /operations/{operation_id}/cancel", "POST /operations/cancel")
    assert {(label, 422) for label in (*posts, "GET /history", "GET /operations")} <= set(answers)
