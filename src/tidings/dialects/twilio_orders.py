"""What Twilio's requests about messages ask for: a create as an `Order`, an update, a feedback.

Pure translation: the web room calls it with the parameters that came in. What goes out is in `twilio`, the
parameters of lists are in `twilio_lists`. Shapes are those of the API 2010-04-01.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from tidings.callbacks.url import InvalidUrl, parse_url
from tidings.clock import micros
from tidings.dialects.twilio import NAME, Params
from tidings.errors import Problem
from tidings.ids import from_sid
from tidings.lifecycle import Status
from tidings.model import Order

MAX_MEDIA: Final = 10
"""`MediaUrl` parameters (21623)."""
MAX_VALIDITY: Final = 36_000
"""Seconds (21624)."""

_HEEDED: Final = frozenset(
    {"To", "From", "MessagingServiceSid", "Body", "MediaUrl", "SendAsMms", "StatusCallback", "ValidityPeriod"}
    | {"SmartEncoded", "MaxPrice", "ScheduleType", "SendAt", "MessageIntent", "ProvideFeedback"}
)
_BOOLEANS: Final = frozenset({"ForceDelivery", "ShortenUrls"})
_INTENTS: Final = frozenset(
    {"otp", "notifications", "marketing", "fraud", "security", "customercare", "delivery", "education", "polling"}
    | {"announcements", "events"}
)
_CHOICES: Final = {
    "ContentRetention": (frozenset({"retain", "discard"}), 30029),
    "AddressRetention": (frozenset({"retain", "obfuscate"}), 30030),
    "RiskCheck": (frozenset({"enable", "disable"}), 20422),
}
_ASKS_NOTHING: Final = frozenset(
    {*((name, "false") for name in _BOOLEANS), ("ContentRetention", "retain"), ("AddressRetention", "retain")}
    | {("RiskCheck", "disable")}
)
"""Given with these values, a parameter that has no effect has lost none."""
_TRUTH: Final = {"true": True, "false": False}
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)", re.ASCII)
_PRICE: Final = re.compile(r"(?=\.?[0-9])([0-9]{0,9})(?:\.([0-9]*))?")
"""US dollars."""


def parse_create(params: Params) -> tuple[Order, str | None, tuple[str, ...]]:
    """What a create asks for, the id of the application that is told of it, and the names of parameters that were
    given and have no effect.

    Of a parameter that comes twice the last one counts, `MediaUrl` excepted; an empty one counts as not given.
    Raises Problem for what can be told from the parameters alone.
    """
    given = dict(params)
    recipient = given.get("To", "")
    if not recipient:
        raise Problem(21604)
    sender, service = _origin(given)
    send_at = _send_at(given, service) if given.get("SendAt") or given.get("ScheduleType") else None
    application = None
    unheeded = given.keys() - _HEEDED
    if unheeded:
        if content := given.get("ContentSid"):
            raise Problem(21655, value=content)
        application = _application(given)
        if application is not None:
            unheeded.discard("ApplicationSid")
    body = given.get("Body", "")
    media = _media(params) if "MediaUrl" in given else ()
    if not (body or media):
        raise Problem(21602)
    order = Order(
        dialect=NAME,
        sender=sender,
        recipient=recipient,
        body=body,
        callback_url=_callback_url(given.get("StatusCallback", "")),
        validity=_validity(given.get("ValidityPeriod", "")),
        send_at=send_at,
        smart_encoded=_boolean("SmartEncoded", given.get("SmartEncoded", "")),
        media=media,
        as_mms=_boolean("SendAsMms", given.get("SendAsMms", "")),
        service=service,
        deferred=service is not None,
        max_price=_max_price(given.get("MaxPrice", "")),
        extras=_extras(given),
    )
    return order, application, _without_effect(given, unheeded) if unheeded else ()


def _origin(given: dict[str, str]) -> tuple[str, str | None]:
    """Whom the message is from ("" where a service is to choose), and the id of the service that is named."""
    sender, named = given.get("From", ""), given.get("MessagingServiceSid", "")
    if sender.startswith("MG") and from_sid(sender, "MG"):
        sender, named = "", named or sender
    if not named:
        if not sender:
            raise Problem(21603)
        return sender, None
    service = from_sid(named, "MG")
    if service is None:
        raise Problem(21705, value=named)
    return sender, service


def _media(params: Params) -> tuple[str, ...]:
    """The URLs of what is to go with the message."""
    media = tuple(value for name, value in params if name == "MediaUrl" and value)
    if len(media) > MAX_MEDIA:
        raise Problem(21623)
    for url in media:
        try:
            parse_url(url)
        except InvalidUrl as error:
            raise Problem(21620, value=url, reason=str(error)) from None
    return media


def _send_at(given: dict[str, str], service: str | None) -> int:
    """When it is to be sent, microseconds since 1970. How far ahead that may be is for the gateway to say."""
    kind, when = given.get("ScheduleType", ""), given.get("SendAt", "")
    if service is None:
        raise Problem(35118)
    if kind != "fixed":
        raise Problem(35126, value=kind)
    if not when:
        raise Problem(35111)
    if not _ISO.fullmatch(when):
        raise Problem(35114, value=when, reason="it must be a time like 2026-12-31T23:59:59Z")
    try:
        return micros(datetime.fromisoformat(when))
    except ValueError:
        raise Problem(35114, value=when) from None


def _extras(given: dict[str, str]) -> dict[str, Any]:
    """What is kept with the message for later."""
    extras: dict[str, Any] = {}
    if _boolean("ProvideFeedback", given.get("ProvideFeedback", "")):
        extras["feedback"] = True
    if intent := given.get("MessageIntent"):
        if intent not in _INTENTS:
            raise Problem(20422, name="MessageIntent", value=intent)
        extras["intent"] = intent
    return extras


def _application(given: dict[str, str]) -> str | None:
    """The id of the application that is to be told; one that is named beside a `StatusCallback` is not."""
    named = given.get("ApplicationSid")
    if not named or given.get("StatusCallback"):
        return None
    application = from_sid(named, "AP")
    if application is None:
        raise Problem(21218, value=named)
    return application


def _without_effect(given: dict[str, str], names: set[str]) -> tuple[str, ...]:
    """The names, in the order they came, whose values ask for something that is not done."""
    found = []
    for name, value in given.items():
        if name in names and value:
            _check_unheeded(name, value)
            if (name, value.lower()) not in _ASKS_NOTHING:
                found.append(name)
    return tuple(found)


def _check_unheeded(name: str, value: str) -> None:
    """Raise for a value that would be wrong even where the parameter had an effect."""
    allowed, code = _CHOICES.get(name, (frozenset({value}), 20422))
    if value not in allowed:
        raise Problem(code, name=name, value=value)
    if name in _BOOLEANS:
        _boolean(name, value)


def _validity(value: str) -> int | None:
    if not value:
        return None
    seconds = int(value) if re.fullmatch(r"[0-9]{1,5}", value) else 0
    if not 1 <= seconds <= MAX_VALIDITY:
        raise Problem(21624, value=value)
    return seconds


def _max_price(value: str) -> int | None:
    """Micro-USD."""
    if not value:
        return None
    price = _PRICE.fullmatch(value)
    if price is None:
        raise Problem(21627, value=value)
    dollars, fraction = price.groups("")
    return int(dollars or "0") * 1_000_000 + int(f"{fraction[:6]:0<6}")


def _boolean(name: str, value: str) -> bool:
    if not value:
        return False
    truth = _TRUTH.get(value.lower())
    if truth is None:
        raise Problem(20422, name=name, value=value)
    return truth


def _callback_url(value: str) -> str | None:
    """The URL as given; connection overrides may follow it as a `#fragment`."""
    if not value:
        return None
    try:
        parse_url(value)
    except InvalidUrl as error:
        raise Problem(21609, reason=str(error)) from None
    return value


class Change(StrEnum):
    """What an update can ask for."""

    CANCEL = "cancel"
    REDACT = "redact"


def parse_update(params: Params) -> tuple[Change, tuple[str, ...]]:
    """What an update asks for: `Status=canceled`, or an empty `Body`; and the names of parameters without effect.

    Raises Problem: 20422.
    """
    given = dict(params)
    if status := given.get("Status"):
        if status != Status.CANCELED:
            raise Problem(20422, name="Status", value=status)
        if given.get("Body"):
            raise Problem(20422, name="Body", reason="a text can be taken away, not changed: it must be empty")
        return Change.CANCEL, tuple(name for name, value in given.items() if value and name != "Status")
    if "Body" not in given:
        raise Problem(20422, name="Body", reason="it is missing; an empty one redacts the message")
    if given["Body"]:
        raise Problem(20422, name="Body", reason="a text can be taken away, not changed: it must be empty")
    return Change.REDACT, tuple(name for name, value in given.items() if value)


OUTCOMES: Final = frozenset({"confirmed", "unconfirmed"})


def parse_feedback(params: Params) -> tuple[str, tuple[str, ...]]:
    """The `Outcome`, and the names of parameters without effect. Raises Problem 20422."""
    given = dict(params)
    outcome = given.get("Outcome") or "confirmed"
    if outcome not in OUTCOMES:
        raise Problem(20422, name="Outcome", value=outcome)
    return outcome, tuple(name for name, value in given.items() if value and name != "Outcome")
