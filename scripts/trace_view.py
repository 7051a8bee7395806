"""Draw a trace of nested operations for the docs: uv run python scripts/trace_view.py [file].

A server answers a request in several operations, its client leaves in the midst of them, and the spans that
OpenTelemetry has got of that are drawn as a waterfall.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import anyio
import uvicorn
from fastapi import FastAPI
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hother.cancelable import Cancelable, add_observer, remove_observer
from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware, with_cancelation
from hother.cancelable.registry.telemetry import TelemetryObserver

FILE: Final = Path(__file__).parents[1] / "docs" / "assets" / "trace.svg"
COLOURS: Final = {"completed": "#2e7d32", "cancelled": "#b35c00", "failed": "#c62828"}
WIDTH, LEFT, TOP, ROW = 900, 250, 64, 34
SECONDS: Final = 0.3
STYLE: Final = "text{font:13px system-ui,sans-serif;fill:#1f2430}.small{font-size:11px;fill:#5a6072}"

at_work = threading.Event()
app = FastAPI()
app.add_middleware(RequestCancelationMiddleware)


async def part(name: str, seconds: float) -> None:
    """Do something for a while."""
    async with Cancelable(name=name):
        await anyio.sleep(seconds)


async def orders() -> None:
    """Work in parts, and clean up behind a shield."""
    async with Cancelable(name="orders") as operation:
        try:
            await part("page 1", 0.12)
            await part("page 2", 60)
        finally:
            async with operation.shield(timeout=5):
                await part("roll back", 0.08)


@app.get("/report")
@with_cancelation
async def report() -> str:
    """Make a report of several parts, two of them at a time."""
    at_work.set()
    await part("customer", 0.08)
    async with anyio.create_task_group() as group:
        group.start_soon(orders)
        group.start_soon(part, "charts", 60)
    return "done"


def trace() -> list[ReadableSpan]:
    """Serve one request whose client leaves, and return its spans in the order of their beginning."""
    exported, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    telemetry = TelemetryObserver(provider)
    add_observer(telemetry)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"GET /report HTTP/1.1\r\nHost: app\r\n\r\n")
        at_work.wait()
        time.sleep(SECONDS)
    server.should_exit = True
    thread.join()
    remove_observer(telemetry)
    return sorted(exported.get_finished_spans(), key=lambda span: span.start_time or 0)


def ordered(
    spans: list[ReadableSpan], above: ReadableSpan | None = None, depth: int = 0
) -> Iterator[tuple[int, ReadableSpan]]:
    """Yield each span before those below it, with its depth."""
    for span in spans:
        if (span.parent and span.parent.span_id) == (above and above.context and above.context.span_id):
            yield depth, span
            yield from ordered(spans, span, depth + 1)


def drawn(spans: list[ReadableSpan]) -> str:
    """Draw spans as a waterfall."""
    rows = list(ordered(spans))
    start = min(span.start_time or 0 for span in spans)
    whole = max(span.end_time or 0 for span in spans) - start
    height = TOP + ROW * len(rows) + 36

    def x(time: int | None) -> float:
        return LEFT + (WIDTH - LEFT - 30) * ((time or start) - start) / whole

    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">']
    lines.append(f"<title>A trace of nested operations</title><style>{STYLE}</style>")
    lines.append(f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#f7f8fb"/>')
    for tick in range(0, int(whole / 1e6) + 1, 100):
        at = x(start + tick * 1_000_000)
        lines.append(f'<path d="M{at:.0f} {TOP - 12}V{height - 30}" stroke="#d9dce6"/>')
        lines.append(f'<text class="small" x="{at:.0f}" y="{height - 14}" text-anchor="middle">{tick} ms</text>')
    for event in rows[0][1].events:
        if event.name == "cancel.requested":
            at = x(event.timestamp)
            lines.append(f'<path d="M{at:.0f} {TOP - 22}V{height - 30}" stroke="#c62828" stroke-dasharray="4 3"/>')
            lines.append(f'<text x="{at:.0f}" y="{TOP - 30}" text-anchor="middle">the client leaves</text>')
    for number, (depth, span) in enumerate(rows):
        lines += bar(span, depth, TOP + ROW * number, x(span.start_time), x(span.end_time))
    return "\n".join([*lines, "</svg>\n"])


def bar(span: ReadableSpan, depth: int, y: float, left: float, right: float) -> Iterator[str]:
    """Draw one span: its name, its bar, and how it ended."""
    facts = span.attributes or {}
    status = str(facts["cancelable.operation.status"])
    reason = facts.get("cancelable.cancel.reason")
    text = status if reason is None else f"{status}: {reason}"
    name = escape(str(facts["cancelable.operation.name"]))
    anchor, at = ("end", left - 8) if right > WIDTH - 200 and left > LEFT + 150 else ("start", right + 8)
    inside = right - left > 150
    yield f'<text x="{20 + 18 * depth}" y="{y + 17}">{name}</text>'
    size = f'width="{max(right - left, 3):.0f}" height="20"'
    yield f'<rect x="{left:.0f}" y="{y + 3}" {size} rx="4" fill="{COLOURS[status]}"/>'
    if inside:
        yield f'<text class="small" x="{left + 10:.0f}" y="{y + 17}" style="fill:#fff">{text}</text>'
    else:
        yield f'<text class="small" x="{at:.0f}" y="{y + 17}" text-anchor="{anchor}">{text}</text>'


def main() -> None:
    """Draw the trace in the file that was given."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    file.write_text(drawn(trace()))
    sys.stdout.write(f"the trace is in {file}\n")


if __name__ == "__main__":
    main()
