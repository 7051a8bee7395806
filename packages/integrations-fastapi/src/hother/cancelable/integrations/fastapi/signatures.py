"""Wrapping an endpoint so that FastAPI sees the endpoint, and hands the request to the wrapper as well."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from enum import Enum, auto
from typing import Annotated, Any, Final, get_args, get_origin

from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket

from fastapi.params import Depends

PARAMETER: Final = "hother_cancelable_connection"
"""The parameter of the wrapper that FastAPI fills with the request."""


class Kind(Enum):
    """How an endpoint is run."""

    COROUTINE = auto()
    THREAD = auto()
    ASYNC_GENERATOR = auto()
    GENERATOR = auto()


def kind_of(endpoint: Callable[..., Any]) -> Kind:
    """Return how FastAPI would run an endpoint: a function, a method, an object with `__call__`, or a partial one.

    A decorator may have made another kind of what it wraps, so FastAPI looks at the outermost and the innermost.
    """
    functions = (*_functions_of(endpoint), *_functions_of(inspect.unwrap(_whole(endpoint))))
    if any(map(inspect.isasyncgenfunction, functions)):
        return Kind.ASYNC_GENERATOR
    if any(map(inspect.isgeneratorfunction, functions)):
        return Kind.GENERATOR
    return Kind.COROUTINE if any(map(inspect.iscoroutinefunction, functions)) else Kind.THREAD


def _whole(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return function  # pyright: ignore[reportUnknownVariableType]


def _functions_of(endpoint: Any) -> tuple[Any, ...]:
    whole = _whole(endpoint)
    function = whole if inspect.isroutine(whole) or inspect.isclass(whole) else type(whole).__call__
    return function, inspect.unwrap(function)


class ConnectionParameter:
    """The parameter through which a wrapper gets the request.

    FastAPI fills one parameter of each class: a second `Request` would leave the endpoint without its own. So it is an
    `HTTPConnection`, which nobody asks for; where the endpoint does, its own serves both.

    Args:
        endpoint: The endpoint.
    """

    def __init__(self, endpoint: Callable[..., Any]) -> None:
        self._signature = _signature(endpoint)
        own = [each.name for each in self._signature.parameters.values() if _takes_connection(each)]
        self._own = own[0] if own else None

    def take(self, kwargs: dict[str, Any]) -> HTTPConnection | None:
        """Return the request from the arguments of a call, and take it out if the endpoint does not want it.

        None where somebody else than FastAPI has made the call.
        """
        found: HTTPConnection | None = kwargs.pop(PARAMETER, None) if self._own is None else kwargs.get(self._own)
        return found

    def disguise(self, wrapper: Callable[..., Any], endpoint: Callable[..., Any]) -> Callable[..., Any]:
        """Give a wrapper the name, the description and the signature of the endpoint, and the parameter."""
        functools.update_wrapper(wrapper, endpoint, updated=())
        vars(wrapper).update(getattr(endpoint, "__dict__", {}) if inspect.isfunction(endpoint) else {})
        wrapper.__name__ = getattr(endpoint, "__name__", type(endpoint).__name__)
        wrapper.__wrapped__ = endpoint  # type: ignore[attr-defined]
        wrapper.__signature__ = self._with_parameter()  # type: ignore[attr-defined]
        return wrapper

    def _with_parameter(self) -> inspect.Signature:
        if self._own is not None:
            return self._signature
        parameters = list(self._signature.parameters.values())
        ours = inspect.Parameter(PARAMETER, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=HTTPConnection)
        at = len(parameters) - bool(parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD)
        return self._signature.replace(parameters=[*parameters[:at], ours, *parameters[at:]])


def _signature(endpoint: Callable[..., Any]) -> inspect.Signature:
    """Return the signature, with annotations that are strings evaluated in the endpoint's own module if they can be."""
    try:
        return inspect.signature(endpoint, eval_str=True)
    except Exception:  # names that only a type checker knows: FastAPI says what is wrong, or does without
        return inspect.signature(endpoint)


def _takes_connection(parameter: inspect.Parameter) -> bool:
    """Tell whether FastAPI fills a parameter with the request because of this class."""
    annotation = getattr(parameter.annotation, "__value__", parameter.annotation)  # of a `type` statement
    if isinstance(parameter.default, Depends) or any(isinstance(each, Depends) for each in get_args(annotation)[1:]):
        return False
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if isinstance(annotation, str):
        return annotation.rpartition(".")[2] == HTTPConnection.__name__
    if not inspect.isclass(annotation):
        return False
    return issubclass(annotation, HTTPConnection) and not issubclass(annotation, (Request, WebSocket))
