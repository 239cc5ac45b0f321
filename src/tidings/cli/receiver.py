"""An application's end of status callbacks: takes them in, and says whether their signature is right.

`listen` and `demo` put it behind a port; what is done with a callback is the caller's.
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MOST: Final = 65_536
"""Octets of a request body; the gateway's callbacks have a few hundred."""


class Received(msgspec.Struct, frozen=True):
    """One callback."""

    url: str
    """As it was called, which is what was signed. Behind a proxy that changes host or scheme it is another one."""
    params: list[tuple[str, str]]
    signature: str
    """X-Twilio-Signature; "" where there was none."""
    token: str
    """I-Twilio-Idempotency-Token: the same whenever the same event is told again."""

    def get(self, name: str) -> str:
        return dict(self.params).get(name, "")


class Receiver:
    """An ASGI application; `take` is given each callback and says whether to answer 204 or 403."""

    def __init__(self, take: Callable[[Received], bool]) -> None:
        self._take = take

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            status = await self._answer(Request(scope, receive))
        except ClientDisconnect:
            return
        await Response(status_code=status)(scope, receive, send)

    async def _answer(self, request: Request) -> int:
        if request.method != "POST":
            return 405
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST:
                return 413
        query = request.scope["query_string"].decode("latin-1")
        path = request.scope["raw_path"].decode("latin-1")
        received = Received(
            url=f"{request.url.scheme}://{request.headers.get('host', '')}{path}{'?' * bool(query)}{query}",
            params=parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True),
            signature=request.headers.get("x-twilio-signature", ""),
            token=request.headers.get("i-twilio-idempotency-token", ""),
        )
        return 204 if self._take(received) else 403
