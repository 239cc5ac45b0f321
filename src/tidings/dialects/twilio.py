"""Twilio's words for messages: form parameters become an `Order`; messages and moves become its JSON and forms.

Pure translation both ways: the web room calls it with what came in and for what goes out, the callback room for
the body of a status callback. Lists of messages are in `twilio_lists`. Shapes are those of the API 2010-04-01.
"""

import re
import time
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from tidings import phone
from tidings.answering.effects import Inbound
from tidings.callbacks.url import InvalidUrl, parse_url
from tidings.clock import SECOND, iso, micros
from tidings.errors import Problem, words
from tidings.ids import from_sid, sid
from tidings.lifecycle import Kind, Status
from tidings.model import Channel, Event, Medium, Message, Order, Standing

NAME: Final = "twilio"
API_VERSION: Final = "2010-04-01"

MAX_MEDIA: Final = 10
"""`MediaUrl` parameters (21623)."""
MAX_VALIDITY: Final = 36_000
"""Seconds (21624)."""

Params = Sequence[tuple[str, str]]
"""Decoded form or query parameters, in the order they came; a name may come more than once."""

_TOLD: Final = frozenset(
    {Status.QUEUED, Status.SENT, Status.FAILED, Status.DELIVERED, Status.UNDELIVERED, Status.READ, Status.CANCELED}
)
_UNSUCCESSFUL: Final = frozenset({Status.FAILED, Status.UNDELIVERED})
_RECEIPTED: Final = frozenset({Status.DELIVERED, Status.UNDELIVERED})

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

_DONE_DATE: Final = re.compile(
    r"(?:20)??(\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d)(?:[0-5]\d)?"
)


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


_CHARGED: Final = frozenset({Status.SENT, Status.DELIVERED, Status.UNDELIVERED, Status.READ})


def _price(message: Message, standing: Standing) -> str | None:
    """What it costs, as a negative amount; null until it has left, and where its route has no price."""
    if message.price is None or standing.status not in _CHARGED:
        return None
    return f"{-message.price / 1_000_000:.5f}"


def message_sid(message: Message) -> str:
    return sid("SM" if message.channel is Channel.SMS else "MM", message.id)


def message_uri(message: Message) -> str:
    """Without `.json`."""
    return f"/{API_VERSION}/Accounts/{sid('AC', message.account)}/Messages/{message_sid(message)}"


