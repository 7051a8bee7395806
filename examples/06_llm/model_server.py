"""A small model server: chat completions as OpenAI streams them, over HTTP on loopback. It has one thing to say.

Its answer depends on the whole conversation, and where the last message is the beginning of its own answer, it goes on
from there.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream

from hother.cancelable.streams import StreamConfig, simulate_stream

STORY = (
    "A stream that stops well has three manners. It stops between two words that you have read, and not in the one "
    "that you are reading. It remembers what it has said, also when nobody is connected any more. [PAUSE]And when it "
    "goes on, it goes on with the very next letter: the conversation so far comes with each request, so that nothing "
    "has to be kept in between."
)

_HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"


class BadRequest(Exception):
    """A request that this server does not serve."""


async def serve_model(pace: float, *, task_status: TaskStatus[str]) -> None:
    """Serve until cancelled.

    Args:
        pace: Seconds between two pieces of an answer, more or less.
        task_status: Gets the base URL.
    """
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)
        task_status.started(f"http://127.0.0.1:{port}/v1")
        await listener.serve(partial(_serve_client, pace))


def remaining_answer(messages: list[dict[str, str]]) -> str:
    """Return what the model has still to say.

    Raises:
        BadRequest: If nothing was asked, or the model would never have begun its answer like that.
    """
    asked = [message["content"] for message in messages if message["role"] == "user"]
    if not asked:
        raise BadRequest("the conversation has no message of a user")
    before = f" after {len(asked) - 1} more" if asked[1:] else ""
    answer = f"You asked{before}: {asked[-1]} {STORY}"
    said = messages[-1]["content"] if messages[-1]["role"] == "assistant" else ""
    if not answer.startswith(said):
        raise BadRequest("this is not what the model was about to say")
    return answer[len(said) :]


async def _serve_client(pace: float, client: SocketStream) -> None:
    async with client:
        try:
            body = await _read_request(client)
            answer = remaining_answer(body["messages"])
        except (anyio.IncompleteRead, anyio.BrokenResourceError):
            return  # the client has left
        except (BadRequest, ValueError, TypeError, LookupError, anyio.DelimiterNotFound) as error:
            text = json.dumps({"error": {"message": str(error)}})
            await _send(client, f"HTTP/1.1 400 Bad Request\r\ncontent-length: {len(text)}\r\n\r\n{text}")
        else:
            await _send(client, _HEAD, _events(answer, pace, body.get("model")))


async def _read_request(client: SocketStream) -> Any:
    stream = BufferedByteReceiveStream(client)
    head = (await stream.receive_until(b"\r\n\r\n", 65_536)).decode("latin-1")
    request, *lines = head.split("\r\n")
    if not request.startswith("POST /v1/chat/completions "):
        raise BadRequest(f"this server has no {request!r}")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return json.loads(await stream.receive_exactly(int(headers["content-length"])))


async def _send(client: SocketStream, head: str, events: AsyncGenerator[str, None] | None = None) -> None:
    try:
        await client.send(head.encode())
        if events is None:
            return
        async with aclosing(events):
            async for event in events:
                data = f"data: {event}\n\n".encode()
                await client.send(b"%x\r\n%b\r\n" % (len(data), data))
        await client.send(b"0\r\n\r\n")
    except anyio.BrokenResourceError:
        pass  # the client has left


async def _events(answer: str, pace: float, model: object) -> AsyncGenerator[str, None]:
    def chunk(delta: dict[str, str], finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return json.dumps({"object": "chat.completion.chunk", "model": model, "choices": [choice]})

    yield chunk({"role": "assistant", "content": ""})
    async with aclosing(simulate_stream(answer, StreamConfig(chunk_size=(2, 6), delay=pace, jitter=0.5))) as pieces:
        async for piece in pieces:
            yield chunk({"content": piece})
    yield chunk({}, "stop")
    yield "[DONE]"
