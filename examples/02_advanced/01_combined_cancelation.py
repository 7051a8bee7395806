"""Several reasons to stop: any of them ends the operation, or all of them together.

    uv run python examples/02_advanced/01_combined_cancelation.py

Shows operations made into one, a list of sources, any-of and all-of over sources, and the same with `|` and `&`. Each
time it says what ended the operation, and who asked for it.
"""

import signal
from collections.abc import Callable

import anyio

from hother.cancelable import AllOfSource, AnyOfSource, Cancelable, CancelationToken
from hother.cancelable.sources import ConditionSource, SignalSource, TimeoutSource, TokenSource


def tell(operation: Cancelable) -> None:
    """Say what ended an operation, and its origin."""
    context = operation.context
    print(f"{context.name}: {context.cancel_reason}, {context.cancel_message} [{context.cancel_origin}]")


class Import:
    """An import that ends for any of four reasons, and the things that bring them about."""

    def __init__(self, name: str) -> None:
        self.token = CancelationToken()
        self.rows = ["first", "second"]
        by_time = Cancelable.with_timeout(0.5, name=name, move_on=True)
        by_token = Cancelable.with_token(self.token)
        by_signal = Cancelable.with_signal(signal.SIGINT)
        by_condition = Cancelable.with_condition(
            lambda: not self.rows, check_interval=0.01, condition_name="no rows left"
        )
        self.operation = by_time.combine(by_token, by_signal, by_condition)

    async def run(self, happen: Callable[[], object]) -> None:
        """Let something happen while the import runs."""
        async with self.operation:
            happen()
            await anyio.sleep(10)
        tell(self.operation)


async def one_operation_of_four() -> None:
    """End the same kind of operation in four ways."""
    patient, stopped, interrupted, finished = map(Import, ["patient", "stopped", "interrupted", "finished"])
    await patient.run(lambda: None)
    await stopped.run(lambda: stopped.token.cancel_sync("the user has seen enough"))
    await interrupted.run(lambda: signal.raise_signal(signal.SIGINT))
    await finished.run(finished.rows.clear)


async def sources_in_a_list() -> None:
    """Give an operation its sources; the first that fires ends it."""
    operation = Cancelable(
        name="list",
        sources=[SignalSource(signal.SIGINT), TimeoutSource(0.05, name="patience"), ConditionSource(lambda: False)],
        move_on=True,
    )
    async with operation:
        await anyio.sleep(10)
    tell(operation)


async def any_and_all() -> None:
    """Stop when asked to, but not before a minimum time, or at once with Ctrl-C."""
    token = CancelationToken()
    asked_and_time_is_up = AllOfSource(TokenSource(token), TimeoutSource(0.05, name="minimum time"))
    source = AnyOfSource(SignalSource(signal.SIGINT), asked_and_time_is_up)
    async with Cancelable.with_source(source, name="any and all", move_on=True) as operation:
        await token.cancel("please stop")
        await anyio.sleep(10)
    tell(operation)


async def with_operators() -> None:
    """Write the same with `|` and `&`; this time the signal is faster."""
    token = CancelationToken()
    source = SignalSource(signal.SIGINT) | TokenSource(token) & TimeoutSource(5)
    async with Cancelable.with_source(source, name="operators", move_on=True) as operation:
        await token.cancel("please stop")
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep(10)
    tell(operation)


async def main() -> None:
    """Show one after the other."""
    await one_operation_of_four()
    await sources_in_a_list()
    await any_and_all()
    await with_operators()


if __name__ == "__main__":
    anyio.run(main)
