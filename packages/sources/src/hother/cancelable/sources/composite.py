"""Sources made of sources: any of them, or all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from hother.cancelable import CancelationSource, Cause
from hother.cancelable.core import Disarm, Fire, require, require_distinct

from .armed import ArmedSource, nothing_to_disarm

Parts = CancelationSource | Iterable[CancelationSource]


class _Composite(ArmedSource):
    """Several sources that are watched together."""

    def __init__(self, *sources: Parts) -> None:
        self.sources: tuple[CancelationSource, ...] = tuple(_listed(sources))
        if not self.sources:
            raise ValueError(f"{type(self).__name__} needs at least one source")
        for source in self.sources:
            require(CancelationSource, source, "source", "a CancelationSource")
        require_distinct(tuple(_leaves(self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.sources))})"


class AnyOfSource(_Composite):
    """Fires with the first of several sources; the operation's record shows that one, with its reason.

    `CompositeSource` is the same class. `a | b` makes one, too.

    Args:
        *sources: The sources, which may be composites themselves; or one list of them.

    Raises:
        TypeError: If one of them is no source.
        ValueError: Without any source, or with one given twice.

    Example:
        ```python
        import anyio

        from hother.cancelable import AnyOfSource, Cancelable, TimeoutCancelation
        from hother.cancelable.sources import ConditionSource, TimeoutSource


        async def main() -> None:
            either = AnyOfSource(ConditionSource(lambda: False), TimeoutSource(0.05))
            try:
                async with Cancelable.with_source(either):
                    await anyio.sleep(10)
            except TimeoutCancelation as error:
                print(error.message)
                #> not done within 0.05 s


        anyio.run(main)
        ```
    """

    def arm(self, fire: Fire) -> Disarm:
        """Have every part watched as if it were this source."""
        for source in self.sources:
            fire.watch(source)
        return nothing_to_disarm

    def __or__(self, other: CancelationSource) -> CancelationSource:
        if type(self) is AnyOfSource and isinstance(other, CancelationSource):  # pyright: ignore[reportUnnecessaryIsInstance]
            return AnyOfSource(*self.sources, other)  # flat, so that a long row is no deep nesting
        return super().__or__(other)


CompositeSource = AnyOfSource
"""The other name of `AnyOfSource`."""


class AllOfSource(_Composite):
    """Fires when each of several sources has fired; the operation's record shows the last one, with its reason.

    A part that breaks ends the operation at once, since the others would be waited for in vain. `a & b` makes one, too.

    Args:
        *sources: The sources, which may be composites themselves; or one list of them.

    Raises:
        TypeError: If one of them is no source.
        ValueError: Without any source, or with one given twice.

    Example:
        ```python
        import anyio

        from hother.cancelable import AllOfSource, Cancelable, CancelationToken
        from hother.cancelable.sources import TimeoutSource, TokenSource


        async def main() -> None:
            token = CancelationToken()
            both = AllOfSource(TokenSource(token), TimeoutSource(0.05))
            async with Cancelable.with_source(both, move_on=True) as operation:
                await token.cancel("one of two")
                await anyio.sleep(10)
            print(operation.context.cancel_message)
            #> not done within 0.05 s


        anyio.run(main)
        ```
    """

    def arm(self, fire: Fire) -> Disarm:
        """Have every part watched, and fire with the last."""
        pending = dict.fromkeys(range(len(self.sources)), True)  # popping is atomic: parts may fire in several threads

        def count(index: int) -> Callable[[Cause], object]:
            def fired(cause: Cause) -> None:
                counts = pending.pop(index, False)
                if counts and (not pending or cause.error is not None):
                    fire(cause)

            return fired

        for index, source in enumerate(self.sources):
            fire.watch(source, count(index))
        return nothing_to_disarm

    def __and__(self, other: CancelationSource) -> CancelationSource:
        if type(self) is AllOfSource and isinstance(other, CancelationSource):  # pyright: ignore[reportUnnecessaryIsInstance]
            return AllOfSource(*self.sources, other)
        return super().__and__(other)


def _listed(sources: tuple[Parts, ...]) -> Iterator[CancelationSource]:
    for each in sources:
        if len(sources) == 1 and isinstance(each, Iterable) and not isinstance(each, str):
            yield from each
        else:
            yield each  # type: ignore[misc]


def _leaves(composite: _Composite) -> Iterator[CancelationSource]:
    for part in composite.sources:
        if isinstance(part, _Composite):
            yield from _leaves(part)
        else:
            yield part