def message_json(message: Message, standing: Standing) -> dict[str, Any]:
    """The Message resource."""
    path = message_uri(message)
    error = standing.error
    return {
        "account_sid": sid("AC", message.account),
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": rfc2822(message.created_at // SECOND),
        "date_sent": None if standing.sent_at is None else rfc2822(standing.sent_at // SECOND),
        "date_updated": rfc2822(standing.updated_at // SECOND),
        "direction": message.direction,
        "error_code": error,
        "error_message": None if error is None else words(error),
        "from": message.sender or None,
        "messaging_service_sid": message.service and sid("MG", message.service),
        "num_media": str(message.media),
        "num_segments": str(message.segments) if message.sender else "0",
        "price": _price(message, standing),
        "price_unit": "USD",
        "sid": message_sid(message),
        "status": standing.status,
        "subresource_uris": {"feedback": path + "/Feedback.json", "media": path + "/Media.json"},
        "to": message.recipient,
        "uri": path + ".json",
    }


def medium_json(message: Message, medium: Medium) -> dict[str, Any]:
    """The Media resource. What has not been fetched yet may be anything (RFC 2046 §4.5.1)."""
    own = sid("ME", medium.id)
    return {
        "account_sid": sid("AC", message.account),
        "content_type": medium.content_type or "application/octet-stream",
        "date_created": rfc2822(medium.created_at // SECOND),
        "date_updated": rfc2822(medium.updated_at // SECOND),
        "parent_sid": message_sid(message),
        "sid": own,
        "uri": f"{message_uri(message)}/Media/{own}.json",
    }


def feedback_json(message: Message, outcome: str, created_at: int, updated_at: int) -> dict[str, Any]:
    """The Feedback resource."""
    return {
        "account_sid": sid("AC", message.account),
        "date_created": rfc2822(created_at // SECOND),
        "date_updated": rfc2822(updated_at // SECOND),
        "message_sid": message_sid(message),
        "outcome": outcome,
        "uri": message_uri(message) + "/Feedback.json",
    }


def error_json(problem: Problem) -> dict[str, Any]:
    """Twilio's error body; `detail` is there for 401 only, as its clients know it."""
    body: dict[str, Any] = {
        "code": problem.code,
        "message": problem.message,
        "more_info": f"https://www.twilio.com/docs/errors/{problem.code}",
        "status": problem.http,
    }
    if problem.http == 401:
        body["detail"] = problem.details.get("detail", problem.message)
    return body


def tells(event: Event) -> bool:
    """Whether the application is called back about this event of a message.

    Twilio does not tell of the status a message starts with, nor of `sending`.
    """
    return event.moved and event.status in _TOLD and event.kind is not Kind.CREATED


def callback_params(message: Message, event: Event) -> list[tuple[str, str]]:
    """The form of the status callback that tells of `event`, in the order that Twilio's captured ones have."""
    own = message_sid(message)
    params = [
        ("SmsSid", own),
        ("SmsStatus", event.status),
        ("MessageStatus", event.status),
        ("To", message.recipient),
        ("MessageSid", own),
        ("AccountSid", sid("AC", message.account)),
        *([("From", message.sender)] if message.sender else []),
        ("ApiVersion", API_VERSION),
    ]
    if message.service is not None:
        params.append(("MessagingServiceSid", sid("MG", message.service)))
    if event.error is not None and event.status in _UNSUCCESSFUL:
        params.insert(0, ("ErrorCode", str(event.error)))
    if event.status in _RECEIPTED and (done := _raw_done_date(event.detail.get("done_date"))):
        params.append(("RawDlrDoneDate", done))
    return params


def inbound_params(inbound: Inbound) -> list[tuple[str, str]]:
    """What the webhook of an inbound message is asked with. Of places only countries are known here; the rest is
    empty, as it often is with Twilio."""
    own = sid("SM" if inbound.channel == "sms" else "MM", inbound.message_id)
    params = [
        ("ToCountry", _country(inbound.recipient)),
        ("FromCountry", _country(inbound.sender)),
        *((end + place, "") for end in ("To", "From") for place in ("State", "City", "Zip")),
        ("SmsMessageSid", own),
        ("NumMedia", str(len(inbound.media))),
        ("SmsSid", own),
        ("SmsStatus", Status.RECEIVED),
        ("Body", inbound.body),
        ("To", inbound.recipient),
        ("NumSegments", str(inbound.segments)),
        ("MessageSid", own),
        ("AccountSid", sid("AC", inbound.account)),
        ("From", inbound.sender),
        ("ApiVersion", API_VERSION),
    ]
    if inbound.service is not None:
        params.append(("MessagingServiceSid", sid("MG", inbound.service)))
    if inbound.opt_out is not None:
        params.append(("OptOutType", inbound.opt_out))
    for place, (url, content_type, _) in enumerate(inbound.media):
        params += [(f"MediaUrl{place}", url), (f"MediaContentType{place}", content_type)]
    return params


def _country(address: str) -> str:
    return (phone.country(address) or "") if address.startswith("+") else ""


def extensions(event: Event) -> list[tuple[str, str]]:
    """Parameters of ours, for accounts that ask for them: the event's number within its message, and its time."""
    return [("TidingsSequence", str(event.number)), ("TidingsTimestamp", iso(event.at))]


def _raw_done_date(spelled: object) -> str | None:
    """A carrier's date as YYMMDDhhmm: carriers also write seconds, and years in full."""
    found = _DONE_DATE.fullmatch(spelled) if isinstance(spelled, str) else None
    return found[1] if found else None


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(4096)
def rfc2822(at: int) -> str:
    """Seconds since 1970 as `Thu, 24 Aug 2023 05:01:45 +0000`."""
    t = time.gmtime(at)
    clock = f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"
    return f"{_DAYS[t.tm_wday]}, {t.tm_mday:02} {MONTHS[t.tm_mon - 1]} {t.tm_year} {clock} +0000"
