"""SignalWire's words for messages of its REST API: JSON members become an `Order`; messages and moves become JSON.

Pure translation both ways: the web room calls it with what came in and for what goes out, the callback room for
the body of a status callback, which RELAY's and SWML's `status_callback` have as well. Errors are in
`signalwire_rest_errors`, logs in `signalwire_rest_logs`. Shapes: SignalWire REST API, "Messages".
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from tidings import phone
from tidings.callbacks.url import InvalidUrl, parse_url
from tidings.clock import zulu
from tidings.dialects.signalwire import MAX_MEDIA, RESOURCE, REST, error_word
from tidings.dialects.signalwire_rest_errors import MAX_VARIABLE, MAX_VARIABLES, RESERVED, Fault, Invalid
from tidings.errors import words
from tidings.ids import dashed
from tidings.lifecycle import Status
from tidings.model import Direction, Event, Message, Order, Standing

NAME: Final = REST
LOGS: Final = "/api/messaging/logs"

_TOLD: Final = frozenset(
    {
        Status.QUEUED,
        Status.SENDING,
        Status.SENT,
        Status.DELIVERED,
        Status.UNDELIVERED,
        Status.FAILED,
        Status.CANCELED,
        Status.READ,
    }
)
_UNSUCCESSFUL: Final = frozenset({Status.FAILED, Status.UNDELIVERED})

_DESTINATION: Final = re.compile(r"\+[0-9]{5,17}|\+?[0-9]{3}")
"""E.164, or a number of three digits that is the same everywhere (988)."""
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_create(members: dict[str, Any]) -> tuple[Order, tuple[str, ...]]:
    """What a create asks for, and the names of members that were given and have no effect.

    A member that is null counts as not given. Raises Invalid with all that can be told from the members alone;
    whether a URL may be called is found out when it is, so `url_is_unsafe` is never said.
    """
    given = {name: value for name, value in members.items() if value is not None}
    _refuse_whatsapp(given)
    read: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, reader in _READERS.items():
        try:
            read[name] = reader(given.get(name))
        except Invalid as invalid:
            faults += invalid.faults
    if read.get("body") == "" and read.get("media") == ():
        faults.append(Fault("body", "body_or_media_required"))
    if faults:
        raise Invalid(*faults)
    variables = read["custom_variables"]
    order = Order(
        dialect=NAME,
        sender=read["from"],
        recipient=read["to"],
        body=read["body"],
        callback_url=read["status_callback"],
        media=read["media"],
        as_mms=read["send_as_mms"],
        extras={"custom_variables": variables} if variables else {},
    )
    return order, tuple(name for name in given if name not in _READERS)


def parse_redact(members: dict[str, Any]) -> tuple[str, ...]:
    """The names of members without effect, where `body` is the empty string that asks for it to be taken away.

    Raises Invalid where it is not.
    """
    if members.get("body") is None:
        raise Invalid(Fault("body", "missing_required_parameter"))
    if members["body"] != "":
        raise Invalid(Fault("body", "body_must_be_empty"))
    return tuple(name for name, value in members.items() if name != "body" and value is not None)


def _refuse_whatsapp(given: dict[str, Any]) -> None:
    """Raise for what only WhatsApp has: no other word about such a message would make sense."""
    faults = [Fault(name, "feature_not_available") for name in ("message_type", "template_id") if name in given]
    sender = given.get("from")
    if isinstance(sender, str) and sender.lower().startswith("whatsapp:"):
        faults.insert(0, Fault("from", "feature_not_available", sender))
    if faults:
        raise Invalid(*faults)


def _recipient(value: Any) -> str:
    number = _required("to", value)
    if not _DESTINATION.fullmatch(number):
        raise Invalid(Fault("to", "not_e164", number))
    return number


def _sender(value: Any) -> str:
    """The number or short code; and a sender name, which the vendor does not have, as far as its form goes."""
    address = _required("from", value)
    if phone.sender_kind(address) is None:
        raise Invalid(Fault("from", "invalid_from_number", address))
    return address


def _required(name: str, value: Any) -> str:
    if value is None or value == "":
        raise Invalid(Fault(name, "missing_required_parameter"))
    if not isinstance(value, str):
        raise Invalid(Fault(name, "not_a_string"))
    return value


def _body(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Invalid(Fault("body", "invalid_message_body"))
    return value


def _media(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(url, str) for url in value):
        raise Invalid(Fault("media", "not_an_array_of_strings"))
    faults = [Fault("media", "media_limit_exceeded")] if len(value) > MAX_MEDIA else []
    unusable = next((url for url in value if not _callable(url)), None)
    if unusable is not None:
        faults.append(Fault("media", "invalid_media_url", unusable))
    if faults:
        raise Invalid(*faults)
    return tuple(value)


def _send_as_mms(value: Any) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise Invalid(Fault("send_as_mms", "not_a_boolean"))
    return value


def _status_callback(value: Any) -> str | None:
    """The URL as given, or none where it is empty."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Invalid(Fault("status_callback", "not_an_http_url"))
    if not _callable(value):
        raise Invalid(Fault("status_callback", "not_an_http_url", value))
    return value


