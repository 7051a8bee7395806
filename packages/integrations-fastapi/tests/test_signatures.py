"""FastAPI sees the endpoint that `with_cancelation` decorates, and what the endpoint asks for."""

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import Body, Depends, File, Form, Header, Path, Query, Security, UploadFile
from fastapi.responses import StreamingResponse
from fastapi.security import OAuth2PasswordBearer
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from hother.cancelable.integrations.fastapi import with_cancelation

from .asking import schema_of

scheme = OAuth2PasswordBearer("token", scopes={"items": "Read items."})


class Item(BaseModel):
    """Something to buy."""

    name: str
    price: float = 1.5


class Page(BaseModel):
    """A query."""

    limit: int = Query(10, le=100)
    tags: list[str] = []


async def body_model(item: Item, other: Annotated[Item, Body(embed=True)]) -> list[Item]:
    """Take two bodies."""
    return [item, other]


def parameters(
    number: Annotated[int, Path(gt=0)], *, tags: Annotated[list[str], Query()], agent: str = Header()
) -> int:
    """Take parameters of all kinds."""
    return number


async def query_model(page: Annotated[Page, Query()]) -> Page:
    """Take a model of the query."""
    return page


async def form(name: Annotated[str, Form()], files: Annotated[list[UploadFile], File()]) -> int:
    """Take a form."""
    return len(files)


async def secured(user: Annotated[str, Security(scheme, scopes=["items"])], limit: int = 3) -> str:
    """Ask for a user."""
    return user


async def bare(q, r=None):  # type: ignore[no-untyped-def]
    """Have no annotations."""


async def odd(
    positional: int, /, timeout: float, operation: str, args: int = 0, *, limiter: str = "", **kwargs: str
) -> None:
    """Have parameters of every kind."""


async def jsonl() -> AsyncIterator[Item]:
    """Stream lines of JSON."""
    yield Item(name="one")


def jsonl_in_thread() -> Iterator[Item]:
    """Stream lines of JSON from a plain generator."""
    yield Item(name="one")


async def events() -> AsyncIterator[ServerSentEvent]:
    """Stream events."""
    yield ServerSentEvent(data="one")


async def typed_events() -> AsyncIterator[Item]:
    """Stream events with data of one type."""
    yield Item(name="one")


def raw() -> Iterator[str]:
    """Stream text."""
    yield "one"


class Callables:
    """Endpoints that are no functions."""

    def __call__(self, item: Item, limit: int = 3) -> Item:
        """Be called."""
        return item

    async def method(self, item: Item) -> Item:
        """Be a method."""
        return item

    @staticmethod
    def static(item: Item) -> Item:
        """Be a static method."""
        return item

    @classmethod
    def of_class(cls, item: Item) -> Item:
        """Be a class method."""
        return item


class AsyncCallable:
    """An endpoint that is an object."""

    async def __call__(self, item: Item) -> Item:
        return item


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate as everybody does."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


ENDPOINTS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (body_model, {}),
    (parameters, {"path": "/{number}"}),
    (query_model, {}),
    (form, {"methods": ["POST"]}),
    (secured, {}),
    (bare, {}),
    (odd, {}),
    (jsonl, {}),
    (jsonl_in_thread, {}),
    (events, {"response_class": EventSourceResponse}),
    (typed_events, {"response_class": EventSourceResponse}),
    (raw, {"response_class": StreamingResponse}),
    (Callables(), {}),
    (Callables().method, {}),
    (Callables.static, {}),
    (Callables.of_class, {}),
    (AsyncCallable(), {}),
    (functools.partial(body_model, other=Item(name="other")), {}),
    (functools.partial(Callables(), limit=5), {}),
    (logged(body_model), {}),
    (Item, {}),
]


@pytest.mark.parametrize(("endpoint", "options"), ENDPOINTS, ids=lambda value: getattr(value, "__name__", None))
@pytest.mark.parametrize("decorator", [with_cancelation, with_cancelation(timeout=3)], ids=["bare", "called"])
def test_schema_is_the_same(endpoint: Callable[..., Any], options: dict[str, Any], decorator: Any) -> None:
    """The OpenAPI schema is byte-identical with and without the decorator, also with it twice."""
    options = {"methods": ["PUT"], **options}
    plain = schema_of(endpoint, **options)
    assert schema_of(decorator(endpoint), **options) == plain
    assert schema_of(decorator(decorator(endpoint)), **options) == plain


def test_schema_has_what_the_endpoint_takes() -> None:
    """It is not the same because it is empty."""
    assert all(name in schema_of(parameters, "/{number}") for name in ("number", "tags", "agent", "Take parameters"))


async def endpoint_of(user: str, item: Item) -> Item:
    """Do something."""
    return item


endpoint_of.tags = ["kept"]  # type: ignore[attr-defined]


def test_wrapper_looks_like_the_endpoint() -> None:
    """Name, module, description, attributes and the wrapped function are the endpoint's; one parameter is added."""
    wrapper = with_cancelation(endpoint_of)
    assert wrapper is not endpoint_of
    for name in ("__name__", "__qualname__", "__module__", "__doc__", "tags"):
        assert getattr(wrapper, name) == getattr(endpoint_of, name)
    assert inspect.unwrap(wrapper) is endpoint_of
    added = set(inspect.signature(wrapper).parameters) - set(inspect.signature(endpoint_of).parameters)
    assert len(added) == 1
    assert not hasattr(endpoint_of, "__signature__")
    decorated: Any = logged(endpoint_of)
    outer: Any = with_cancelation(decorated)
    assert outer.__wrapped__ is decorated


def test_defaults_and_metadata_are_kept() -> None:
    """`Annotated` keeps its metadata, and a default stays that very object."""
    marker, constraint = Depends(bare), Query(gt=3)

    async def endpoint(a: Annotated[int, constraint], b: Any = marker) -> None: ...

    found = inspect.signature(with_cancelation(endpoint)).parameters
    assert found["a"].annotation.__metadata__ == (constraint,)
    assert found["b"].default is marker
