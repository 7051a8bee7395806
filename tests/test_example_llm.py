"""The example with a language model in a terminal, whose keys are pressed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals", allow_module_level=True)

from .llm_program import PATIENCE, WHOLE, Connection, Model, command, environment, finish
from .terminals import Terminal

REMARK = re.compile(r"\r\n\[[^\]]*\]\r\n")
PAUSED = r"\r\n\[paused; space resumes, q ends\]\r\n"
MODEL_PAUSES = r"\r\n\[the model pauses; space resumes, q ends\]\r\n"
CLOSED = r"\r\n\[the connection is closed, the conversation is kept\]\r\n"
USER = ("user", "What makes a good stream?")

pytestmark = pytest.mark.server

on_both = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def in_terminal(*options: str, **variables: str) -> Terminal:
    """Run the example in a terminal."""
    return Terminal(*command(*options), env=environment(**variables), patience=PATIENCE)


def answer_in(terminal: Terminal) -> str:
    """Return what is on the screen, without the remarks."""
    return REMARK.sub("", terminal.text).replace("\r\n", "\n")


def begin(model: Model, terminal: Terminal) -> Connection:
    """Begin the answer with one word, and see it on the screen."""
    connection = model.accept()
    connection.begin()
    connection.say("One")
    terminal.expect("One")
    return connection


@on_both
def test_its_own_server(backend: str) -> None:
    """With pauses of both kinds, each over a new connection, the answer is the same as without any."""
    with in_terminal("--backend", backend, "--pace", "0.03", "--moment", "0.01") as terminal:
        terminal.expect("You asked")
        terminal.press(" ")
        terminal.expect(PAUSED)
        terminal.expect(CLOSED)
        terminal.press(" ")
        terminal.expect(MODEL_PAUSES)
        terminal.expect(CLOSED)
        terminal.press(" ")
        terminal.expect(r"\r\n\[complete, connections: 3\]\r\n")
        assert terminal.ends() == 0
        assert answer_in(terminal) == f"You asked: What makes a good stream? {WHOLE}"
        assert terminal.is_restored


@on_both
def test_short_pause(backend: str) -> None:
    """Space holds the answer between two pieces, another one lets it go on over the same connection."""
    with Model() as model, in_terminal("--backend", backend, "--moment", "60", LLM_BASE_URL=model.url) as terminal:
        connection = begin(model, terminal)
        terminal.press(" ")
        terminal.expect(PAUSED)
        connection.say(" two")
        terminal.expect(" two")  # this piece was waited for already
        connection.say(" three", " four")
        assert terminal.read(0.3) == ""
        terminal.press(" ")
        terminal.expect(r"\[resumed\]\r\n three four")
        connection.end()
        terminal.expect(r"\[complete, connections: 1\]")
        assert terminal.ends() == 0
        assert answer_in(terminal) == "One two three four\n"
        assert terminal.is_restored


@on_both
def test_long_pause(backend: str) -> None:
    """After a moment the connection is closed, and resuming sends the conversation with exactly what was shown."""
    with Model() as model, in_terminal("--backend", backend, "--moment", "0.01", LLM_BASE_URL=model.url) as terminal:
        connection = begin(model, terminal)
        assert connection.messages == [USER]
        connection.say(" two [PA")  # this might become a marker, so it is not shown yet
        terminal.expect("two ")
        terminal.press(" ")
        terminal.expect(PAUSED)
        terminal.expect(CLOSED)
        connection.wait_until_client_leaves()
        terminal.press(" ")
        again = model.accept()
        assert again.messages == [USER, ("assistant", "One two ")]
        again.begin()
        again.say("[PAIR] three")
        terminal.expect(r"\[PAIR\] three")
        again.end()
        terminal.expect(r"\[complete, connections: 2\]")
        assert terminal.ends() == 0


@on_both
def test_marker_in_the_answer(backend: str) -> None:
    """The model's own marker pauses right there, is not shown, and is part of what the model is reminded of."""
    with Model() as model, in_terminal("--backend", backend, "--moment", "0.01", LLM_BASE_URL=model.url) as terminal:
        connection = begin(model, terminal)
        connection.say(" two [PA", "US", "E]never shown")
        terminal.expect(f"two {MODEL_PAUSES}")
        terminal.expect(CLOSED)
        terminal.press(" ")
        again = model.accept()
        assert again.messages == [USER, ("assistant", "One two [PAUSE]")]
        again.begin()
        again.say("three")
        again.end()
        assert terminal.ends() == 0
        assert answer_in(terminal) == "One two three\n"