def _callable(url: str) -> bool:
    try:
        parse_url(url)
    except InvalidUrl:
        return False
    return True


def _custom_variables(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Invalid(Fault("custom_variables", "must_be_object"))
    faults = [Fault("custom_variables", "too_many_custom_variables")] if len(value) > MAX_VARIABLES else []
    for word, is_wrong in _VARIABLE_RULES.items():
        breach = next((name for name, text in value.items() if is_wrong(name, text)), None)
        if breach is not None:
            faults.append(Fault("custom_variables", word, breach))
    if faults:
        raise Invalid(*faults)
    return value


_VARIABLE_RULES: Final[dict[str, Callable[[str, Any], bool]]] = {
    "invalid_custom_variable_name": lambda name, _: not _VARIABLE_NAME.fullmatch(name),
    "reserved_custom_variable_name": lambda name, _: name.lower().startswith(RESERVED),
    "invalid_custom_variable_value": lambda _, text: not isinstance(text, str) or not text,
    "custom_variable_value_too_long": lambda _, text: isinstance(text, str) and len(text.encode()) > MAX_VARIABLE,
}
"""Word → whether it is to be said of a name and its value."""

_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "to": _recipient,
    "from": _sender,
    "body": _body,
    "media": _media,
    "send_as_mms": _send_as_mms,
    "status_callback": _status_callback,
    "custom_variables": _custom_variables,
}
"""Member → what its value, or None, comes to in an order. Raise Invalid."""


def message_json(message: Message, standing: Standing, links: Sequence[str]) -> dict[str, Any]:
    """The message resource; `links` are the URLs of its media.

    A message that came in is `received`, which the vendor's list of statuses leaves out.
    """
    error = standing.error
    return {
        "id": dashed(message.id),
        "from": message.sender,
        "to": message.recipient,
        "body": message.body,
        "status": RESOURCE[standing.status],
        "direction": "inbound" if message.direction is Direction.INBOUND else "outbound",
        "kind": message.channel,
        "media": list(links),
        "number_of_segments": message.segments,
        "error_code": None if error is None else error_word(error),
        "error_message": None if error is None else words(error),
        "created_at": zulu(message.created_at),
        "project_id": dashed(message.account),
        "status_callback_url": message.callback_url,
        "message_uri": f"{LOGS}/{dashed(message.id)}",
    }


def tells(event: Event) -> bool:
    """Whether the application is called back about this event: every move of an outbound one, its first too."""
    return event.moved and event.status in _TOLD


def callback_json(message: Message, event: Event) -> dict[str, Any]:
    """The body of the status callback that tells of `event`.

    Ten members always (SignalWire: "Message status callback"), `custom_variables` behind them where the message
    was given any, and nothing else: the vendor's schema is closed.
    """
    error = event.error if event.status in _UNSUCCESSFUL else None
    body: dict[str, Any] = {
        "id": dashed(message.id),
        "project_id": dashed(message.account),
        "status": RESOURCE[event.status],
        "to": message.recipient,
        "from": message.sender,
        "body": message.body,
        "number_of_segments": message.segments,
        "timestamp": zulu(event.at),
        "error_code": None if error is None else error_word(error),
        "error_message": None if error is None else words(error),
    }
    if variables := message.extras.get("custom_variables"):
        body["custom_variables"] = variables
    return body
