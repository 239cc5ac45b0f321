"""RELAY's frames: JSON-RPC 2.0 both ways, an object a message, in the present form and in the older one (Blade).

Pure. A session (`relay.session`) reads what its peer sent with `read`, and writes what the functions here compose.
"""

from typing import Any, Final

import msgspec

MAX_FRAME: Final = 64 * 1024
"""Octets of a frame that comes in; a `messaging.send` of all that it may carry is shorter."""

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
"""JSON-RPC 2.0 §5.1. SignalWire's JavaScript client connects again after this one."""
UNAUTHENTICATED: Final = -32002
"""SignalWire's own: clients give up after it."""

CHANNEL: Final = "notifications"
"""Of Blade's protocols, the channel that events come on."""

Id = str | int | None

_encoder = msgspec.json.Encoder()


class Request(msgspec.Struct, frozen=True):
    """A peer wants something done, and, where there is an id, to be told what came of it."""

    method: str
    id: Id | msgspec.UnsetType = msgspec.UNSET
    params: dict[str, Any] = {}


class Reply(msgspec.Struct, frozen=True):
    """What came of a request of ours."""

    id: Id
    error: str | None
    """What the peer says went wrong; None: nothing did."""


class Malformed(Exception):
    """A frame that is no request and no reply."""

    def __init__(self, code: int, message: str, id: Id = None) -> None:
        super().__init__(message)
        self.code = code
        self.id = id


class Refused(Exception):
    """A request is answered with an error: as such it cannot be served."""

    def __init__(self, code: int, message: str, close: int | None = None, **data: str) -> None:
        """`close`: the connection is closed behind the answer, with this code."""
        super().__init__(message)
        self.code = code
        self.close = close
        self.data = data


def read(frame: bytes) -> Request | Reply:
    """Raises Malformed."""
    try:
        content = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed(PARSE_ERROR, "The frame is not JSON") from None
    if not isinstance(content, dict):
        raise Malformed(INVALID_REQUEST, "The frame is not an object")
    if "method" not in content and ("result" in content or "error" in content):
        return _reply(content)
    try:
        return msgspec.convert(content, Request)
    except msgspec.ValidationError as error:
        raise Malformed(INVALID_REQUEST, str(error), _id(content)) from None


def _reply(content: dict[str, Any]) -> Reply:
    error = content.get("error")
    said = None if error is None else str(error.get("message") if isinstance(error, dict) else error)
    return Reply(_id(content), said)


def _id(content: dict[str, Any]) -> Id:
    given = content.get("id")
    return given if isinstance(given, str | int) else None


def request(id: str, method: str, params: dict[str, Any]) -> str:
    return _text({"jsonrpc": "2.0", "id": id, "method": method, "params": params})


def result(id: Id, content: dict[str, Any]) -> str:
    return _text({"jsonrpc": "2.0", "id": id, "result": content})


def error(id: Id, code: int, message: str, data: dict[str, str] | None = None) -> str:
    content: dict[str, Any] = {"code": code, "message": message}
    if data:
        content["data"] = data
    return _text({"jsonrpc": "2.0", "id": id, "error": content})


def _text(content: dict[str, Any]) -> str:
    return _encoder.encode(content).decode()


class Form(msgspec.Struct, frozen=True):
    """What the two forms call the same things."""

    event: str
    disconnect: str
    acknowledges: bool
    """Whether a client replies to events, and to pings: of the older form it only pings, and never replies."""


RELAY: Final = Form("signalwire.event", "signalwire.disconnect", acknowledges=True)
BLADE: Final = Form("blade.broadcast", "blade.disconnect", acknowledges=False)


def event(form: Form, id: str, protocol: str, params: dict[str, Any]) -> str:
    """The frame that tells of `params` (`dialects.signalwire_relay.event_params`); `protocol` is the session's."""
    if form is RELAY:
        return request(id, form.event, params)
    broadcast = {
        "protocol": protocol,
        "channel": CHANNEL,
        "event": "queuing.relay.messaging",
        "params": params,
    }
    return request(id, form.event, broadcast)
