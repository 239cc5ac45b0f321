"""The web room put together: every dialect's routes and our own, over one gateway, as one ASGI application.

The composition root calls `build` and hands the result to uvicorn; it has no start or stop of its own.
"""

from starlette.routing import Router
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
    routes = [route for room in rooms for route in room.routes(gateway, authenticator)]
    return Router(routes, redirect_slashes=False, default=_nowhere)


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
