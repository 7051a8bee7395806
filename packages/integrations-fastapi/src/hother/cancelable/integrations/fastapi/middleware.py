"""The middleware that ends the operations of a request when its client leaves."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from hother.cancelable.core import ambient_token

from .monitor import SCOPE_KEY, Monitor
from .silence import answer_base_http_middleware, is_only_disconnect


class RequestCancelationMiddleware:
    """Ends every operation entered inside a request when the client leaves before the response is complete.

    The operations end with the reason `DISCONNECT`, wherever in the request they were entered, unless they are
    detached. A `DisconnectCancelation` that nobody has caught ends here, silently. Everything else passes untouched:
    bodies, responses, exceptions, background tasks, and the scopes of other protocols. A request without operations
    is not watched and costs next to nothing.

    It is pure ASGI and fits any ASGI app, on asyncio and trio. Make it the outermost one: in FastAPI, add it last.

    Args:
        app: The ASGI app.

    Example:
        ```python
        from fastapi import FastAPI
        from hother.cancelable import Cancelable
        from hother.cancelable.integrations.fastapi import RequestCancelationMiddleware

        app = FastAPI()
        app.add_middleware(RequestCancelationMiddleware)


        @app.post("/process")
        async def process(data: dict[str, int]) -> int:
            async with Cancelable(name="process"):
                return sum(data.values())
        ```
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or _is_monitored(scope):
            await self.app(scope, receive, send)
            return
        scope[SCOPE_KEY] = monitor = Monitor(scope, receive, send)
        try:
            with ambient_token(monitor.token_for_operation):
                await self.app(scope, monitor.receive, monitor.send)
        except BaseException as error:
            if not (monitor.left and is_only_disconnect(error)):
                raise
            if not monitor.started:
                await answer_base_http_middleware(receive, send)
        finally:
            if (rest := monitor.close()) is not None:
                await rest


def _is_monitored(scope: Scope) -> bool:
    monitor: Monitor | None = scope.get(SCOPE_KEY)
    return monitor is not None and not monitor.over
