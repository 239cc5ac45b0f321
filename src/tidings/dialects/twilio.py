"""Twilio's words for messages: form parameters become an `Order`; messages and moves become its JSON and forms.

Pure translation both ways: the web room calls it with what came in and for what goes out, the callback room for
the body of a status callback. Lists of messages are in `twilio_lists`. Shapes are those of the API 2010-04-01.
"""

import re
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from tidings.callbacks.url import InvalidUrl, parse_url
from tidings.clock import SECOND, iso
from tidings.errors import Problem, words
from tidings.ids import from_sid, sid
from tidings.lifecycle import Status
from tidings.model import Event, Message, Order, Standing

NAME: Final = "twilio"
API_VERSION: Final = "2010-04-01"

MAX_MEDIA: Final = 10
"""`MediaUrl` parameters (21623)."""
MAX_VALIDITY: Final = 36_000
"""Seconds (21624)."""

Params = Sequence[tuple[str, str]]
"""Decoded form or query parameters, in the order they came; a name may come more than once."""

_TOLD: Final = frozenset(
    {Status.SENT, Status.FAILED, Status.DELIVERED, Status.UNDELIVERED, Status.READ, Status.CANCELED}
)
_UNSUCCESSFUL: Final = frozenset({Status.FAILED, Status.UNDELIVERED})
_RECEIPTED: Final = frozenset({Status.DELIVERED, Status.UNDELIVERED})

_HEEDED: Final = frozenset({"To", "From", "Body", "StatusCallback", "ValidityPeriod", "SmartEncoded"})
_BOOLEANS: Final = frozenset({"ProvideFeedback", "ForceDelivery", "ShortenUrls", "SendAsMms"})
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

_DONE_DATE: Final = re.compile(
    r"(?:20)??(\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d)(?:[0-5]\d)?"
)


def parse_create(params: Params) -> tuple[Order, tuple[str, ...]]:
    """What a create asks for, and the names of parameters that were given and have no effect.

    Of a parameter that comes twice the last one counts, `MediaUrl` excepted; an empty one counts as not given.
    Raises Problem for what can be told from the parameters alone.
    """
    given = dict(params)
    recipient = given.get("To", "")
    sender = given.get("From", "")
    body = given.get("Body", "")
    if not recipient:
        raise Problem(21604)
    unheeded = given.keys() - _HEEDED
    if not sender or sender.startswith("MG") or unheeded:
        _refuse_unserved(params, given)
    if not body:
        raise Problem(21602)
    order = Order(
        dialect=NAME,
        sender=sender,
        recipient=recipient,
        body=body,
        callback_url=_callback_url(given.get("StatusCallback", "")),
        validity=_validity(given.get("ValidityPeriod", "")),
        smart_encoded=_boolean("SmartEncoded", given.get("SmartEncoded", "")),
    )
    return order, _without_effect(given, unheeded) if unheeded else ()


def _refuse_unserved(params: Params, given: dict[str, str]) -> None:
    """Raise where the message would need what is not there: a service, media, a template, an application."""
    sender = given.get("From", "")
    service = given.get("MessagingServiceSid") or (sender if from_sid(sender, "MG") else "")
    if not (service or sender):
        raise Problem(21603)
    if service:
        raise Problem(21701 if from_sid(service, "MG") else 21705, value=service)
    if given.get("SendAt") or given.get("ScheduleType"):
        raise Problem(35118)
    media = [value for name, value in params if name == "MediaUrl" and value]
    if len(media) > MAX_MEDIA:
        raise Problem(21623)
    for url in media:
        if not url.lower().startswith(("http://", "https://")):
            raise Problem(21620, value=url)
    if media or _boolean("SendAsMms", given.get("SendAsMms", "")):
        raise Problem(21621)
    if content := given.get("ContentSid"):
        raise Problem(21655, value=content)


def _without_effect(given: dict[str, str], names: set[str]) -> tuple[str, ...]:
    """The names, in the order they came, whose values ask for something that is not done."""
    found = []
    for name, value in given.items():
        if name in names and value:
            _check_unheeded(name, value, given)
            if (name, value.lower()) not in _ASKS_NOTHING:
                found.append(name)
    return tuple(found)


def _check_unheeded(name: str, value: str, given: dict[str, str]) -> None:
    """Raise for a value that would be wrong even where the parameter had an effect."""
    allowed, code = _CHOICES.get(name, (frozenset({value}), 20422))
    if value not in allowed:
        raise Problem(code, name=name, value=value)
    if name in _BOOLEANS:
        _boolean(name, value)
    elif name == "MaxPrice" and not re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", value):
        raise Problem(21627, value=value)
    elif name == "ApplicationSid" and not given.get("StatusCallback"):
        raise Problem(21218, value=value)


def _validity(value: str) -> int | None:
    if not value:
        return None
    seconds = int(value) if re.fullmatch(r"[0-9]{1,5}", value) else 0
    if not 1 <= seconds <= MAX_VALIDITY:
        raise Problem(21624, value=value)
    return seconds


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


def message_json(message: Message, standing: Standing) -> dict[str, Any]:
    """The Message resource. No message has a price here: `price` stays null."""
    account = sid("AC", message.account)
    own = sid("SM", message.id)
    path = f"/{API_VERSION}/Accounts/{account}/Messages/{own}"
    error = standing.error
    return {
        "account_sid": account,
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": rfc2822(message.created_at // SECOND),
        "date_sent": None if standing.sent_at is None else rfc2822(standing.sent_at // SECOND),
        "date_updated": rfc2822(standing.updated_at // SECOND),
        "direction": message.direction,
        "error_code": error,
        "error_message": None if error is None else words(error),
        "from": message.sender,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": str(message.segments),
        "price": None,
        "price_unit": "USD",
        "sid": own,
        "status": standing.status,
        "subresource_uris": {"media": path + "/Media.json"},
        "to": message.recipient,
        "uri": path + ".json",
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
    """Whether the application is called back about this event of a message it sent `From` a sender.

    Twilio does not tell of the status a message starts with, nor of `sending`.
    """
    return event.moved and event.status in _TOLD


def callback_params(message: Message, event: Event) -> list[tuple[str, str]]:
    """The form of the status callback that tells of `event`, in the order that Twilio's captured ones have."""
    own = sid("SM", message.id)
    params = [
        ("SmsSid", own),
        ("SmsStatus", event.status),
        ("MessageStatus", event.status),
        ("To", message.recipient),
        ("MessageSid", own),
        ("AccountSid", sid("AC", message.account)),
        ("From", message.sender),
        ("ApiVersion", API_VERSION),
    ]
    if event.error is not None and event.status in _UNSUCCESSFUL:
        params.insert(0, ("ErrorCode", str(event.error)))
    if event.status in _RECEIPTED and (done := _raw_done_date(event.detail.get("done_date"))):
        params.append(("RawDlrDoneDate", done))
    return params


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
