"""`cancelable_responses`: what the OpenAPI schema says of cancelled requests."""

import json
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from hother.cancelable import CancelationError, CancelationReason
from hother.cancelable.integrations.fastapi import add_cancelation_handlers, cancelable_responses, with_cancelation

from .asking import app_with, ask

DETAIL = {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}


async def endpoint() -> str:
    """Do something."""
    return "done"


def responses_of(app: FastAPI) -> dict[str, Any]:
    """Return the responses of the one endpoint in the schema."""
    responses: dict[str, Any] = json.loads(json.dumps(app.openapi()))["paths"]["/"]["get"]["responses"]
    return responses


def test_default() -> None:
    """Without arguments a timeout and the server's shutdown are described, in the order of their status."""
    found = responses_of(app_with(endpoint, responses=cancelable_responses()))
    assert list(found) == ["200", "503", "504"]
    assert found["504"]["description"] == "The request took too long"
    assert found["504"]["content"]["application/json"]["schema"] == DETAIL
    assert found["504"]["content"]["application/json"]["example"] == {"detail": "The request took too long"}
    assert "headers" not in found["504"]
    assert found["503"]["headers"]["Retry-After"]["schema"] == {"type": "integer"}


def test_everywhere() -> None:
    """It serves apps and routers as well, and each call gives a new dictionary."""
    router = APIRouter(responses=cancelable_responses())
    router.get("/")(endpoint)
    app = FastAPI()
    app.include_router(router)
    whole = FastAPI(responses=cancelable_responses())
    whole.get("/")(with_cancelation(endpoint))
    assert list(responses_of(app)) == list(responses_of(whole)) == ["200", "503", "504"]
    assert cancelable_responses() == cancelable_responses()
    assert cancelable_responses() is not cancelable_responses()
    cancelable_responses()[504]["description"] = "changed"
    assert cancelable_responses()[504]["description"] != "changed"


def test_statuses() -> None:
    """Each reason gives its status; 499, which few clients see, is there only for MANUAL."""
    assert list(cancelable_responses(CancelationReason.TIMEOUT)) == [504]
    assert list(cancelable_responses(CancelationReason.MANUAL)) == [499]
    assert list(cancelable_responses(CancelationReason.CONDITION)) == [500]
    assert 499 not in cancelable_responses()
    both = cancelable_responses(CancelationReason.SIGNAL, CancelationReason.TIMEOUT, CancelationReason.SIGNAL)
    assert list(both) == [503, 504]
    everything = [each for each in CancelationReason if each is not CancelationReason.DISCONNECT]
    assert list(cancelable_responses(*everything)) == [499, 500, 503, 504]


@pytest.mark.parametrize("first", [CancelationReason.SIGNAL, CancelationReason.SHUTDOWN])
def test_two_reasons_with_one_status(first: CancelationReason) -> None:
    """Where one of the reasons of a status has a header, it is described, in whichever order they are given."""
    other = ({CancelationReason.SIGNAL, CancelationReason.SHUTDOWN} - {first}).pop()
    assert "Retry-After" in cancelable_responses(first, other)[503]["headers"]


@pytest.mark.parametrize("reason", [each for each in CancelationReason if each is not CancelationReason.DISCONNECT])
async def test_description_is_true(reason: CancelationReason) -> None:
    """What is described is what a client hears."""

    async def cancelled() -> None:
        raise CancelationError(reason=reason)

    app = app_with(cancelled)
    add_cancelation_handlers(app)
    heard = await ask(app)
    [(status, described)] = cancelable_responses(reason).items()
    assert heard.status == status
    assert heard.json() == described["content"]["application/json"]["example"]
    assert ("retry-after" in heard.headers) is ("Retry-After" in described.get("headers", {}))


def test_wrong_arguments() -> None:
    """A reason that no client can hear, and what is no reason, are errors at once."""
    with pytest.raises(ValueError, match="DISCONNECT"):
        cancelable_responses(CancelationReason.TIMEOUT, CancelationReason.DISCONNECT)
    wrong: list[Any] = ["timeout", 504, None, [CancelationReason.TIMEOUT]]
    for each in wrong:
        with pytest.raises(TypeError, match="reason must be a CancelationReason, not"):
            cancelable_responses(each)
