"""Cancelling over HTTP: the answer tells what is known, and never more."""

from __future__ import annotations

import logging

import anyio
import httpx
import pytest
from fastapi import Request

from hother.cancelable import Cancelable, CancelationReason

pytest.importorskip("hother.cancelable.registry", reason="hother-cancelable-registry is not installed")

from hother.cancelable.integrations.fastapi.operations import Access
from hother.cancelable.registry import OperationRegistry, RecordStatus

from .operations_app import CHANGE, Store, api, client, done, problem, record, running, work


async def alice(request: Request) -> Access:
    """Let everybody in, as Alice, whose name has two lines."""
    return Access("all", "alice\n'root': cancel")


def state_of(response: httpx.Response) -> tuple[int, str, str]:
    """Return the status, what has become of the request, and how the operation stands."""
    body = response.json()
    return response.status_code, body["state"], body["operation"]["status"]


async def resist(operation: Cancelable, seconds: float) -> None:
    """Run an operation that ends so long after it was told to."""
    async with operation:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(seconds)


async def test_reason_and_message() -> None:
    """The reason and message of the request are those of the operation's record."""
    registry = OperationRegistry()
    app = api(registry)
    async with running(registry, work(operation_id="1")), client(app, headers=CHANGE) as http:
        why = {"reason": "shutdown", "message": "enough"}
        response = await http.post("/operations/1/cancel", json=why)
        assert (response.status_code, response.json()["state"]) == (202, "requested")
        assert response.json()["operation"]["cancel"]["message"] == "enough"
        await anyio.wait_all_tasks_blocked()
        found = await registry.get("1")
    assert found is not None
    assert (found.cancel_reason, found.cancel_message) == (CancelationReason.SHUTDOWN, "enough")


@pytest.mark.virtual_time
async def test_what_still_runs_is_never_told_to_be_cancelled() -> None:
    """An operation that was told and takes its time is running, and delivered says that it knows."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    await registry.register(operation)
    async with anyio.create_task_group() as group, client(api(registry), headers=CHANGE) as http:
        group.start_soon(resist, operation, 10)
        await anyio.wait_all_tasks_blocked()
        response = await http.post("/operations/1/cancel", json={"message": "first"})
        assert state_of(response) == (202, "requested", "running")
        await anyio.wait_all_tasks_blocked()
        response = await http.post("/operations/1/cancel", json={"message": "second"})
        assert state_of(response) == (202, "already_requested", "running")
        body = response.json()
        assert (body["delivered"], body["operation"]["cancelling"]) == (True, True)
        assert body["operation"]["cancel"]["message"] == "first"
        response = await http.post("/operations/1/cancel?wait=5")
        assert state_of(response) == (202, "already_requested", "running")
        response = await http.post("/operations/1/cancel?wait=30")
        assert state_of(response) == (200, "ended", "cancelled")
        assert response.json()["operation"]["cancel"]["message"] == "first"


async def test_waiting_for_the_end() -> None:
    """With `wait` the answer is how it has ended; the same request again gets the same answer."""
    registry = OperationRegistry()
    async with running(registry, work(operation_id="1")), client(api(registry), headers=CHANGE) as http:
        assert state_of(await http.post("/operations/1/cancel?wait=10")) == (200, "ended", "cancelled")
        assert state_of(await http.post("/operations/1/cancel?wait=10")) == (200, "ended", "cancelled")
        assert state_of(await http.post("/operations/1/cancel")) == (200, "ended", "cancelled")


@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_waiting_for_one_that_ends_otherwise(status: str) -> None:
    """One that keeps its result, or fails, while it is waited for has ended so; asked again, it is too late."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    await registry.register(operation)

    async def end() -> None:
        try:
            async with operation:
                with anyio.CancelScope(shield=True):
                    await operation.token.wait_for_cancel()
                    if status == "failed":
                        raise KeyError("page")
        except KeyError:
            pass

    async with anyio.create_task_group() as group, client(api(registry), headers=CHANGE) as http:
        group.start_soon(end)
        await anyio.wait_all_tasks_blocked()
        assert state_of(await http.post("/operations/1/cancel?wait=10")) == (200, "ended", status)
        for query in ("", "?wait=10"):
            response = await http.post(f"/operations/1/cancel{query}")
            assert problem(response) == (
                409,
                f"the operation has ended before, {status}; there is nothing to cancel",
            )
            assert response.json()["operation"]["status"] == status


