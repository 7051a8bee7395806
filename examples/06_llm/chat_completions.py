"""Talking to a model server: chat completions as OpenAI streams them, over httpx."""

import json
import os
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

import httpx
from httpx_sse import SSEError, aconnect_sse

Message = dict[str, str]
"""What one side has said: a `role` and its `content`."""


class ModelError(Exception):
    """The model server cannot be reached, refuses, or sends what nobody understands."""


def open_client(url: str, *, ours: bool) -> httpx.AsyncClient:
    """Return a client for a model server. A server of our own needs no key, proxy or certificates.

    Raises:
        ModelError: If the URL is none.
    """
    key = None if ours else os.environ.get("LLM_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        # The stream's `item_timeout` limits all waiting, and it knows of pauses.
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=None, verify=not ours, trust_env=not ours)
    except httpx.InvalidURL as error:
        raise ModelError(f"{url!r} is no URL: {error}") from error


async def complete(
    client: httpx.AsyncClient, model: str, messages: Sequence[Mapping[str, str]]
) -> AsyncGenerator[str, None]:
    """Yield the text of an answer as it arrives.

    Args:
        client: Has the URL of the server and the key.
        model: Which model is asked.
        messages: The conversation. If the last message is the assistant's, the answer goes on from there.

    Raises:
        ModelError: If there is no answer, or it breaks off.
    """
    body = {"model": model, "messages": messages, "stream": True}
    try:
        async with aconnect_sse(client, "POST", "chat/completions", json=body) as source:
            if not source.response.is_success:
                text = (await source.response.aread()).decode(errors="replace")
                raise ModelError(f"the model server answers {source.response.status_code}: {text[:200]}")
            async with aclosing(source.aiter_sse()) as events:
                async for event in events:
                    if event.data == "[DONE]":
                        return
                    if event.data:
                        yield text_of(event.data)
    except (httpx.HTTPError, SSEError) as error:
        raise ModelError(f"{type(error).__name__} with {client.base_url}: {error}") from error
    raise ModelError("the answer breaks off")


def text_of(data: str) -> str:
    """Return the text in a chunk of an answer.

    Raises:
        ModelError: If this is no such chunk.
    """
    try:
        chunk = json.loads(data)
        if "error" in chunk:
            raise ModelError(f"the model server has failed: {chunk['error']}")
        return "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ModelError(f"the model server sends what is no chunk of an answer: {data[:80]!r}") from error


async def apart(pieces: AsyncGenerator[str, None], marker: str) -> AsyncGenerator[str, None]:
    """Yield a text in pieces, each marker in it as a piece of its own, also where it arrives in several."""
    held = ""
    async with aclosing(pieces):
        async for piece in pieces:
            *whole, last = re.split(f"({re.escape(marker)})", held + piece)
            held = _beginning(marker, last)
            for part in (*whole, last.removesuffix(held)):
                if part:
                    yield part
    if held:
        yield held


def _beginning(marker: str, text: str) -> str:
    """Return the beginning of a marker that the text ends with."""
    return next((marker[:size] for size in range(len(marker) - 1, 0, -1) if text.endswith(marker[:size])), "")
