"""SignalWire's Compatibility API: parameters become an `Order`; messages and moves become its JSON and its forms.

Pure translation both ways: the web room calls it with what came in and for what goes out, the callback room for
the body of a status callback, the answering room for that of a webhook. Lists are in `signalwire_compat_lists`,
errors in `signalwire_compat_errors`.

Where SignalWire's descriptions contradict each other, its API description (OpenAPI) was followed: the `uri` of a
resource ends in `.json` and those of pages do not; `error_code` is text on a message, but `code` is a number in an
error body, whose `status` is the HTTP status; `more_info` is one address for all errors. Callbacks as forms have
the names of their JSON schema and no others. A URI always stands under `/api/laml`, whichever prefix was asked:
clients put their base URL before it, and all of their bases lead to a path that is served.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from tidings.answering.effects import Inbound
from tidings.callbacks.url import InvalidUrl, parse_url
from tidings.clock import SECOND
from tidings.dialects.signalwire import COMPAT, MAX_MEDIA, RESOURCE
from tidings.dialects.signalwire_compat_errors import error_json as error_json
from tidings.dialects.signalwire_compat_errors import number as number
from tidings.dialects.twilio import rfc2822
from tidings.errors import Problem, words
from tidings.ids import dashed, from_project
from tidings.lifecycle import Status
from tidings.model import Event, Medium, Message, Order, Standing

NAME: Final = COMPAT
API_VERSION: Final = "2010-04-01"

MAX_VALIDITY: Final = 172_800
"""Seconds (21624)."""
DEFAULT_VALIDITY: Final = 14_400
"""Seconds that a message may wait where its order does not say."""

Params = Sequence[tuple[str, str]]
"""Decoded form or query parameters, in the order they came; a name may come more than once."""

STATUSES: Final[dict[Status, str]] = RESOURCE | {Status.READ: "delivered"}
"""Where a message stands, as its resource says it; this API has no word for a read one."""

_TOLD: Final[dict[Status, str]] = {
    Status.QUEUED: "queued",
    Status.SENDING: "sending",
    Status.SENT: "sent",
    Status.DELIVERED: "delivered",
    Status.UNDELIVERED: "undelivered",
    Status.FAILED: "failed",
    Status.CANCELED: "failed",
    Status.RECEIVING: "receiving",
    Status.RECEIVED: "received",
}
"""What callbacks say, of the statuses they tell of: `sending`, where the resource says `initiated`."""

_UNSUCCESSFUL: Final = frozenset({Status.FAILED, Status.UNDELIVERED})
_CHARGED: Final = frozenset({Status.SENT, Status.DELIVERED, Status.UNDELIVERED, Status.READ})
_FREE: Final = frozenset({Status.FAILED, Status.CANCELED})

_HEEDED: Final = frozenset(
    {"To", "From", "MessagingServiceSid", "Body", "MediaUrl", "SendAsMms", "ApplicationSid", "MaxPrice"}
    | {"StatusCallback", "ValidityPeriod"}
)
_TRUTH: Final = {"": False, "true": True, "false": False}
_PRICE: Final = re.compile(r"([0-9]{1,9})(?:\.([0-9]{0,4}))?")
"""US dollars, to a hundredth of a cent."""


# --- what comes in
def parameters(body: dict[str, Any]) -> list[tuple[str, str]]:
    """The parameters of a JSON body, as a form would have brought them: a list is a name that comes repeatedly.

    Raises Problem: 20422 for values that no form could bring.
    """
    params = []
    for name, value in body.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict | list):
                raise Problem(20422, name=name, reason="it must be text, a number, or a list of these")
            params.append((name, _text(one)))
    return params


def _text(scalar: str | float | bool | None) -> str:
    if scalar is None:
        return ""
    if isinstance(scalar, bool):
        return "true" if scalar else "false"
    return str(scalar)


def parse_create(params: Params) -> tuple[Order, str | None, tuple[str, ...]]:
    """What a create asks for, the application that is told of it, and the names of parameters without effect.

    Of a parameter that comes twice the last one counts, `MediaUrl` excepted; an empty one counts as not given.
    Raises Problem for what can be told from the parameters alone.
    """
    given = {name: value for name, value in params if value}
    media = tuple(value for name, value in params if name == "MediaUrl" and value)
    service = given.get("MessagingServiceSid", "")
    if "To" not in given:
        raise Problem(21604)
    if "From" not in given and not service:
        raise Problem(21603)
    if "Body" not in given and not media:
        raise Problem(21602)
    _check_media(media)
    order = Order(
        dialect=NAME,
        sender=given.get("From", ""),
        recipient=given["To"],
        body=given.get("Body", ""),
        callback_url=_callback_url(given.get("StatusCallback")),
        validity=_validity(given.get("ValidityPeriod")),
        media=media,
        as_mms=_boolean("SendAsMms", given.get("SendAsMms", "")),
        service=_id(service, 21705),
        max_price=_price(given.get("MaxPrice")),
    )
    return order, _id(given.get("ApplicationSid", ""), 21218), without_effect(given, _HEEDED)


def parse_redaction(params: Params) -> tuple[str, ...]:
    """Check that an update asks for a redaction, the only one there is: an empty `Body`.

    Returns the names of parameters without effect. Raises Problem: 50509 where `Body` is missing or has text.
    """
    given = dict(params)
    if given.get("Body") != "":
        raise Problem(50509)
    return without_effect(given, frozenset({"Body"}))


def without_effect(given: dict[str, str], heeded: frozenset[str]) -> tuple[str, ...]:
    """The names, in the order they came, of parameters that were given a value and are not heeded."""
    return tuple(name for name, value in given.items() if value and name not in heeded)


def _check_media(media: tuple[str, ...]) -> None:
    if len(media) > MAX_MEDIA:
        raise Problem(21623)
    for url in media:
        if not url.lower().startswith(("http://", "https://")):
            raise Problem(21620, value=url)


def _id(value: str, code: int) -> str | None:
    """The id that a dashed UUID spells, None for none. Raises Problem `code` for anything else."""
    found = from_project(value)
    if value and found is None:
        raise Problem(code, value=value)
    return found


def _validity(value: str | None) -> int:
    if value is None:
        return DEFAULT_VALIDITY
    seconds = int(value) if re.fullmatch(r"[0-9]{1,6}", value) else 0
    if not 1 <= seconds <= MAX_VALIDITY:
        raise Problem(21624, value=value)
    return seconds


def _price(value: str | None) -> int | None:
    """Micro-USD."""
    if value is None:
        return None
    price = _PRICE.fullmatch(value)
    if price is None:
        raise Problem(21627, value=value, reason="US dollars with at most four decimal places")
    return int(price[1]) * 1_000_000 + int((price[2] or "").ljust(6, "0"))


def _boolean(name: str, value: str) -> bool:
    truth = _TRUTH.get(value.lower())
    if truth is None:
        raise Problem(20422, name=name, value=value)
    return truth


def _callback_url(value: str | None) -> str | None:
    """The URL as given; overrides of the time allowed may follow it as a `#fragment`."""
    if value is None:
        return None
    try:
        parse_url(value)
    except InvalidUrl as error:
        raise Problem(21609, reason=str(error)) from None
    return value


# --- what goes out
def account_uri(account: str) -> str:
    return f"/api/laml/{API_VERSION}/Accounts/{dashed(account)}"


def message_uri(message: Message) -> str:
    """Without `.json`."""
    return f"{account_uri(message.account)}/Messages/{dashed(message.id)}"


def message_json(message: Message, standing: Standing) -> dict[str, Any]:
    """The Message resource; `price` is positive, and what leaves unpriced routes or has not left has none."""
    uri = message_uri(message)
    error = standing.error
    return {
        "account_sid": dashed(message.account),
        "api_version": API_VERSION,
        "body": message.body,
        "num_segments": message.segments,
        "num_media": message.media,
        "date_created": rfc2822(message.created_at // SECOND),
        "date_sent": None if standing.sent_at is None else rfc2822(standing.sent_at // SECOND),
        "date_updated": rfc2822(standing.updated_at // SECOND),
        "direction": message.direction,
        "error_code": None if error is None else str(number(error)),
        "error_message": None if error is None else words(error),
        "from": message.sender,
        "price": _charge(message.price, standing.status),
        "price_unit": "USD",
        "sid": dashed(message.id),
        "status": STATUSES[standing.status],
        "to": message.recipient,
        "messaging_service_sid": None if message.service is None else dashed(message.service),
        "uri": f"{uri}.json",
        "subresource_uris": {"media": f"{uri}/Media.json"},
    }


def _charge(price: int | None, status: Status) -> float | None:
    """US dollars; a message that failed costs nothing, and one that may still fail has no price yet."""
    if price is None:
        return None
    if status in _CHARGED:
        return price / 1_000_000
    return 0.0 if status in _FREE else None


def medium_json(message: Message, medium: Medium) -> dict[str, Any]:
    """The Media resource. What has not been fetched yet may be anything (RFC 2046 §4.5.1)."""
    return {
        "account_sid": dashed(message.account),
        "content_type": medium.content_type or "application/octet-stream",
        "date_created": rfc2822(medium.created_at // SECOND),
        "date_updated": rfc2822(medium.updated_at // SECOND),
        "parent_sid": dashed(message.id),
        "sid": dashed(medium.id),
        "uri": f"{message_uri(message)}/Media/{dashed(medium.id)}.json",
    }


# --- what the application is told
def tells(event: Event) -> bool:
    """Whether the application is called back about this event: about every move to a status that has a word."""
    return event.moved and event.status in _TOLD


def callback_json(message: Message, event: Event) -> dict[str, Any]:
    """The status callback as SignalWire's webhook specification has it, and nothing beside."""
    body: dict[str, Any] = {"MessageStatus": _TOLD[event.status]}
    if event.error is not None and event.status in _UNSUCCESSFUL:
        body["ErrorCode"] = str(number(event.error))
    return body | {
        "MessageSid": dashed(message.id),
        "AccountSid": dashed(message.account),
        "From": message.sender,
        "To": message.recipient,
        "Body": message.body,
        "NumMedia": message.media,
        "NumSegments": message.segments,
    }


def callback_params(message: Message, event: Event) -> list[tuple[str, str]]:
    """The same as a form, with the same names: older ones (`SmsSid` …) are in no description of this callback."""
    return [(name, str(value)) for name, value in callback_json(message, event).items()]


def inbound_params(inbound: Inbound) -> list[tuple[str, str]]:
    """What the webhook for an inbound message is asked with (SignalWire, "Message webhook request parameters")."""
    own = dashed(inbound.message_id)
    params = [
        ("MessageSid", own),
        ("SmsSid", own),
        ("AccountSid", dashed(inbound.account)),
        ("From", inbound.sender),
        ("To", inbound.recipient),
        ("Body", inbound.body),
        ("NumMedia", str(len(inbound.media))),
        ("NumSegments", str(inbound.segments)),
        ("APIVersion", API_VERSION),
    ]
    for place, (url, content_type, _) in enumerate(inbound.media):
        params += [(f"MediaUrl{place}", url), (f"MediaContentType{place}", content_type)]
    return params
