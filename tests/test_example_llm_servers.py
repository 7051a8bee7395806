"""The example with a language model, without a terminal: what it asks for, and what it says of servers that fail."""

from __future__ import annotations

import importlib.util
import json
import re
from types import ModuleType

import httpx
import pytest

from .llm_program import EXAMPLE, WHOLE, Model, finish, start

pytestmark = pytest.mark.server


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_plain_run(backend: str) -> None:
    """The answer streams to its end, the marker in it is not shown and pauses nothing, and remarks go elsewhere."""
    code, answer, remarks = finish(start("--backend", backend, "--pace", "0"))
    assert (code, answer) == (0, f"You asked: What makes a good stream? {WHOLE}")
    assert remarks == (
        "\n[no terminal: the answer streams to its end]\n\n[you: What makes a good stream?]\n\n"
        "[complete, connections: 1]\n"
    )


def test_conversation() -> None:
    """The program's own model knows the conversation."""
    code, answer, _ = finish(start("One?", "Two?", "Three?", "--pace", "0"))
    assert code == 0
    assert (
        answer == f"You asked: One? {WHOLE}You asked after 1 more: Two? {WHOLE}You asked after 2 more: Three? {WHOLE}"
    )


def test_request() -> None:
    """The request is that of OpenAI, with model and key from the environment; each question comes with the context."""
    with Model() as model:
        program = start("One?", "Two?", LLM_BASE_URL=model.url, LLM_MODEL="parrot", LLM_API_KEY="secret")
        first = model.accept()
        assert first.request == "POST /v1/chat/completions HTTP/1.1"
        assert first.headers["authorization"] == "Bearer secret"
        assert first.body == {"model": "parrot", "messages": [{"role": "user", "content": "One?"}], "stream": True}
        first.begin("text/event-stream; charset=utf-8")
        first.send(': keep-alive\n\ndata: {"choices": [{"delta": {"role": "assistant", "content": null}}]}\n\n')
        first.say("Yes, ", "one", "[")
        first.send('data: {"choices": [], "usage": {"total_tokens": 3}}\n\n')
        first.end()
        second = model.accept()
        assert second.messages == [("user", "One?"), ("assistant", "Yes, one["), ("user", "Two?")]
        second.begin()
        second.end()
        code, answer, _ = finish(program)
    assert (code, answer) == (0, "Yes, one[\n\n")


def test_nobody_listens() -> None:
    """A server that refuses the connection is named, and the exit code is 1."""
    with Model() as model:
        url = model.url
    code, answer, remarks = finish(start(LLM_BASE_URL=url))
    assert (code, answer) == (1, "")
    assert f"[no answer: ConnectError with {url}/: All connection attempts failed]" in remarks
    assert "Traceback" not in remarks


def test_no_url() -> None:
    """What is no URL is named, too."""
    code, _, remarks = finish(start(LLM_BASE_URL="http://host:port"))
    assert code == 1
    assert "[no answer: 'http://host:port' is no URL: Invalid port: 'port']" in remarks


@pytest.mark.parametrize(("status", "backend"), [("401 Unauthorized", "asyncio"), ("500 Oops", "trio")])
def test_refusal(status: str, backend: str) -> None:
    """A refusal is shown with its status and what the server says. Without a key none was sent."""
    with Model() as model:
        program = start("--backend", backend, LLM_BASE_URL=model.url)
        connection = model.accept()
        assert "authorization" not in connection.headers
        connection.send(f"HTTP/1.1 {status}\r\ncontent-length: 18\r\n\r\nno, for this cause")
        code, answer, remarks = finish(program)
    assert (code, answer) == (1, "")
    assert f"[no answer: the model server answers {status[:3]}: no, for this cause]" in remarks
    assert "Traceback" not in remarks


@pytest.mark.parametrize("when", ["the answer ends", "it is cut off"])
def test_answer_breaks_off(when: str) -> None:
    """An answer without its last event is not complete; what came before stays."""
    with Model() as model:
        program = start(LLM_BASE_URL=model.url)
        connection = model.accept()
        data = f"data: {json.dumps({'choices': [{'delta': {'content': 'One'}}]})}\n\n"
        if when == "the answer ends":
            connection.begin()
            connection.send(data)
        else:
            connection.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            connection.send(f"{len(data):x}\r\n{data}\r\n")
        connection.close()
        code, answer, remarks = finish(program)
    assert (code, answer) == (1, "One")
    why = "the answer breaks off" if when == "the answer ends" else "RemoteProtocolError with "
    assert f"[no answer: {why}" in remarks
    assert "Traceback" not in remarks


@pytest.mark.parametrize(
    ("when", "backend"), [("before the head", "trio"), ("after the head", "asyncio"), ("after a piece", "trio")]
)
def test_stall(when: str, backend: str) -> None:
    """A model that is silent for too long ends the program, wherever it stalls; what came before stays."""
    with Model() as model:
        program = start("--backend", backend, "--stall", "0.5", LLM_BASE_URL=model.url)
        connection = model.accept()
        if when != "before the head":
            connection.begin()
        if when == "after a piece":
            connection.say("One")
        connection.wait_until_client_leaves()
        code, answer, remarks = finish(program)
    assert (code, answer) == (1, "One" if when == "after a piece" else "")
    assert "[the model stalls: no item within 0.5 s]" in remarks
    assert "Traceback" not in remarks


@pytest.fixture(scope="module")
def module() -> ModuleType:
    """Return the example's module that talks to model servers."""
    spec = importlib.util.spec_from_file_location("chat_completions", EXAMPLE.with_name("chat_completions.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize(
    ("content_type", "data", "message"),
    [
        ("text/event-stream", "data: {oops", "the model server sends what is no chunk of an answer: '{oops'"),
        ("text/event-stream", "data: []", "the model server sends what is no chunk of an answer: '[]'"),
        ("text/event-stream", 'data: {"object": 1}', """sends what is no chunk of an answer: '{"object": 1}'"""),
        ("text/event-stream", 'data: {"choices": [{"delta": null}]}', "sends what is no chunk of an answer"),
        (
            "text/event-stream",
            'data: {"error": {"message": "busy"}}',
            "the model server has failed: {'message': 'busy'}",
        ),
        ("text/event-stream", "event: ping", "the answer breaks off"),
        ("text/html", "<p>Hello", "to contain 'text/event-stream', got 'text/html'"),
    ],
)
async def test_broken_events(module: ModuleType, content_type: str, data: str, message: str) -> None:
    """What cannot be understood is an error that shows it."""

    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": content_type}, text=f"{data}\n\n")

    async with httpx.AsyncClient(base_url="http://model", transport=httpx.MockTransport(respond)) as client:
        with pytest.raises(module.ModelError, match=re.escape(message)):
            async for _ in module.complete(client, "parrot", []):
                pass
