"""Strategies of Hypothesis for requests, legal and illegal ones."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from hypothesis import settings
from hypothesis import strategies as st
from starlette.types import Message

from .fuzzing import Arrival, Do, Odd, Request

EXAMPLES = settings(max_examples=settings().max_examples // 2)
"""For tests that run a request twice for each example."""
Strategy: TypeAlias = st.SearchStrategy[Any]
Kind = Literal["http", "websocket"]

FLAGS = st.sampled_from([{}, {"more_body": True}, {"more_body": False}])
PIECES = st.sampled_from([{}, {"body": b""}, {"body": b"piece"}])


def message(kind: str, *parts: Strategy) -> st.SearchStrategy[Message]:
    """Return a message with keys that may be missing."""
    return st.tuples(*parts).map(lambda found: {"type": kind, **{key: part[key] for part in found for key in part}})


def keys(**values: list[Any]) -> Strategy:
    """Return some of the keys with one of their values each."""
    return st.fixed_dictionaries({}, optional={key: st.sampled_from(each) for key, each in values.items()})


STATUSES = st.sampled_from([{"status": 200}, {"status": 404}, {"status": 499}, {"status": 500}, {}])
STARTS = message("http.response.start", STATUSES, keys(headers=[[], [(b"a", b"b")]], trailers=[True, False]))
HTTP_SENDS = st.one_of(
    STARTS,
    message("http.response.body", PIECES, FLAGS),
    message("http.response.trailers", keys(headers=[[]], more_trailers=[True, False])),
    st.sampled_from(
        [
            {"type": "http.response.pathsend", "path": "/tmp/file"},
            {"type": "http.response.zerocopysend", "file": 0},
            {"type": "http.response.push", "path": "/"},
            {"type": "http.response.early_hint"},
            {"type": "http.response.debug", "info": {}},
            {"type": "websocket.send", "text": "stray"},
            {"type": ""},
            {"body": b"without a type"},
        ]
    ),
)
SOCKET_SENDS = st.one_of(
    message("websocket.accept", keys(subprotocol=[None, "a"], headers=[[]])),
    message("websocket.send", keys(text=[None, "a"], bytes=[None, b"a"])),
    message("websocket.close", keys(code=[1000, 1011], reason=["", "bye"])),
    message("websocket.http.response.start", keys(status=[403], headers=[[]])),
    message("websocket.http.response.body", PIECES, FLAGS),
    st.sampled_from([{"type": "http.response.body"}, {"type": "websocket.odd"}]),
)
HTTP_ARRIVALS = st.one_of(
    message("http.request", PIECES, FLAGS),
    st.sampled_from([{"type": "http.odd"}, {"type": "websocket.receive", "text": "stray"}]),
)
SOCKET_ARRIVALS = st.one_of(
    st.just({"type": "websocket.connect"}),
    message("websocket.receive", keys(text=[None, "a"], bytes=[None, b"a" * 2**19])),
    st.just({"type": "websocket.odd"}),
)
ERRORS = st.sampled_from(
    [ValueError("broken"), OSError("gone"), KeyError("key"), ExceptionGroup("two", [ValueError()])]
)
LEGAL_ARRIVALS: dict[Kind, list[list[Message]]] = {
    "http": [
        [{"type": "http.request"}],
        [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.request", "body": b"b"}],
    ],
    "websocket": [[{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "a"}]],
}
LEGAL_SENDS: dict[Kind, list[list[Message]]] = {
    "http": [
        [{"type": "http.response.start"}, {"type": "http.response.body", "body": b"done"}],
        [
            {"type": "http.response.start", "trailers": True},
            {"type": "http.response.body", "body": b"a", "more_body": True},
            {"type": "http.response.body", "body": b"b"},
            {"type": "http.response.trailers", "headers": []},
        ],
        [{"type": "http.response.start"}, {"type": "http.response.pathsend", "path": "/tmp/file"}],
    ],
    "websocket": [
        [{"type": "websocket.accept"}, {"type": "websocket.send", "text": "a"}, {"type": "websocket.close"}],
        [{"type": "websocket.close", "code": 1008}],
    ],
}
"""What servers and apps do mostly."""


def scopes(kind: Kind) -> Strategy:
    """Return scopes, also such without keys that must be there."""
    headers = [[], [(b"host", b"test")], [(b"expect", b"100-continue")], ((b"expect", b"100-continue"),)]
    return keys(path=["/", ""], method=["GET", "POST"], headers=headers, extensions=[{}], state=[{}]).map(
        lambda found: {"type": kind, **found}
    )


def arrivals(kind: Kind) -> st.SearchStrategy[list[Arrival]]:
    """Return what comes for the app: what the standard says, or anything; a disconnect may be among it."""
    gone: Message = {"type": f"{kind}.disconnect"}
    odd = st.one_of(HTTP_ARRIVALS if kind == "http" else SOCKET_ARRIVALS, st.just(gone), ERRORS)
    legal = st.sampled_from(LEGAL_ARRIVALS[kind]).flatmap(lambda whole: st.sampled_from([whole, [*whole, gone]]))
    moments = st.integers(0, 9)
    return st.one_of(legal, legal, st.lists(odd, max_size=4)).flatmap(
        lambda coming: st.lists(moments, min_size=len(coming), max_size=len(coming)).map(
            lambda after: [Arrival(what, when) for what, when in zip(coming, after, strict=True)]
        )
    )


def steps(kind: Kind, *others: Do) -> st.SearchStrategy[list[Do]]:
    """Return what an app does: a whole response with other things among it, or anything."""
    between = st.lists(st.sampled_from([Do("receive"), Do("receive"), Do("turn"), *others]), max_size=2)
    legal = st.tuples(st.sampled_from(LEGAL_SENDS[kind]), st.lists(between, min_size=5, max_size=5), STATUSES).map(
        lambda found: _response(*found)
    )
    sends = (HTTP_SENDS if kind == "http" else SOCKET_SENDS).map(lambda each: Do("send", each))
    raising = st.sampled_from([ValueError("app"), OSError("app"), Odd("app"), ExceptionGroup("app", [KeyError(1)])])
    rest = st.one_of(st.sampled_from([Do("receive"), Do("turn"), *others]), raising.map(lambda each: Do("raise", each)))
    return st.one_of(legal, st.lists(st.one_of(sends, sends, rest), max_size=8))


def _response(whole: list[Message], between: list[list[Do]], status: dict[str, int]) -> list[Do]:
    """Return the steps that send a response, with others between them."""
    begun = [{**message, **status} if message["type"] == "http.response.start" else message for message in whole]
    sends = [[Do("send", message)] for message in begun]
    return [
        step for gap, send in zip(between, [*sends, *[[]] * (5 - len(sends))], strict=True) for step in (*gap, *send)
    ]


@st.composite
def requests(draw: st.DrawFn, kind: Kind, *others: Do, in_operation: bool | None = None) -> Request:
    """Return requests of one kind, whose apps may do other things, too."""
    coming = draw(arrivals(kind))
    in_operation = draw(st.booleans()) if in_operation is None else in_operation
    return Request(
        scope=draw(scopes(kind)),
        steps=draw(steps(kind, *others)),
        arrivals=_without_stray(coming) if kind == "http" and in_operation else coming,
        send_fails=draw(st.dictionaries(st.integers(1, 5), ERRORS, max_size=1)) if draw(st.booleans()) else {},
        in_operation=in_operation,
        reads_beside=draw(st.booleans()),
        catches=draw(st.booleans()),
    )


def _without_stray(coming: list[Arrival]) -> list[Arrival]:
    """Leave out what a server may not send behind the body; who watches for the client does not keep it."""
    kept: list[Arrival] = []
    is_complete = False
    for each in coming:
        is_body = not isinstance(each.what, Exception) and each.what["type"] != "http.disconnect"
        if not (is_complete and is_body):
            kept.append(each)
        if not isinstance(each.what, Exception):
            is_complete = is_complete or not each.what.get("more_body")
    return kept