def test_pause_before_the_first_piece() -> None:
    """A long pause before anything has come asks the same question again."""
    with Model() as model, in_terminal("--moment", "0.01", LLM_BASE_URL=model.url) as terminal:
        connection = model.accept()
        terminal.press(" ")
        terminal.expect(CLOSED)
        connection.wait_until_client_leaves()
        terminal.press(" ")
        again = model.accept()
        assert again.messages == [USER]
        again.begin()
        again.say("One")
        again.end()
        assert terminal.ends() == 0
        assert answer_in(terminal) == "One\n"


@pytest.mark.parametrize(
    ("when", "backend"),
    [("while it streams", "asyncio"), ("while it is paused", "trio"), ("while the connection is closed", "asyncio")],
)
def test_q_ends_the_program(when: str, backend: str) -> None:
    """The `q` key cancels at once, also a paused answer; what has come of it stays on the screen."""
    moment = "0.01" if "closed" in when else "60"
    with Model() as model, in_terminal("--backend", backend, "--moment", moment, LLM_BASE_URL=model.url) as terminal:
        connection = begin(model, terminal)
        if when != "while it streams":
            terminal.press(" ")
            terminal.expect(CLOSED if "closed" in when else PAUSED)
        terminal.press("q")
        terminal.expect(r"\[manual: q was pressed; the answer came as far as this\]")
        connection.wait_until_client_leaves()
        assert terminal.ends() == 0
        assert answer_in(terminal) == "One"
        assert terminal.is_restored


@pytest.mark.parametrize(("number", "backend"), [(signal.SIGINT, "asyncio"), (signal.SIGTERM, "trio")])
def test_signals_restore_the_terminal(number: signal.Signals, backend: str) -> None:
    """Ctrl-C and SIGTERM end the program as an operation ends, and the terminal is as it was."""
    with Model() as model, in_terminal("--backend", backend, LLM_BASE_URL=model.url) as terminal:
        begin(model, terminal)
        assert not terminal.is_restored
        if number is signal.SIGINT:
            terminal.press("\x03")
        else:
            terminal.signal(number)
        terminal.expect(rf"\[signal: .*{number.name}.*; the answer came as far as this\]")
        assert terminal.ends() == 130
        assert terminal.is_restored
        assert answer_in(terminal) == "One"


def test_failure_restores_the_terminal() -> None:
    """Where the model fails, the terminal is as it was, too."""
    with Model() as model, in_terminal(LLM_BASE_URL=model.url) as terminal:
        begin(model, terminal).close()
        terminal.expect(r"\[no answer: the answer breaks off\]")
        assert terminal.ends() == 1
        assert terminal.is_restored


def test_other_keys_do_nothing() -> None:
    """Only space and `q` mean something; no key appears on the screen."""
    with Model() as model, in_terminal("--moment", "60", LLM_BASE_URL=model.url) as terminal:
        connection = begin(model, terminal)
        terminal.press("x\x1b[A\r\n\xe4 ")
        terminal.expect(PAUSED)
        terminal.press("x ")
        connection.say(" two")
        connection.end()
        assert terminal.ends() == 0
        assert answer_in(terminal) == "One two\n"


def test_time_spent_paused_is_no_stall() -> None:
    """A paused model may be silent for as long as one likes."""
    with Model() as model, in_terminal("--moment", "60", "--stall", "0.2", LLM_BASE_URL=model.url) as terminal:
        connection = model.accept()
        connection.begin()
        connection.say("[PAUSE]")
        terminal.expect(MODEL_PAUSES)
        assert terminal.read(0.5) == ""
        connection.say("One")
        connection.end()
        terminal.press(" ")
        assert terminal.ends() == 0
        assert answer_in(terminal) == "One\n"


def test_the_terminal_goes_away() -> None:
    """When nobody can press a key any more, the program ends instead of waiting for one."""
    keyboard, screen = os.openpty()
    program = subprocess.Popen(
        command("--pace", "0"),
        stdin=screen,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    assert program.stderr is not None
    while "the model pauses" not in program.stderr.readline():
        assert program.poll() is None
    os.close(screen)
    os.close(keyboard)
    code, _, remarks = finish(program)
    assert "[manual: the terminal is gone; the answer came as far as this]" in remarks
    assert "Traceback" not in remarks
    assert code == 0
