"""An application's end of callbacks: takes them in, and says whether their signature is right.

`listen` and `demo` put it behind a port; what is done with a callback is the caller's.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MOST: Final = 65_536
"""Octets of a request body; the gateway's callbacks have a few hundred."""

Params = list[tuple[str, str]]


class Received(msgspec.Struct, frozen=True):
    """One callback."""

    method: str
    url: str
    """As it was called, which is what was signed. Behind a proxy that changes host or scheme it is another one."""
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes
    params: Params
    """What it tells, in the words of Twilio's parameters, in whichever form it came; none where that cannot be
    read."""

    @property
    def signature(self) -> str:
        """X-Twilio-Signature; "" where there was none."""
        return self.headers.get("x-twilio-signature", "")

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
        if request.method not in ("GET", "POST"):
            return 405
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST:
                return 413
        query = request.scope["query_string"].decode("latin-1")
        path = request.scope["raw_path"].decode("latin-1")
        received = Received(
            method=request.method,
            url=f"{request.url.scheme}://{request.headers.get('host', '')}{path}{'?' * bool(query)}{query}",
            headers=request.headers,
            body=bytes(body),
            params=_params(request, query, bytes(body)),
        )
        return 204 if self._take(received) else 403


def _params(request: Request, query: str, body: bytes) -> Params:
    if request.method == "GET":
        return parse_qsl(query, keep_blank_values=True)
    if not request.headers.get("content-type", "").startswith("application/json"):
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    try:
        if "webhook-id" in request.headers:
            return _of_event(msgspec.json.decode(body, type=_Told))
        return _of_members(msgspec.json.decode(body, type=dict[str, Any]))
    except msgspec.MsgspecError:
        return []


def _of_members(told: dict[str, Any]) -> Params:
    """Twilio's parameters as JSON has them, or those of SignalWire's REST under Twilio's names."""
    names = {} if "MessageStatus" in told else _REST
    members = {names.get(name, name): value for name, value in told.items()}
    return [(name, str(value)) for name, value in members.items() if isinstance(value, str | int)]


_REST: Final = {
    "id": "MessageSid",
    "status": "MessageStatus",
    "from": "From",
    "to": "To",
    "error_code": "ErrorCode",
    "timestamp": "TidingsTimestamp",
}


# --- what the account-wide URL is told, as far as it is read here
class _Error(msgspec.Struct):
    code: int


class _Event(msgspec.Struct):
    number: int
    error: _Error | None


class _Message(msgspec.Struct):
    sid: str
    sender: str = msgspec.field(name="from")
    recipient: str = msgspec.field(name="to")


class _Data(msgspec.Struct):
    message: _Message
    event: _Event


class _Told(msgspec.Struct):
    type: str
    timestamp: str
    data: _Data


def _of_event(told: _Told) -> Params:
    message, event = told.data.message, told.data.event
    return [
        ("MessageStatus", told.type),
        ("MessageSid", message.sid),
        ("From", message.sender),
        ("To", message.recipient),
        *([("ErrorCode", str(event.error.code))] if event.error else ()),
        ("TidingsSequence", str(event.number)),
        ("TidingsTimestamp", told.timestamp),
    ]