async def test_one_that_has_ended_before() -> None:
    """What has completed cannot be cancelled any more, and what nobody knows cannot be found."""
    registry = OperationRegistry()
    await done(registry, work(operation_id="1"))
    async with client(api(registry), headers=CHANGE) as http:
        for query in ("", "?wait=10"):
            assert problem(await http.post(f"/operations/1/cancel{query}"))[0] == 409
            assert problem(await http.post(f"/operations/2/cancel{query}")) == (
                404,
                "no operation with this id is known",
            )


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("?wait=0", "{}"),
        ("?wait=30.1", "{}"),
        ("?wait=nan", "{}"),
        ("", '{"reason": "bored"}'),
        ("", '{"messsage": "typo"}'),
        ("", '{"message": 1}'),
        ("", f'{{"message": "{"x" * 1001}"}}'),
        ("", "{"),
        ("", "[]"),
    ],
)
async def test_impossible_requests(query: str, body: str) -> None:
    """What is no request to cancel gets 422, as a problem, and cancels nothing."""
    registry, operation = OperationRegistry(), work(operation_id="1")
    headers = CHANGE | {"Content-Type": "application/json"}
    async with running(registry, operation), client(api(registry), headers=headers) as http:
        assert problem(await http.post(f"/operations/1/cancel{query}", content=body))[0] == 422
        assert not operation.cancel_requested


async def test_operations_of_other_processes() -> None:
    """What runs elsewhere is told through the shared store, with and without waiting."""
    store = Store(record("1"), record("2"), record("3"))
    store.ends = {"2": RecordStatus.CANCELLED, "3": RecordStatus.COMPLETED}
    async with client(api(OperationRegistry(store)), headers=CHANGE) as http:
        response = await http.post("/operations/1/cancel", json={"reason": "manual", "message": "enough"})
        assert (*state_of(response), response.json()["delivered"]) == (202, "requested", "running", False)
        assert state_of(await http.post("/operations/1/cancel?wait=0.1")) == (202, "already_requested", "running")
        assert state_of(await http.post("/operations/2/cancel?wait=5")) == (200, "ended", "cancelled")
        assert state_of(await http.post("/operations/3/cancel?wait=5")) == (200, "ended", "completed")
        assert problem(await http.post("/operations/3/cancel?wait=5"))[0] == 409
        assert problem(await http.post("/operations/4/cancel"))[0] == 404
    assert store.told[0] == ("1", CancelationReason.MANUAL, "enough")


async def test_the_store_is_away() -> None:
    """Without the shared store what runs here is cancelled all the same; for the rest the answer is 503."""
    store, operation = Store(record("1")), work(operation_id="here")
    store.is_away = True
    registry = OperationRegistry(store)
    async with running(registry, operation), client(api(registry), headers=CHANGE) as http:
        for query in ("", "?wait=5"):
            response = await http.post(f"/operations/1/cancel{query}")
            assert problem(response)[0] == 503
            assert response.headers["Retry-After"] == "2"
            assert "geheim" not in response.text
        assert (await http.post("/operations/here/cancel?wait=5")).status_code == 200


async def test_who_did_it(caplog: pytest.LogCaptureFixture) -> None:
    """The audit trail and the record of the operation name the caller; no text of users forges a line of the trail."""
    registry, identity = OperationRegistry(), "1': ended"
    caplog.set_level(logging.INFO, "hother.cancelable.audit")
    async with running(registry, work(operation_id=identity)), client(api(registry, alice), headers=CHANGE) as http:
        await http.post(f"/operations/{identity}/cancel?wait=5", json={"message": "enough"})
        await http.post("/operations/2/cancel")
    caller = "alice\n'root': cancel"
    assert [(each.name, each.getMessage()) for each in caplog.records] == [
        ("hother.cancelable.audit", f"{caller!r}: cancel {identity!r}: ended"),
        ("hother.cancelable.audit", f"{caller!r}: cancel '2': not_found"),
    ]
    facts = vars(caplog.records[0])
    assert (facts["caller"], facts["action"], facts["outcome"]) == (caller, "cancel", "ended")
    found = await registry.get(identity)
    assert found is not None
    assert found.cancel_message == f"enough (by {caller})"


async def test_who_did_it_without_a_name(caplog: pytest.LogCaptureFixture) -> None:
    """Where the caller has no name its address is in the audit trail, and the message stays as it was."""
    registry, store = OperationRegistry(), Store()
    store.is_away = True
    caplog.set_level(logging.INFO, "hother.cancelable.audit")
    async with running(registry, work(operation_id="1")), client(api(registry), "10.0.0.7", headers=CHANGE) as http:
        await http.post("/operations/1/cancel?wait=5", json={"message": "enough"})
    async with client(api(OperationRegistry(store)), None, headers=CHANGE) as http:
        await http.post("/operations/2/cancel")
    assert caplog.messages == ["'10.0.0.7': cancel '1': ended", "'somebody': cancel '2': no answer"]
    found = await registry.get("1")
    assert found is not None
    assert found.cancel_message == "enough"
