"""Whatever an endpoint asks FastAPI for, it gets with the decorator as without."""

import sys
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import BackgroundTasks, Body, Depends, File, Form, Query, Request, Response, Security, UploadFile
from fastapi.security import SecurityScopes
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from hother.cancelable import current_operation
from hother.cancelable.integrations.fastapi import with_cancelation

from .asking import Heard, app_with, ask
from .hand_made import make_app, piece, with_and_without

JSON = (b"content-type", b"application/json")


class Item(BaseModel):
    """Something to buy."""

    name: str


class MyConnection(HTTPConnection):
    """A class of one's own, for the types."""


async def own_connection(request: HTTPConnection) -> str:
    """Ask for the connection."""
    return request.url.path


async def annotated_connection(request: Annotated[HTTPConnection, "of ours"]) -> str:
    """Ask for the connection with metadata."""
    return request.url.path


async def subclass_of_connection(request: MyConnection) -> str:
    """Ask for a subclass; FastAPI hands out a request."""
    return request.url.path


async def request_and_connection(request: Request, connection: HTTPConnection) -> bool:
    """Ask for both."""
    return request is connection


async def request_and_response(request: Request, response: Response) -> str:
    """Set a header and a status."""
    response.headers["x-path"] = request.url.path
    response.status_code = 202
    return "done"


def connection_of(request: Request) -> str:
    """Give what a dependency gives."""
    return f"given for {request.url.path}"


GIVEN: Any = Depends(connection_of)


async def dependency_of_that_class(given: HTTPConnection = GIVEN) -> str:
    """Have a dependency whose type says connection, and is none."""
    return str(given)


async def annotated_dependency_of_that_class(given: Annotated[HTTPConnection, Depends(connection_of)]) -> str:
    """Have the same in the other notation."""
    return str(given)


async def body_and_query(item: Item, q: Annotated[list[int], Query()], n: Annotated[int, Body()] = 2) -> list[Any]:
    """Take a body and a query."""
    return [item, q, n]


def in_thread(item: Item, q: Annotated[list[int], Query()], n: Annotated[int, Body()] = 2) -> list[Any]:
    """Do the same in a thread."""
    return [item, q, n]


async def scopes(security: SecurityScopes) -> list[str]:
    """Return the scopes."""
    return security.scopes


async def reads_itself(request: Request) -> str:
    """Read the body."""
    return (await request.body()).decode()


def names_of_ours(limiter: str, abandon_on_cancel: int, function: str, operation: str, timeout: float) -> str:
    """Have parameters named like those of the functions that run it."""
    return f"{limiter} {abandon_on_cancel} {function} {operation} {timeout}"


async def keyword_arguments(a: int, kwargs: int) -> int:
    """Have parameters with general names."""
    return a + kwargs


QUERY = "/?q=1&q=2&limiter=a&abandon_on_cancel=3&function=f&operation=o&timeout=1.5&a=3&kwargs=4&security=x"
ENDPOINTS: list[Callable[..., Any]] = [
    own_connection,
    annotated_connection,
    subclass_of_connection,
    request_and_connection,
    request_and_response,
    dependency_of_that_class,
    annotated_dependency_of_that_class,
    body_and_query,
    in_thread,
    scopes,
    reads_itself,
    names_of_ours,
    keyword_arguments,
]


async def response_of(endpoint: Callable[..., Any], *, middleware: bool) -> Heard:
    """Call an endpoint with everything that one of them asks for."""
    app = make_app(middleware=middleware)
    app.post("/")(endpoint)
    body = b'{"item": {"name": "tea"}, "n": 5}'
    return await ask(app, QUERY, piece(body[:9]), piece(body[9:], more=False), method="POST", headers=[JSON])


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@with_and_without
async def test_endpoint_gets_what_it_asks_for(endpoint: Callable[..., Any], middleware: bool) -> None:
    """Status, headers and body are those of the endpoint without the decorator, with it once and twice."""
    plain = await response_of(endpoint, middleware=middleware)
    assert plain.status in (200, 202), plain.body
    for decorated in (with_cancelation(endpoint), with_cancelation(timeout=9)(with_cancelation(endpoint))):
        heard = await response_of(decorated, middleware=middleware)
        assert (heard.status, heard.headers, heard.body) == (plain.status, plain.headers, plain.body)


def positional_only(a: int, /) -> int:
    """Take an argument that FastAPI cannot give."""
    return a


