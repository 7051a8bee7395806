"""A chat with a language model that can be paused, resumed and ended with a key, or paused by the model itself.

    uv run python examples/06_llm/01_llm_streaming.py
    uv run python examples/06_llm/01_llm_streaming.py "How are you?" "And otherwise?" --backend trio
    LLM_BASE_URL=http://host:8000/v1 LLM_MODEL=... LLM_API_KEY=... uv run python examples/06_llm/01_llm_streaming.py

Space pauses the answer and resumes it, `q` ends the program, and so does Ctrl-C. Where the model writes `[PAUSE]`,
which is not shown, it pauses itself. Without a terminal the answer streams to its end.

Needs httpx and httpx-sse. Unless `LLM_BASE_URL` names a server that speaks OpenAI's chat completions, the program
starts a small one of its own.

How a pause works: a `PauseGate` holds the stream between two items, and the connection stays open, so that the model
goes on at once. But models send on, buffers fill up and servers lose patience. So after a moment (`--moment`) the
connection is closed. To resume, the whole conversation is sent again, and behind it, as the assistant's last message,
exactly the part of the answer that was shown; the model continues that message. Many servers of open models do this
(some want to be told so, see `continue_final_message` of vLLM); OpenAI's own models begin a new message instead.
"""

import argparse
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from functools import partial

import anyio
import httpx
from chat_completions import Message, ModelError, apart, complete, open_client
from model_server import serve_model
from terminal import key_by_key, pressed_keys, remark, say

from hother.cancelable import Cancelable, CancelationReason, CancelationSource, TimeoutCancelation, cancelable_stream
from hother.cancelable.streams import PauseGate

PAUSE = "[PAUSE]"


class LongPause(CancelationSource):
    """Ends an operation when a gate has been closed for a while."""

    reason = CancelationReason.MANUAL

    def __init__(self, gate: PauseGate, moment: float) -> None:
        self._gate = gate
        self._moment = moment

    async def wait(self) -> str:
        """Wait until a pause is longer than a moment."""
        while True:
            await self._paused()
            with anyio.move_on_after(self._moment) as limit:
                await self._gate.wait()
            if limit.cancelled_caught:
                return f"paused for longer than {self._moment:g} s"

    async def _paused(self) -> None:
        paused = anyio.Event()
        stop = self._gate.listen(paused.set)
        try:
            if not self._gate.is_paused:
                await paused.wait()
        finally:
            stop()


class Conversation:
    """What was said, and how to go on.

    Args:
        answers: Makes the stream of an answer from the messages so far.
        gate: Holds answers.
        interactive: Whether there is somebody who could resume them; otherwise the model does not pause itself.
        moment: How long a pause keeps the connection open, in seconds.
        stall: How long the model may be silent.
    """

    def __init__(
        self,
        answers: Callable[[list[Message]], AsyncGenerator[str, None]],
        gate: PauseGate,
        *,
        interactive: bool,
        moment: float,
        stall: float,
    ) -> None:
        self.messages: list[Message] = []
        self._answers = answers
        self._gate = gate
        self._interactive = interactive
        self._moment = moment
        self._stall = stall

    async def ask(self, question: str) -> None:
        """Ask the model and show its answer, with as many connections as the pauses make necessary.

        Raises:
            ModelError: If there is no answer, or it breaks off.
            TimeoutCancelation: If the model is silent for too long.
        """
        remark(f"you: {question}")
        self.messages.append({"role": "user", "content": question})
        connections = 1
        while not await self._receive():
            remark("the connection is closed, the conversation is kept")
            await self._gate.wait()
            connections += 1
        say("\n")
        remark(f"complete, connections: {connections}")

    async def _receive(self) -> bool:
        """Show the answer until it is complete (True), or a long pause ends the connection (False)."""
        answers = apart(self._answers(list(self.messages)), PAUSE)
        connection = Cancelable.with_source(LongPause(self._gate, self._moment), name="connection", move_on=True)
        stream = cancelable_stream(answers, connection, gate=self._gate, item_timeout=self._stall)
        async with connection, stream:
            async for piece in stream:
                self._add(piece)
                if piece != PAUSE:
                    say(piece)
                elif self._interactive:
                    pause(self._gate, "the model pauses")
        return stream.partial.completed

    def _add(self, piece: str) -> None:
        """Keep what was shown as the assistant's last message, so that the model can go on from there."""
        if self.messages[-1]["role"] == "user":
            self.messages.append({"role": "assistant", "content": ""})
        self.messages[-1]["content"] += piece


def pause(gate: PauseGate, why: str) -> None:
    """Hold the answer and say so."""
    gate.pause()
    remark(f"{why}; space resumes, q ends")


async def obey_keys(gate: PauseGate, chat: Cancelable) -> None:
    """Do what the keys say."""
    async for key in pressed_keys():
        if key == "q":
            chat.cancel_sync("q was pressed")
        elif key == " " and gate.is_paused:
            remark("resumed")
            gate.resume()
        elif key == " ":
            pause(gate, "paused")
    chat.cancel_sync("the terminal is gone")


async def talk(options: argparse.Namespace, client: httpx.AsyncClient, gate: PauseGate, *, interactive: bool) -> None:
    """Ask the questions one after the other.

    Raises:
        ModelError: If there is no answer, or it breaks off.
        TimeoutCancelation: If the model is silent for too long.
    """
    answers = partial(complete, client, os.environ.get("LLM_MODEL", "small-talk"))
    async with client:
        conversation = Conversation(answers, gate, interactive=interactive, moment=options.moment, stall=options.stall)
        for question in options.questions:
            await conversation.ask(question)


async def run(options: argparse.Namespace, chat: Cancelable, *, interactive: bool) -> int:
    """Talk to the model, with the keys and perhaps a server beside; return the program's exit code."""
    gate = PauseGate()
    given = os.environ.get("LLM_BASE_URL")
    problem = ""
    async with anyio.create_task_group() as group:
        if interactive:
            group.start_soon(obey_keys, gate, chat)
        url = given or await group.start(serve_model, options.pace)
        try:
            await talk(options, open_client(url, ours=not given), gate, interactive=interactive)
        except ModelError as error:
            problem = f"no answer: {error}"
        except TimeoutCancelation as error:
            problem = f"the model stalls: {error.message}"
        group.cancel_scope.cancel()
    if problem:
        remark(problem)
    return 1 if problem else 0


async def main(options: argparse.Namespace) -> int:
    """Run all of it as one operation; return the program's exit code."""
    code = 0
    async with Cancelable.with_signal(signal.SIGINT, signal.SIGTERM, name="chat", move_on=True) as chat:
        with key_by_key() as interactive:
            remark("space pauses and resumes, q ends" if interactive else "no terminal: the answer streams to its end")
            code = await run(options, chat, interactive=interactive)
    if chat.is_cancelled:
        remark(f"{chat.context.cancel_reason}: {chat.context.cancel_message}; the answer came as far as this")
        return 130 if chat.context.cancel_reason is CancelationReason.SIGNAL else 0
    return code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Chat with a language model.")
    parser.add_argument("questions", nargs="*", default=["What makes a good stream?"])
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    parser.add_argument("--moment", type=float, default=1, help="how long a pause keeps the connection, in seconds")
    parser.add_argument("--stall", type=float, default=30, help="how long the model may be silent, in seconds")
    parser.add_argument("--pace", type=float, default=0.05, help="how slow the program's own model is")
    arguments = parser.parse_args()
    sys.exit(anyio.run(main, arguments, backend=arguments.backend))
