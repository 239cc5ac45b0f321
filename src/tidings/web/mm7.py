"""Where MMSCs deliver: one path for each MM7 carrier, over HTTP, with the operator's own credentials.

The composition in `app` mounts the route. What is posted, and the answer to it, is the carrier's business
(`carriers.mm7.inbox`); here it is only read, within a limit, and only from those that the carrier admits.
"""

import logging
from collections.abc import Mapping
from typing import Final, Protocol, runtime_checkable

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tidings.carriers.base import Carrier
from tidings.carriers.mm7.inbox import Delivered
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.wire import Disconnected, Header

MAX_BODY: Final = 10 * 1024 * 1024
"""Octets of a delivery: a message of the largest content class has 600 kB (OMA MMS Conformance 1.3), and operators
that take more stay well below this."""

log = logging.getLogger(__name__)


@runtime_checkable
class TakesDeliveries(Protocol):
    """A carrier whose peer delivers over HTTP. Header names in lower case."""

    def admits(self, headers: Mapping[bytes, bytes]) -> bool: ...

    async def deliver(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivered: ...


def routes(gateway: Gateway, _: Authenticator) -> list[BaseRoute]:
    return [Route("/carriers/{name}/mm7", _Door(gateway.carriers))]


class _TooLong(Exception):
    pass


class _Door:
    """The path of every carrier. An ASGI application."""

    def __init__(self, carriers: Mapping[str, Carrier]) -> None:
        self._carriers = carriers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, headers, body = await self._answer(scope, receive)
        except Disconnected:
            return
        headers = [*headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: Scope, receive: Receive) -> Delivered:
        name = scope["path_params"]["name"]
        carrier = self._carriers.get(name)
        if not isinstance(carrier, TakesDeliveries):
            return _plain(404, "no carrier of that name takes deliveries")
        if scope["method"] != "POST":
            return _plain(405, "deliveries are posted", (b"allow", b"POST"))
        headers = dict(scope["headers"])
        try:
            # Of those that are not admitted nothing is read; the carrier says so.
            body = await _read(headers, receive) if carrier.admits(headers) else b""
            return await carrier.deliver(headers, body)
        except _TooLong:
            return _plain(413, f"a delivery may have {MAX_BODY} octets", (b"connection", b"close"))
        except Disconnected:
            raise
        except Exception:
            log.exception("carrier %s: a delivery failed", name)
            return _plain(500, "something went wrong here; it has been logged")


async def _read(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > MAX_BODY:
        raise _TooLong
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise _TooLong
        if not message.get("more_body", False):
            return bytes(body)


def _plain(status: int, words: str, *headers: Header) -> Delivered:
    return status, [(b"content-type", b"text/plain"), *headers], words.encode()
