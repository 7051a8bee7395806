"""The subjects whose growth is measured: operations, nesting, listeners, conditions, sources, the registry, streams."""

from __future__ import annotations

import many
import parts
from growth import Curve, Subject

from hother.cancelable import Cancelable, CancelationToken
from hother.cancelable.sources import TokenSource

TO_100_000 = (10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000)
TO_10_000 = TO_100_000[:-2]

SUBJECTS = (
    Subject(
        "operations",
        "Operations alive",
        "operations",
        TO_100_000,
        (
            Curve("start all", many.operations(starting=True)),
            Curve("cancel all, on one token", many.operations(starting=False)),
            Curve("raw: cancel as many scopes", many.scopes, ours=False),
            Curve("cancel one of them", many.one_among, level=True),
        ),
    ),
    Subject(
        "nesting",
        "Depth of nesting",
        "operations inside each other",
        (1, 2, 5, 10, 20, 50, 100, 200),
        (
            Curve("enter and leave all", many.nested(Cancelable, cancelled=False)),
            Curve("raw: as many scopes", many.nested(many.Scope, cancelled=False), ours=False),
            Curve("cancel the outermost", many.nested(lambda: Cancelable(move_on=True), cancelled=True)),
            Curve(
                "raw: cancel the outermost scope",
                many.nested(many.Scope, cancelled=True),
                ours=False,
            ),
        ),
    ),
    Subject(
        "listeners",
        "Listeners of one token",
        "listeners",
        (1, *TO_100_000),
        (
            Curve("add and remove callbacks", many.add_callbacks),
            Curve("cancel: callbacks", many.tell_callbacks),
            Curve("cancel: linked tokens", many.tell_links),
        ),
    ),
    Subject(
        "conditions",
        "Conditions, asked 10 times a second",
        "operations with a condition",
        (10, 100, 1000, 10_000),
        (Curve("start them, and ask for half a second", parts.conditions),),
    ),
    Subject(
        "sources",
        "Sources of one operation",
        "sources",
        (1, *TO_10_000),
        (
            Curve("without a task (TokenSource)", parts.with_sources(lambda: TokenSource(CancelationToken()))),
            Curve("with a task each", parts.with_sources(parts.Silent)),
            Curve("combine as many operations", parts.combining),
        ),
    ),
    Subject(
        "registry",
        "Operations in a registry in memory",
        "operations",
        TO_100_000,
        (
            Curve("list all", parts.registry(parts.list_all)),
            Curve("add and remove one", parts.registry(parts.add_and_remove), level=True),
            Curve("find one", parts.registry(parts.find_one), level=True),
            Curve("statistics", parts.registry(parts.count_all), level=True),
        ),
    ),
    Subject(
        "streams",
        "Streams",
        "items, or streams",
        TO_100_000,
        (
            Curve("items of one stream", parts.long_stream),
            Curve("streams at once", parts.many_streams),
        ),
    ),
)