async def test_what_fails_without_fails_with() -> None:
    """An endpoint that FastAPI cannot call fails with the same error; bad input is a 422 as ever."""
    for endpoint in (positional_only, with_cancelation(positional_only)):
        with pytest.raises(TypeError, match="positional"):
            await response_of(endpoint, middleware=False)
    heard = await ask(app_with(with_cancelation(keyword_arguments)), "/?a=x")
    assert heard.status == 422
    assert [each["loc"] for each in heard.json()["detail"]] == [["query", "a"], ["query", "kwargs"]]


CONNECTIONS: list[Any] = [
    HTTPConnection,
    Annotated[HTTPConnection, "of ours"],
    MyConnection,
    Annotated[HTTPConnection, Depends(connection_of)],
]


@pytest.mark.parametrize("annotation", CONNECTIONS, ids=["plain", "annotated", "subclass", "dependency"])
async def test_operation_is_that_of_the_request(annotation: Any) -> None:
    """Also where the endpoint has such a parameter of its own, and where it only looks like one."""

    async def endpoint(own: Any) -> str | None:
        operation = current_operation()
        return None if operation is None else operation.context.name

    endpoint.__annotations__["own"] = annotation
    assert (await ask(app_with(with_cancelation(endpoint), "/shop"), "/shop")).json() == "GET /shop"


@with_and_without
async def test_looking_for_the_client_loses_nothing(middleware: bool) -> None:
    """Inside, `is_disconnected()` takes no piece of the body away, as it does without."""

    @with_cancelation
    async def endpoint(request: Request) -> str:
        assert not await request.is_disconnected()
        return (await request.body()).decode()

    app = make_app(middleware=middleware)
    app.post("/")(endpoint)
    assert (await ask(app, "/", piece(b"to"), piece(b"gether", more=False), method="POST")).json() == "together"


async def test_forms_and_files() -> None:
    """Forms and uploads arrive."""

    @with_cancelation
    async def upload(name: Annotated[str, Form()], file: Annotated[UploadFile, File()]) -> str:
        return f"{name}: {(await file.read()).decode()} in {file.filename}"

    app = app_with(upload, methods=["POST"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.post("/", data={"name": "tea"}, files={"file": ("tea.txt", b"green")})
    assert response.json() == "tea: green in tea.txt"


@pytest.mark.parametrize("scope", ["function", "request"])
async def test_yield_dependencies(scope: Any) -> None:
    """Dependencies that yield are entered and left around the endpoint, sync and async, in both scopes."""
    happened = list[str]()

    async def session() -> AsyncGenerator[str]:
        happened.append("session")
        yield "session"
        happened.append("session closed")

    def file() -> Generator[str]:
        happened.append("file")
        yield "file"
        happened.append("file closed")

    @with_cancelation(timeout=3)
    async def endpoint(
        session: Annotated[str, Depends(session, scope=scope)], file: Annotated[str, Depends(file, scope=scope)]
    ) -> str:
        happened.append("endpoint")
        return session + file

    assert (await ask(app_with(endpoint))).json() == "sessionfile"
    assert happened == ["session", "file", "endpoint", "file closed", "session closed"]


async def test_background_tasks() -> None:
    """Tasks run after the response, longer than the timeout, and their operation is not the endpoint's."""
    happened = list[object]()

    async def later() -> None:
        happened.append(current_operation())

    @with_cancelation
    async def endpoint(tasks: BackgroundTasks) -> str:
        tasks.add_task(later)
        return "accepted"

    assert (await ask(app_with(endpoint))).status == 200
    assert happened == [None]


async def test_security_scopes_of_a_dependency() -> None:
    """`Security` hands its scopes on."""

    def user(security: SecurityScopes) -> str:
        return security.scope_str

    @with_cancelation
    async def endpoint(user: Annotated[str, Security(user, scopes=["a", "b"])]) -> str:
        return user

    assert (await ask(app_with(endpoint))).json() == "a b"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the `type` statement")
async def test_named_type() -> None:
    """A connection under a name of a `type` statement is one, too."""
    names: dict[str, Any] = {"HTTPConnection": HTTPConnection}
    exec("type Connection = HTTPConnection\nasync def endpoint(own: Connection): return own.url.path", names)
    assert (await ask(app_with(with_cancelation(names["endpoint"])))).json() == "/"


async def test_parameter_stays_hidden() -> None:
    """A client cannot give the parameter that the decorator adds."""

    @with_cancelation
    async def endpoint() -> str | None:
        operation = current_operation()
        return None if operation is None else operation.context.name

    assert (await ask(app_with(endpoint), "/?hother_cancelable_connection=x")).json() == "GET /"
