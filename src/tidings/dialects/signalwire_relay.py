"""SignalWire's RELAY words for messages: `messaging.send` becomes an `Order`; messages and moves become events.

Pure translation both ways. The sessions (`relay.session`) call it with what an application asks for, the hub
(`relay.hub`) for what they are told, and the callback room for which events that is. How frames carry it is
`relay.frames`'.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from tidings.callbacks.url import InvalidUrl, parse_url
from tidings.clock import SECOND
from tidings.dialects import signalwire
from tidings.errors import Problem
from tidings.ids import dashed
from tidings.lifecycle import Status
from tidings.model import Direction, Event, Message, Order

NAME: Final = signalwire.RELAY

MAX_CONTEXTS: Final = 100
"""In one request; ours, like the limits below: SignalWire names none."""
MAX_TAGS: Final = 50

_PRINTABLE: Final = r"^[^\x00-\x1f\x7f]+$"
Context = Annotated[str, Meta(max_length=200, pattern=_PRINTABLE)]
_Tag = Annotated[str, Meta(max_length=255, pattern=_PRINTABLE)]

_TOLD: Final = frozenset(
    {
        Status.QUEUED,
        Status.SENDING,
        Status.SENT,
        Status.DELIVERED,
        Status.UNDELIVERED,
        Status.FAILED,
        Status.RECEIVED,
    }
)
_UNSUCCESSFUL: Final = frozenset({Status.UNDELIVERED, Status.FAILED})

_ATTRIBUTES: Final[dict[int, str]] = {
    21211: "to_number",
    21212: "from_number",
    21408: "to_number",
    21602: "body",
    21603: "from_number",
    21604: "to_number",
    21606: "from_number",
    21609: "status_callback",
    21610: "to_number",
    21611: "from_number",
    21612: "to_number",
    21614: "to_number",
    21617: "body",
    21619: "body",
    21620: "media",
    21621: "media",
}
"""Code of a problem → the parameter that is wrong."""
_NAMES: Final[dict[str, str]] = {
    "To": "to_number",
    "From": "from_number",
    "Body": "body",
    "MediaUrl": "media",
    "StatusCallback": "status_callback",
}
"""What the catalogue calls parameters → what they are called here."""
_QUOTED: Final = re.compile("'(" + "|".join(_NAMES) + ")'")

T = TypeVar("T")


class _Send(msgspec.Struct, frozen=True):
    """The parameters of `messaging.send` that mean something; others are let be."""

    from_number: str | None = None
    to_number: str | None = None
    body: str | None = None
    media: list[str] | None = None
    tags: Annotated[list[_Tag], Meta(max_length=MAX_TAGS)] | None = None
    region: _Tag | None = None
    context: Context | None = None
    topic: Context | None = None
    """What SignalWire's newer documents call a context."""
    status_callback: str | None = None


class _Contexts(msgspec.Struct, frozen=True):
    contexts: Annotated[list[Context], Meta(max_length=MAX_CONTEXTS)] = []


def parse_send(params: dict[str, Any]) -> Order:
    """What `messaging.send` asks for; `extras["context"]` is there only where one was named.

    Raises Problem for what can be told from the parameters alone.
    """
    send = _converted(params, _Send)
    if not send.to_number:
        raise Problem(21604)
    if not send.from_number:
        raise Problem(21603)
    media = tuple(send.media or ())
    if not (send.body or media):
        raise Problem(21619)
    if len(media) > signalwire.MAX_MEDIA:
        raise Problem(20422, name="media", reason=f"{signalwire.MAX_MEDIA} at most")
    for url in media:
        _check_url(url, 21620)
    if send.status_callback:
        _check_url(send.status_callback, 21609)
    extras = {"context": send.context or send.topic, "tags": send.tags, "region": send.region}
    return Order(
        dialect=NAME,
        sender=send.from_number,
        recipient=send.to_number,
        body=send.body or "",
        callback_url=send.status_callback or None,
        media=media,
        extras={name: value for name, value in extras.items() if value},
    )


def parse_contexts(params: dict[str, Any]) -> list[str]:
    """The contexts that are named by `signalwire.connect`, `signalwire.receive` and the like. Raises Problem."""
    return _converted(params, _Contexts).contexts


def _converted(params: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(params, kind)
    except msgspec.ValidationError as error:
        raise Problem(20422, reason=str(error)) from None


def _check_url(url: str, code: int) -> None:
    try:
        parse_url(url)
    except InvalidUrl as error:
        raise Problem(code, reason=str(error)) from None


def tells(event: Event) -> bool:
    """Whether the sessions that listen to the message's context are told of this event."""
    return event.moved and event.status in _TOLD


def event_params(message: Message, event: Event, media: Sequence[str]) -> dict[str, Any]:
    """What a session is told of `event`: `messaging.receive` where the message came in, else `messaging.state`.

    `media` are URLs. `space_id` is the project's: there is one project in each space here.
    """
    inbound = message.direction is Direction.INBOUND
    project, context = dashed(message.account), message.extras["context"]
    told: dict[str, Any] = {
        "message_id": dashed(message.id),
        "context": context,
        "direction": "inbound" if inbound else "outbound",
        "tags": _tags(message, context, inbound),
        "from_number": message.sender,
        "to_number": message.recipient,
        "body": message.body,
        "media": list(media),
        "segments": message.segments,
        "message_state": signalwire.RESOURCE[event.status],
    }
    if event.status in _UNSUCCESSFUL:
        told["reason"] = signalwire.error_word(event.error or 0)
    return {
        "event_type": "messaging.receive" if inbound else "messaging.state",
        "timestamp": event.at / SECOND,
        "space_id": project,
        "project_id": project,
        "context": context,
        "params": told,
    }


def _tags(message: Message, context: str, inbound: bool) -> list[str]:
    """Those that SignalWire gives to every message, and behind them those it was sent with."""
    direction = "inbound" if inbound else "outbound"
    channel = message.channel.upper()
    automatic = ["message", direction, channel, context, message.recipient, message.sender, "relay-client"]
    return [*automatic, *message.extras.get("tags", ())]


def accepted_json(message: Message) -> dict[str, Any]:
    """The result of a `messaging.send` that was taken."""
    return {"code": "200", "message": "Message accepted", "message_id": dashed(message.id)}


def refusal_json(problem: Problem) -> dict[str, Any]:
    """The result of a request that was refused: 422 where the request is at fault, for which Twilio has 400."""
    code = 422 if problem.http == 400 else problem.http
    refusal: dict[str, Any] = {"code": str(code), "message": words(problem)}
    if attribute := _ATTRIBUTES.get(problem.code):
        refusal["errors"] = {attribute: [refusal["message"]]}
    return refusal


def words(problem: Problem) -> str:
    """What is wrong, with the parameters called as they are here."""
    return _QUOTED.sub(lambda quoted: f"'{_NAMES[quoted[1]]}'", problem.message)
