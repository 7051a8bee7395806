"""Giving a decorated function its operation as an argument that its callers need not know of."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from .operation import Cancelable


class Injector:
    """Puts an operation among the arguments of one function.

    The parameter is the one with the given name, else the first that is annotated with `Cancelable` (also as a string
    or with `| None`). `signature` is what callers see: the function's own without that parameter.
    """

    def __init__(self, function: Callable[..., Any], name: str | None) -> None:
        self.signature: inspect.Signature = inspect.signature(function)
        parameters = list(self.signature.parameters.values())
        self._parameter = self.signature.parameters.get(_find(function, name) or "")
        if self._parameter is not None:
            self._index = parameters.index(self._parameter)
            self._defaults = tuple(each.default for each in parameters[: self._index])
            parameters.remove(self._parameter)
            self.signature = self.signature.replace(parameters=parameters)

    def arguments(
        self, operation: Cancelable | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments with the operation in its place, unless the caller gave one by keyword."""
        parameter = self._parameter
        if parameter is None or parameter.name in kwargs:
            return args, kwargs
        if parameter.kind is parameter.POSITIONAL_ONLY:
            missing = self._defaults[len(args) :]
            args += missing if inspect.Parameter.empty not in missing else ()
        elif parameter.kind is parameter.KEYWORD_ONLY or len(args) <= self._index:
            return args, {**kwargs, parameter.name: operation}
        if len(args) < self._index:
            return args, kwargs  # too few: the function says so itself
        return (*args[: self._index], operation, *args[self._index :]), kwargs


def _find(function: Callable[..., Any], name: str | None) -> str | None:
    """Return the name of the parameter that takes the operation, if there is one."""
    try:
        parameters = inspect.signature(function, eval_str=True).parameters
    except Exception:  # annotations that only a type checker can resolve
        parameters = inspect.signature(function).parameters
    candidates = [each for each in parameters.values() if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    wanted = [each.name for each in candidates if each.name == name or _is_operation(each.annotation)]
    return name if name in wanted else next(iter(wanted), None)


def _is_operation(annotation: object) -> bool:
    if isinstance(annotation, str):
        bare = annotation.strip("'\"").removeprefix("Optional[").removesuffix("]")
        return any(part.strip().rpartition(".")[2] == Cancelable.__name__ for part in bare.split("|"))
    if get_origin(annotation) in (Union, UnionType):
        return any(_is_operation(each) for each in get_args(annotation))
    if get_origin(annotation) is Annotated:
        return _is_operation(get_args(annotation)[0])
    return annotation is Cancelable
