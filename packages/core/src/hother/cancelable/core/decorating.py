"""Wrapping functions so that each call is an operation, with their own name, kind, signature and type."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from .injection import Injector
from .operation import Cancelable
from .options import OperationOptions
from .stepping import stepwise

F = TypeVar("F", bound=Callable[..., Any])


def decorator(make: Callable[[], Cancelable], inject_param: str | None) -> Callable[[F], F]:
    """Return a decorator whose operations are made without looking at the arguments of the call."""

    def decorate(target: F) -> F:
        def make_named(_: tuple[Any, ...]) -> Cancelable:
            operation = make()
            operation._name = operation._name or name_of(target)
            return operation

        return decorated(target, inject_param, make_named)

    return decorate


def decorated(function: F, inject_param: str | None, make: Callable[[tuple[Any, ...]], Cancelable]) -> F:
    """Return a function that makes an operation for each call and runs the given one in it."""
    is_generator = inspect.isasyncgenfunction(function)
    if not is_generator:
        require_coroutine_function(function)
    injector = Injector(function, inject_param)

    def prepare(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Cancelable, tuple[Any, ...], dict[str, Any]]:
        operation = make(args)
        if operation._metadata is not None:
            operation._metadata = dict(operation._metadata)  # each call has its own
        return operation, *injector.arguments(operation, args, kwargs)

    if is_generator:
        return disguised(stepwise(function, prepare), function, injector)

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        operation, args, kwargs = prepare(args, kwargs)
        async with operation:
            return await function(*args, **kwargs)

    return disguised(run, function, injector)


def checked_options(options: OperationOptions) -> OperationOptions:
    """Return options that serve many calls; wrong ones show here, not at the first call.

    Raises:
        TypeError: If an option has the wrong type.
        ValueError: If a time is zero, negative or NaN.
    """
    checked = Cancelable(**options)
    if "sources" in options:
        options["sources"] = checked._sources
    return options


def name_of(function: Callable[..., Any]) -> str:
    """Return what an operation is called after."""
    name: str = getattr(function, "__name__", type(function).__name__)
    return name


def named(name: str, options: OperationOptions) -> OperationOptions:
    """Return options with a name, unless they have one."""
    named: OperationOptions = {"name": name}
    named.update(options)
    return named


def require_coroutine_function(function: Callable[..., Any]) -> None:
    """Refuse a function that blocks.

    Raises:
        TypeError: If it is no coroutine function.
    """
    if not inspect.iscoroutinefunction(function):
        raise TypeError(
            f"{function!r} is no coroutine function: decorate an `async def`, below @staticmethod and @classmethod; "
            "blocking code runs with Cancelable.run_in_thread"
        )


def disguised(wrapper: Callable[..., Any], function: F, injector: Injector | None) -> F:
    """Give a wrapper the signature that callers see, and the type of what it wraps."""
    if injector is not None:
        cast(Any, wrapper).__signature__ = injector.signature
    return cast(F, wrapper)
