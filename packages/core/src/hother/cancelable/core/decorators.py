"""Decorators that run a function as an operation and leave its name, kind, signature and types as they are."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar, Unpack, overload

from .combining import combined
from .current import current, current_operation
from .decorating import checked_options, decorated, decorator, disguised, name_of, named, require_coroutine_function
from .injection import Injector
from .operation import Cancelable
from .options import OperationOptions, TokenOptions
from .token import CancelationToken

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_PARAMETER = "cancelable"


@overload
def cancelable(function: F, /) -> F: ...
@overload
def cancelable(*, inject_param: str | None = _PARAMETER, **options: Unpack[OperationOptions]) -> Callable[[F], F]: ...
def cancelable(
    function: F | None = None, /, *, inject_param: str | None = _PARAMETER, **options: Unpack[OperationOptions]
) -> F | Callable[[F], F]:
    """Run each call of a coroutine function, or each iteration of an async generator function, as an operation.

    Works bare and called: `@cancelable` and `@cancelable(timeout=3)`. A parameter called `inject_param`, or annotated
    with `Cancelable`, receives the operation; callers need not give it. A generator is interrupted only while its
    consumer waits for the next item, never in the consumer's body; what came meanwhile is met at the next item.

    Args:
        function: What to decorate.
        inject_param: The name of the parameter that receives the operation.
        **options: What `Cancelable` takes; the name is the function's unless given.

    Raises:
        TypeError: If it is neither a coroutine function nor an async generator function, or an option is wrong.
        ValueError: If a time is zero, negative or NaN.

    Example:
        ```python
        import anyio

        from hother.cancelable import Cancelable, cancelable


        @cancelable(timeout=5)
        async def double(number: int, cancelable: Cancelable | None = None) -> int:
            print(cancelable and cancelable.context.name)
            #> double
            return 2 * number


        print(anyio.run(double, 21))
        #> 42
        ```
    """
    options = checked_options(options)

    def decorate(target: F) -> F:
        return decorated(target, inject_param, lambda _: Cancelable(**named(name_of(target), options)))

    return decorate if function is None else decorate(function)


@overload
def cancelable_method(function: F, /) -> F: ...
@overload
def cancelable_method(
    *, inject_param: str | None = _PARAMETER, **options: Unpack[OperationOptions]
) -> Callable[[F], F]: ...
def cancelable_method(
    function: F | None = None, /, *, inject_param: str | None = _PARAMETER, **options: Unpack[OperationOptions]
) -> F | Callable[[F], F]:
    """Do as `cancelable` does, for methods: the operation is named after the object's class and the method.

    Args:
        function: What to decorate.
        inject_param: The name of the parameter that receives the operation.
        **options: What `Cancelable` takes.

    Raises:
        TypeError: If it is neither a coroutine function nor an async generator function, or an option is wrong.
        ValueError: If a time is zero, negative or NaN.
    """
    options = checked_options(options)

    def decorate(target: F) -> F:
        def make(args: tuple[Any, ...]) -> Cancelable:
            if not args:  # a static method
                return Cancelable(**named(name_of(target), options))
            owner = args[0] if isinstance(args[0], type) else type(args[0])
            return Cancelable(**named(f"{owner.__name__}.{name_of(target)}", options))

        return decorated(target, inject_param, make)

    return decorate if function is None else decorate(function)


def cancelable_with_token(
    token: CancelationToken, *, inject_param: str | None = _PARAMETER, **options: Unpack[TokenOptions]
) -> Callable[[F], F]:
    """Do as `cancelable` does, with operations that end when a token is cancelled.

    Raises:
        TypeError: If it is no token, or an option is wrong.
    """
    return cancelable(inject_param=inject_param, token=token, **options)


def cancelable_with_signal(
    *signals: int, inject_param: str | None = _PARAMETER, **options: Unpack[OperationOptions]
) -> Callable[[F], F]:
    """Do as `cancelable` does, with operations that end when the process receives one of these signals.

    Raises:
        ImportError: If the package `hother-cancelable-sources` is not installed.
    """
    Cancelable.with_signal(*signals, **options)
    return decorator(lambda: Cancelable.with_signal(*signals, **options), inject_param)


def cancelable_with_condition(
    predicate: Callable[[], object],
    check_interval: float | timedelta = 0.1,
    condition_name: str | None = None,
    *,
    in_thread: bool = False,
    inject_param: str | None = _PARAMETER,
    **options: Unpack[OperationOptions],
) -> Callable[[F], F]:
    """Do as `cancelable` does, with operations that end when a condition becomes true.

    Raises:
        ImportError: If the package `hother-cancelable-sources` is not installed.
    """

    def make() -> Cancelable:
        return Cancelable.with_condition(predicate, check_interval, condition_name, in_thread=in_thread, **options)

    make()
    return decorator(make, inject_param)


def cancelable_combine(
    *cancelables: Cancelable, inject_param: str | None = _PARAMETER, name: str | None = None
) -> Callable[[F], F]:
    """Do as `cancelable` does, with operations that are combined of these; they stay as they were.

    Raises:
        ValueError: Without any operation, or with one given twice.
        TypeError: If one of them is no operation.
    """
    if not cancelables:
        raise ValueError("cancelable_combine() needs at least one operation")
    combined(Cancelable, cancelables)

    def make() -> Cancelable:
        whole = combined(Cancelable, cancelables)
        whole._name = whole._name if name is None else name
        return whole

    return decorator(make, inject_param)


def with_cancelable(
    cancel: Cancelable, inject: bool = False, inject_param: str | None = _PARAMETER
) -> Callable[[F], F]:
    """Give a function an operation that is entered elsewhere as its current one.

    Inside, `current_operation()` is that operation, and what is entered there is its child. A call that comes after
    the operation was told to stop raises at once. In another task than the operation's own, a request to stop
    interrupts the children, while the function itself learns of it by `check`.

    Args:
        cancel: The operation, entered by the caller.
        inject: Whether to give it to the function, too.
        inject_param: The name of the parameter that receives it.

    Raises:
        TypeError: If it is no operation, or the function no coroutine function.
    """
    if not isinstance(cancel, Cancelable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"with_cancelable() takes a Cancelable, not {cancel!r}")

    def decorate(function: F) -> F:
        require_coroutine_function(function)
        injector = Injector(function, inject_param)

        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            if inject:
                args, kwargs = injector.arguments(cancel, args, kwargs)
            cancel.check()
            previous = current.set(cancel)
            try:
                return await function(*args, **kwargs)
            finally:
                current.reset(previous)

        return disguised(wrapper, function, injector if inject else None)

    return decorate


@overload
def with_current_operation(function: F, /) -> F: ...
@overload
def with_current_operation(*, inject_param: str = "operation") -> Callable[[F], F]: ...
def with_current_operation(function: F | None = None, /, *, inject_param: str = "operation") -> F | Callable[[F], F]:
    """Give a function the operation that it is called in, or None outside any. Works bare and called.

    Args:
        function: What to decorate.
        inject_param: The name of the parameter; one that is annotated with `Cancelable` is found, too.

    Raises:
        TypeError: If the function is no coroutine function.
    """

    def decorate(target: F) -> F:
        require_coroutine_function(target)
        injector = Injector(target, inject_param)

        @functools.wraps(target)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            args, kwargs = injector.arguments(current_operation(), args, kwargs)
            return await target(*args, **kwargs)

        return disguised(wrapper, target, injector)

    return decorate if function is None else decorate(function)


async def with_timeout(
    timeout: float | timedelta, coro: Awaitable[T], operation_id: str | None = None, name: str | None = None
) -> T:
    """Await something for so long at most.

    Args:
        timeout: The limit, in seconds or as a `timedelta`.
        coro: What to await.
        operation_id: See `Cancelable`.
        name: See `Cancelable`.

    Returns:
        Its result.

    Raises:
        TimeoutCancelation: If it took longer.
        TypeError: If the timeout is no time span.
        ValueError: If the timeout is zero, negative or NaN.
    """
    try:
        operation = Cancelable.with_timeout(timeout, operation_id=operation_id, name=name)
    except BaseException:
        if inspect.iscoroutine(coro):
            coro.close()
        raise
    async with operation:
        return await coro
    raise AssertionError("an operation without move_on never swallows")
