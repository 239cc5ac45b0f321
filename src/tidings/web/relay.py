"""RELAY's WebSockets: at `/`, where most clients connect, and at `/api/relay/ws`, where SignalWire's Go one does.

The composition in `app` mounts these routes. What is said on a connection is `relay.session`'s; what the server
must be told for it is `UVICORN`, a part of its configuration.
"""

from typing import Any, Final

from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from tidings.dialects.signalwire_relay import NAME
from tidings.gateway.submit import Submitted
from tidings.model import Account, Order
from tidings.relay.frames import MAX_FRAME
from tidings.relay.session import Gone, Session
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway

GOODBYE: Final = 10.0
"""Seconds that a peer has to read what was written before its connection was closed."""


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    endpoint = _Endpoint(gateway, authenticator)
    return [WebSocketRoute("/", endpoint), WebSocketRoute("/api/relay/ws", endpoint)]


class _Endpoint:
    """An ASGI application. What sessions ask of the gateway goes through here (`relay.methods.Gateway`)."""

    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        if self._gateway.draining:
            refusal = PlainTextResponse("The gateway is going down", 503, {"Retry-After": "1"})
            await websocket.send_denial_response(refusal)
            return
        await websocket.accept()
        await Session(_Wire(websocket), self._gateway.hub, self).run()

    async def owner(self, user: str, password: bytes) -> Account:
        return await self._authenticator.owner(user, password, NAME)

    async def submit(self, account: Account, order: Order) -> Submitted:
        return await self._gateway.submit(account, order)


class _Wire:
    """Implements `relay.session.Wire`."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> bytes:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise Gone
        content: bytes | None = message.get("bytes")
        text: str = message.get("text") or ""
        return text.encode() if content is None else content

    async def send(self, frame: str) -> None:
        try:
            await self._websocket.send_text(frame)
        except (WebSocketDisconnect, RuntimeError):
            # The latter where the closing has begun: by the peer, or by the server over a frame that is too long.
            raise Gone from None

    async def close(self, code: int, reason: str) -> None:
        try:
            await self._websocket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError):
            raise Gone from None


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, less patient with a peer that neither reads nor closes, and calmer about text that is none."""

    def handle_text(self, event: Frame) -> None:
        # uvicorn would decode it, and log a stack where it is not UTF-8; whoever reads JSON finds that out anyway.
        self.handle_bytes(event)

    async def run_asgi(self) -> None:
        await super().run_asgi()
        # A connection that is closed waits for its peer to take what was written, for as long as the peer likes.
        self.loop.call_later(GOODBYE, self.transport.abort)


UVICORN: Final[dict[str, Any]] = {
    "ws": WebSocketProtocol,
    "ws_max_size": MAX_FRAME,
    "ws_ping_interval": None,  # RELAY has pings of its own
    "ws_per_message_deflate": False,  # frames are short, and every compressor holds some 100 KiB
}
"""Settings for `uvicorn.Config`."""
