"""The web room put together: every dialect's routes and our own, over one gateway, as one ASGI application.

The composition root calls `build` and hands the result to uvicorn; it has no start or stop of its own.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from tidings.dialects.twilio import API_VERSION
from tidings.dialects.twilio_monitor import ALERTS
from tidings.dialects.twilio_services import SERVICES
from tidings.errors import Problem
from tidings.web import (
    callbacks,
    media,
    mm7,
    monitor,
    own,
    own_clock,
    own_numbers,
    own_opt_outs,
    relay,
    signalwire_compat,
    signalwire_compat_numbers,
    signalwire_numbers,
    signalwire_rest,
    simulator,
    twilio,
    twilio_numbers,
    twilio_services,
    twilio_sms,
    twilio_xml,
)
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.wire import Answer, Endpoint, Handler, Request

_PROJECT: Final = re.compile(rf"/{API_VERSION}/Accounts/[0-9a-fA-F]{{8}}-").match
"""Paths that Twilio and SignalWire share: whose they are shows in how the account is spelled."""


def build(gateway: Gateway) -> ASGIApp:
    authenticator = Authenticator(gateway.accounts, gateway.api_keys, gateway.clock, gateway.concurrency)
    ours = (own, own_clock, callbacks, own_numbers, own_opt_outs, simulator)
    theirs = (
        twilio,
        twilio_numbers,
        twilio_services,
        twilio_sms,
        monitor,
        media,
        mm7,
        signalwire_rest,
        signalwire_numbers,
        relay,
    )
    compat = (signalwire_compat, signalwire_compat_numbers)
    return _Paths(
        [route for room in (*ours, *theirs) for route in room.routes(gateway, authenticator)],
        [route for room in compat for route in room.routes(gateway, authenticator)],
    )


_Place = tuple[re.Pattern[str], ASGIApp]


class _Paths(Router):
    """A router that looks at the path alone and goes straight to its endpoint, which knows about methods.

    Starlette's own way there, through mounts, converters and methods, costs each message some 5 µs more.
    """

    def __init__(self, routes: Sequence[BaseRoute], compat: Sequence[BaseRoute]) -> None:
        super().__init__((*routes, *compat), default=_nowhere)
        self._rooms = _by_first_segment(routes)
        self._compat = _by_first_segment(compat)
        self._sockets = {route.path: route.app for route in routes if isinstance(route, WebSocketRoute)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if scope["type"] == "websocket":
            return await self._sockets.get(path, self.default)(scope, receive, send)
        if scope["type"] == "http":
            first = path[1 : path.find("/", 1)] if "/" in path[1:] else path[1:]
            for rooms in (self._compat,) if _PROJECT(path) else (self._rooms, self._compat):
                for pattern, endpoint in rooms.get(first, ()):
                    if found := pattern.match(path):
                        scope["path_params"] = found.groupdict()
                        return await endpoint(scope, receive, send)
        return await self.default(scope, receive, send)


def _by_first_segment(routes: Sequence[BaseRoute]) -> dict[str, list[_Place]]:
    rooms: dict[str, list[_Place]] = {}
    for route in routes:
        if isinstance(route, Route):
            rooms.setdefault(route.path.split("/")[1], []).append((route.path_regex, route.app))
    return rooms


_REFUSALS: Final[tuple[tuple[str, Callable[[Problem], Answer]], ...]] = (
    (ALERTS, twilio.refuse),
    (SERVICES, twilio.refuse),
    ("/v1/", own.refuse),
    ("/health/", own.refuse),
    ("/api/laml/", signalwire_compat.refuse),
    ("/api/messaging/", signalwire_rest.refuse),
    ("/api/relay/rest/", signalwire_numbers.refuse),
    ("/api/fabric/", signalwire_rest.refuse),
)


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """No path of ours: not found, in the words of whoever is most likely to be asking."""
    if scope["type"] == "websocket":
        await WebSocketClose()(scope, receive, send)
        return
    path = scope["path"]
    not_found: dict[str, Handler] = {scope["method"]: _not_found}
    refuse = next((refuse for prefix, refuse in _REFUSALS if path.startswith(prefix)), None)
    if refuse is None and _PROJECT(path):
        refuse = signalwire_compat.refuse
    in_xml = path.startswith(f"/{API_VERSION}/") and not path.endswith(".json")
    twilio_s = Endpoint(not_found, twilio_xml.refuse if in_xml else twilio.refuse, twilio.stamp)
    await (twilio_s if refuse is None else Endpoint(not_found, refuse))(scope, receive, send)


async def _not_found(request: Request) -> Answer:
    raise Problem(20404, value=request.path)
