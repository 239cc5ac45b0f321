"""The web room put together: every dialect's routes and our own, over one gateway, as one ASGI application.

The composition root calls `build` and hands the result to uvicorn; it has no start or stop of its own.
"""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from tidings.dialects.twilio_monitor import ALERTS
from tidings.errors import Problem
from tidings.web import callbacks, monitor, own, twilio
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.wire import Answer, Endpoint, Handler, Request


def build(gateway: Gateway) -> ASGIApp:
    authenticator = Authenticator(gateway.accounts, gateway.api_keys, gateway.clock)
    rooms = (twilio, monitor, own, callbacks)
    return _Paths([route for room in rooms for route in room.routes(gateway, authenticator)])


class _Paths(Router):
    """A router that looks at the path alone and goes straight to its endpoint, which knows about methods.

    Starlette's own way there, through mounts, converters and methods, costs each message some 5 µs more.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        super().__init__(routes, default=_nowhere)
        self._endpoints = [(route.path_regex, route.app) for route in routes if isinstance(route, Route)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for path, endpoint in self._endpoints:
                if found := path.match(scope["path"]):
                    scope["path_params"] = found.groupdict()
                    return await endpoint(scope, receive, send)
        return await self.default(scope, receive, send)


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """No path of ours: not found, in the words of whoever is most likely to be asking."""
    if scope["type"] == "websocket":
        await WebSocketClose()(scope, receive, send)
        return
    path = scope["path"]
    ours = path.startswith(("/v1/", "/health/")) and not path.startswith(ALERTS)
    not_found: dict[str, Handler] = {scope["method"]: _not_found}
    endpoint = Endpoint(not_found, own.refuse) if ours else Endpoint(not_found, twilio.refuse, twilio.stamp)
    await endpoint(scope, receive, send)


async def _not_found(request: Request) -> Answer:
    raise Problem(20404, value=request.path)
